"""Shows what a model is given: python tools/browse.py CONFIG.

Pictures go through the config's pipeline and data preprocessor, as in a
training. They are drawn with their boxes and masks, or label maps, into the
folder of --out, and on one page with --page.
"""

import argparse
import sys
from pathlib import Path

try:
    from mmengine.config import DictAction

    from vitdense.preflight.cli import (
        OneLineParser,
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
    parser.add_argument(
        '--split',
        choices=['train', 'val', 'test'],
        default='train',
        help='which data (default: train)',
    )
    parser.add_argument(
        '--count', type=int, default=16, help='how many (default: 16)'
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='of which pictures, and of all that is random in their making '
        '(default: 0)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('browsed'),
        help='the folder of the pictures (default: browsed)',
    )
    parser.add_argument(
        '--page', type=Path, metavar='FILE', help='one HTML file of them too'
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace pictures and a page that are there',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config',
    )
    return parser.parse_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        if args.count < 1:
            raise ValueError(f'--count={args.count} is not positive')
        if args.seed < 0:
            raise ValueError(f'--seed={args.seed} is negative')
        with nothing_shown():
            from vitdense.preflight.config import load_config
            from vitdense.preflight.options import CommonOptions
            from vitdense.visualize.batches import read_given
            from vitdense.visualize.browse import (
                check_folder,
                check_page,
                draw_all,
                write_folder,
                write_page,
            )

            check_folder(args.out, overwrite=args.overwrite)
            if args.page is not None:
                check_page(args.page, overwrite=args.overwrite)
            options = CommonOptions(
                config=args.config, cfg_options=args.cfg_options or {}
            )
            cfg = load_config(options)
            drawn = draw_all(
                read_given(cfg, args.split, args.count, args.seed)
            )
        write_folder(args.out, drawn)
        if args.page is not None:
            about = {
                'config': args.config,
                'data': args.split,
                'seed': str(args.seed),
                'pictures': str(len(drawn)),
            }
            write_page(args.page, drawn, about)
    print(f'{len(drawn)} pictures of {args.split}: {args.page or args.out}')


if __name__ == '__main__':
    main()
