"""Writes a model as one file: python tools/export.py CONFIG CHECKPOINT OUTPUT

OUTPUT ends in .onnx, or in .xml for OpenVINO. The file takes pictures as they
are read, and gives results; tools/infer.py runs it in place of a checkpoint.
It is run on pictures of three sizes, and there is no file if it differs from
the model. What can be exported: docs/exporting.md.
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
    )
except ImportError as error:
    sys.exit(f'error: {error}; the set-up in README.md has all that is needed')


def parse_args() -> argparse.Namespace:
    parser = OneLineParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage='%(prog)s [options] CONFIG CHECKPOINT OUTPUT\n'
        '       %(prog)s [options] --from WORK_DIR OUTPUT',
    )
    parser.add_argument('what', nargs='+', help=argparse.SUPPRESS)
    add_from_option(parser)
    parser.add_argument(
        '--format',
        choices=['onnx', 'openvino'],
        help="if not given, OUTPUT's suffix says it: .onnx or .xml",
    )
    parser.add_argument(
        '--backbone',
        action='store_true',
        help='export the backbone alone, which gives its levels',
    )
    parser.add_argument(
        '--no-check',
        action='store_true',
        help='do not run the file to see that it is equal to the model',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace a file that is there',
    )
    add_model_options(parser)
    return parser.parse_intermixed_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        with nothing_shown():
            from vitdense.checkpoint import set_pickle_trust
            from vitdense.export.exporting import export
        from vitdense.preflight.trained import named_or_left

        set_pickle_trust(args.trust_pickle)
        config, checkpoint, rest = named_or_left(
            args.what, args.work_dir, 'OUTPUT'
        )
        if len(rest) != 1:
            raise ValueError(f'name one OUTPUT, not {rest}')
        output = Path(rest[0])
        worst = export(
            config,
            checkpoint,
            output,
            form=args.format,
            backbone=args.backbone,
            checked=not args.no_check,
            overwrite=args.overwrite,
            cfg_options=args.cfg_options,
        )
    for name, error in worst.items():
        print(f'{name}: differs by {error:.1g} at most')
    print(f'written: {output}')


if __name__ == '__main__':
    main()
