"""Does a kept step of training once more: python tools/replay_batch.py FILE.

Training that stops on a loss or gradient that is not finite keeps the step in
its work folder. Exit code: 0 if numbers are not finite here too, 1 if all
are, 2 if the file cannot be used. The file is read as data; the config in it
says which classes are built, as any config file does.
"""

import argparse
import sys
from pathlib import Path

try:
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
    parser.add_argument('file', type=Path, help='non_finite_iter_*.pth')
    return parser.parse_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        with nothing_shown():
            from vitdense.engine.kept_step import read_step
            from vitdense.engine.replay import replay

            step = read_step(args.file)
            model = step.build_model()
            found = replay(model, step.passes, step.autocast)
    print(f'{"iteration":>9}  {"loss":24} {"values":>7} {"non-finite":>10}  '
          f'{"min":>11} {"mean":>11} {"max":>11}')  # fmt: skip
    for each in found.losses:
        print(
            f'{each.iteration:9}  {each.name:24} {each.values:7} '
            f'{each.non_finite:10}  {each.low:11.5g} {each.mean:11.5g} '
            f'{each.high:11.5g}'
        )
    for title, names in (
        ('images', found.images),
        ('weights and buffers not finite before the step', found.weights),
        ('parameters whose gradients are not finite', found.gradients),
    ):
        print(f'{title}: {len(names)}')
        for name in names:
            print(f'  {name}')
    print('reproduced' if found.bad else 'not reproduced: all is finite')
    raise SystemExit(0 if found.bad else 1)


if __name__ == '__main__':
    main()
