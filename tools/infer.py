"""Predicts on pictures: python tools/infer.py CONFIG CHECKPOINT INPUT...

Inputs are pictures, videos, folders and patterns such as 'photos/*.jpg'.
Results go to the folder of --out: drawn pictures and videos, and a file of
COCO's format or label maps. A run that was stopped goes on where it was.
What is broken is left out and told, and the exit code is 1 then. CHECKPOINT
may be a file that tools/export.py has written of it.
"""

import argparse
import sys
from pathlib import Path

try:
    from vitdense.preflight.cli import (
        OneLineParser,
        add_from_option,
        add_model_options,
        nothing_shown,
        one_line_errors,
        tell_error,
    )
except ImportError as error:
    sys.exit(f'error: {error}; the set-up in README.md has all that is needed')


def parse_args() -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage='%(prog)s [options] CONFIG CHECKPOINT INPUT...\n'
        '       %(prog)s [options] --from WORK_DIR INPUT...',
    )
    parser.add_argument('what', nargs='+', help=argparse.SUPPRESS)
    add_from_option(parser)
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('predictions'),
        help='the folder of the results (default: predictions)',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='remove the results that are there of another model or of other '
        'options, and replace those of other pictures of the same name',
    )
    parser.add_argument(
        '--write',
        nargs='+',
        metavar='FORMAT',
        choices=['pictures', 'coco', 'yolo', 'maps', 'panoptic'],
        help='detection: pictures, and videos of them where frames are from '
        'one, coco (predictions.json), yolo (a text for each picture); '
        'segmentation: pictures, maps (PNGs of labels); panoptic: pictures, '
        "panoptic (COCO's panoptic.json and PNGs). All but yolo if not given",
    )
    parser.add_argument(
        '--score',
        type=float,
        default=0.3,
        help='leave out objects of a lower score (default: 0.3)',
    )
    parser.add_argument(
        '--polygons',
        action='store_true',
        help="masks as polygons in COCO's file, not as run lengths",
    )
    parser.add_argument(
        '--batch-size', type=int, default=1, help='pictures at once'
    )
    parser.add_argument(
        '--tile',
        type=int,
        metavar='PIXELS',
        help='cut larger pictures into tiles of that height and width, which '
        'go through the model in batches of --batch-size',
    )
    parser.add_argument(
        '--overlap',
        type=float,
        default=0.2,
        help='of neighbouring tiles, in parts of a tile (default: 0.2)',
    )
    parser.add_argument(
        '--every',
        type=int,
        default=1,
        metavar='FRAMES',
        help='of videos, predict on one frame in so many (default: 1)',
    )
    parser.add_argument('--device', help='such as cpu or cuda:1')
    parser.add_argument(
        '--amp', action='store_true', help='predict in bfloat16'
    )
    add_model_options(parser)
    return parser.parse_intermixed_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        with nothing_shown():
            from vitdense.checkpoint import set_pickle_trust
            from vitdense.predict.job import Job
        from vitdense.preflight.trained import named_or_left

        set_pickle_trust(args.trust_pickle)
        config, checkpoint, inputs = named_or_left(
            args.what, args.work_dir, 'INPUT'
        )
        if not 0 <= args.score <= 1:
            raise ValueError(f'--score {args.score} is not within 0 and 1')
        job = Job(
            config,
            checkpoint,
            inputs,
            args.out,
            formats=args.write,
            score=args.score,
            polygons=args.polygons,
            overwrite=args.overwrite,
            batch_size=args.batch_size,
            device=args.device,
            amp=args.amp,
            cfg_options=args.cfg_options,
            tile=args.tile,
            overlap=args.overlap,
            every=args.every,
        )
    with one_line_errors((OSError,), 1):
        broken = job.run()
    print(f'results: {args.out}')
    for each in broken:
        tell_error(f'left out: {each}')
    raise SystemExit(bool(broken))


if __name__ == '__main__':
    main()
