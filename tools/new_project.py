"""Makes a config for your own data: python tools/new_project.py NAME ...

Looks at a folder of data (COCO's format, YOLO's, or pictures with label
maps), checks it, and writes the folder NAME with one config and what it
needs; then prints the commands that check, train and test.
"""

import argparse
import os
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
    parser.add_argument(
        'name', help='the folder that is made; it must not be there'
    )
    parser.add_argument(
        '--task', required=True, choices=['detection', 'segmentation']
    )
    parser.add_argument(
        '--data', required=True, metavar='DIR', help='the folder of data'
    )
    parser.add_argument(
        '--backbone',
        required=True,
        help='a file of configs/_base_/backbones, such as pvt-v2-b2',
    )
    parser.add_argument(
        '--head',
        help='retinanet, mask-rcnn, cascade-mask-rcnn, semantic-fpn or '
        'upernet; if not given, what suits the data',
    )
    parser.add_argument(
        '--from',
        dest='start',
        metavar='CHECKPOINT',
        help='begin from a model of these or other classes',
    )
    parser.add_argument(
        '--classes-of-checkpoint',
        metavar='FILE',
        help="names of that checkpoint's classes, one on each line, where it "
        'does not hold them',
    )
    parser.add_argument(
        '--classes',
        metavar='FILE',
        help='names of classes, one on each line: those to train on, or '
        'those of the labels where the data does not name them',
    )
    parser.add_argument(
        '--reduce-zero-label',
        action='store_true',
        help='label 0 of label maps is no class, and 1 the first',
    )
    parser.add_argument(
        '--val-fraction',
        type=float,
        help='split anew, with this part of the pictures to score; else '
        'splits are those of the data, or 0.2 are scored',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of split and training; 0'
    )
    parser.add_argument(
        '--memory-gb',
        type=float,
        help="memory of the GPU that trains; this machine's if not given",
    )
    return parser.parse_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        with nothing_shown():
            from vitdense.projects.project import (
                ProjectOptions,
                plan_project,
                write_project,
            )

            project = plan_project(ProjectOptions.of(args))
        write_project(project)
    print('\n'.join(project.notes))
    tools = os.path.relpath(Path(__file__).parent)
    config, checkpoint = map(
        os.path.relpath, (project.config, project.checkpoint)
    )
    more = ''
    if args.classes_of_checkpoint is not None:
        more = f' --classes-of-checkpoint {args.classes_of_checkpoint}'
    names = ('check_dataset', 'train', 'test')
    check, train, test = (f'python {tools}/{name}.py' for name in names)
    if sys.argv[0].startswith('vitdense '):  # called by that, without a clone
        check, train, test = (
            'vitdense check',
            'vitdense train',
            'vitdense test',
        )
    print(f'\n{check} {config}')
    print(f'{train} {config}{more}')
    print(f'{test} {config} {checkpoint} --show-dir seen')


if __name__ == '__main__':
    main()
