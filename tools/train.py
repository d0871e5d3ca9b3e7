"""Trains a detector or a segmenter: python tools/train.py CONFIG."""

import argparse
import sys

try:
    from vitdense.preflight.cli import (
        OneLineParser,
        add_common_options,
        nothing_shown,
        one_line_errors,
    )
except ImportError as error:
    sys.exit(f'error: {error}; the set-up in README.md has all that is needed')


def parse_args() -> argparse.Namespace:
    parser = OneLineParser(description=__doc__)
    parser.add_argument('config', help='a config file')
    add_common_options(parser)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help="go on from this checkpoint; 'auto' or nothing means the latest "
        'in the work folder, or the beginning if there is none',
    )
    parser.add_argument(
        '--init-from',
        metavar='FILE',
        help="begin from these weights, in place of the config's load_from; "
        'of a model of other classes, what belongs to classes of the same '
        'name is kept',
    )
    parser.add_argument(
        '--classes-of-checkpoint',
        metavar='FILE',
        help="names of that checkpoint's classes, one on each line, where it "
        'does not hold them',
    )
    parser.add_argument(
        '--save-every',
        metavar='TIME',
        help='save at least this often, beside what the config says, for '
        'example 10m (s, m, h or d)',
    )
    parser.add_argument(
        '--requeue',
        action='store_true',
        help='have Slurm run the job again after it was asked to stop '
        '(SIGTERM or SIGUSR1: the run saves and ends with exit code 75)',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: float16 on a GPU, bfloat16 on a CPU',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the real batch size',
    )
    parser.add_argument(
        '--skip-broken-images',
        action='store_true',
        help='train on without images that are cut off or cannot be decoded; '
        'they are counted and listed at the end',
    )
    parser.add_argument(
        '--log-to',
        action='append',
        default=[],
        choices=['tensorboard', 'wandb', 'mlflow'],
        help='log there too, by the package of that name; may be given '
        'several times',
    )
    parser.add_argument(
        '--submit',
        nargs='+',
        metavar='KEY=VALUE',
        help='check all, and have Slurm run it as a job that is queued again '
        'until it is done, for example gpus=8 nodes=2 hours=24 partition=NAME '
        '(of each node: gpus, memory_gb; of each GPU: cpus; also account, '
        'qos, constraint)',
    )
    return parser.parse_args()


def main() -> None:
    with one_line_errors():
        args = parse_args()
        with nothing_shown():
            from vitdense.datasets.loading import BrokenImageError
            from vitdense.engine.errors import (
                FolderInUseError,
                TrainingStoppedError,
            )
            from vitdense.engine.preemption import asked_before_it_begins
            from vitdense.engine.processes import ended_together
            from vitdense.preflight.options import TrainOptions
            from vitdense.preflight.prepare import prepare_training
            from vitdense.preflight.submit import submit

        options = TrainOptions.of(args)
        if args.submit is not None:
            print(submit(options, args.submit, [__file__, *sys.argv[1:]]))
            return
    stopped = (BrokenImageError, TrainingStoppedError)
    with (
        one_line_errors(stopped, 1),
        asked_before_it_begins(requeue=options.requeue),
    ):
        with one_line_errors(), ended_together(report=False):
            prepared = prepare_training(options)
        with one_line_errors((FolderInUseError,)), ended_together():
            prepared.train()


if __name__ == '__main__':
    main()
