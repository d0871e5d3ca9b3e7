"""Shows what a backbone makes of a picture.

python tools/visualize.py CONFIG CHECKPOINT PICTURE [--point X Y]

The levels of its pyramid, by their three principal components, and what the
cell at a point attends to, in the last block of each stage.
"""

import argparse
import sys
from pathlib import Path

try:
    from vitdense.preflight.cli import (
        OneLineParser,
        add_model_options,
        nothing_shown,
        one_line_errors,
    )
except ImportError as error:
    sys.exit(f'error: {error}; the set-up in README.md has all that is needed')


def parse_args() -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='a config file')
    parser.add_argument('checkpoint', help='a checkpoint of that model')
    parser.add_argument('picture', help='an image file')
    parser.add_argument(
        '--point',
        nargs=2,
        type=int,
        metavar=('X', 'Y'),
        help='show what is attended to from there: pixels across and down',
    )
    parser.add_argument(
        '--head',
        type=int,
        help='of that head alone, from 0 on (default: the mean of all)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('looked.png'),
        help='the figure: .png, .svg or .pdf (default: looked.png)',
    )
    parser.add_argument(
        '--overwrite', action='store_true', help='replace a figure there'
    )
    parser.add_argument('--device', help='such as cpu or cuda:1')
    add_model_options(parser)
    return parser.parse_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        if args.head is not None and (args.head < 0 or args.point is None):
            raise ValueError(
                f'--head {args.head}: a head, from 0 on, is shown from a '
                '--point'
            )
        with nothing_shown():
            from vitdense.checkpoint import set_pickle_trust
            from vitdense.predict.predictor import Predictor
            from vitdense.visualize.logs import check_target
            from vitdense.visualize.look import draw_look

        set_pickle_trust(args.trust_pickle)
        check_target(args.out, overwrite=args.overwrite)
        predictor = Predictor(
            args.config,
            args.checkpoint,
            device=args.device,
            cfg_options=args.cfg_options,
        )
        point = tuple(args.point) if args.point else None
        figure = draw_look(predictor, args.picture, point, args.head)
        figure.savefig(args.out, dpi=150)
    print(f'figure: {args.out}')


if __name__ == '__main__':
    main()
