"""Describes a checkpoint's run, or makes its predictions.

A process of its own, which ``vitdense.benchmark.accuracy.predicting``
starts, under torchrun where several share the work.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitdense.preflight.cli import (
    OneLineParser,
    nothing_shown,
    one_line_errors,
)

if TYPE_CHECKING:
    from vitdense.preflight.options import TestOptions

# what a description begins with on its line
DESCRIBED = 'described '


def parse_args() -> argparse.Namespace:
    """What is asked: all that testing is, as JSON, and where it goes."""
    parser = OneLineParser(description=__doc__)
    parser.add_argument('options', type=json.loads)
    parser.add_argument('--folder', type=Path, required=True)
    parser.add_argument('--finished', type=Path)
    parser.add_argument('--describe', action='store_true')
    return parser.parse_args()


def main() -> None:
    """Do what is asked."""
    with one_line_errors():
        args = parse_args()
        with nothing_shown():
            from vitdense.engine.errors import FolderInUseError
            from vitdense.engine.processes import ended_together
            from vitdense.preflight.options import TestOptions

        options = TestOptions(**args.options)
        if args.describe:
            described = describe(options, args.folder, args.finished)
            print(DESCRIBED + json.dumps(described), flush=True)
            return
    with one_line_errors((FolderInUseError,)), ended_together():
        predict(options, args.folder)


def describe(
    options: 'TestOptions', folder: Path, finished: Path | None
) -> dict[str, Any]:
    """What a run is, all of it checked unless its predictions are kept.

    Args:
        options: Config and checkpoint.
        folder: Where predictions are kept.
        finished: The checkpoint that tells how far the training has got.

    Raises:
        ValueError, TypeError, LookupError, OSError: If anything cannot be
            used.
    """
    from vitdense.benchmark.accuracy.described import (
        digest_annotations,
        find_data,
        name_predictions,
        versions,
    )
    from vitdense.checkpoint.sharded import digest_checkpoint
    from vitdense.preflight.config import load_config
    from vitdense.preflight.model import check_exists
    from vitdense.preflight.prepare import prepare_testing

    with nothing_shown():
        cfg = load_config(options)
        check_exists(options.checkpoint)
        if finished is not None:
            check_finished(finished, cfg.get('train_cfg') or {})
        data = find_data(cfg)
        sha256 = digest_checkpoint(Path(options.checkpoint))
        of_truth = digest_annotations(data)
        path = folder / name_predictions(cfg, data, sha256, of_truth)
        if not path.exists():
            prepare_testing(options)
        return {
            'predictions': str(path),
            'annotations': str(data.annotations),
            'images': str(data.images),
            'classes': data.classes,
            'reduce_zero_label': data.reduce_zero_label,
            'label_maps': data.label_maps(),
            'config': cfg.pretty_text,
            'sha256': sha256,
            'versions': versions(),
            'truth_sha256': of_truth,
            'count': len(data.dataset),
        }


def check_finished(last: Path, train_cfg: Any) -> None:
    """See that a training has come to its end.

    Raises:
        ValueError: If it has done less than its config says.
    """
    from vitdense.preflight.model import read_checkpoint

    meta = read_checkpoint(str(last)).get('meta') or {}
    for what, unit in (('max_epochs', 'epoch'), ('max_iters', 'iter')):
        wanted, done = train_cfg.get(what), meta.get(unit)
        if wanted is not None and done is not None and done < wanted:
            raise ValueError(
                f'{str(last)!r} is of {unit} {done}, the config says '
                f'train_cfg.{what}={wanted}: the training is not finished; '
                'go on with tools/train.py --resume, or name '
                'CONFIG.py:CHECKPOINT'
            )


def predict(options: 'TestOptions', folder: Path) -> None:
    """Make the predictions that are not kept yet, with other processes."""
    from vitdense.benchmark.accuracy.described import (
        digest_annotations,
        find_data,
        name_predictions,
    )
    from vitdense.benchmark.accuracy.predict_loop import PredictLoop
    from vitdense.checkpoint.sharded import digest_checkpoint
    from vitdense.engine.processes import leave
    from vitdense.engine.work_folder import occupied
    from vitdense.preflight.config import load_config
    from vitdense.preflight.prepare import prepare_testing

    with nothing_shown():
        cfg = load_config(options)
        data = find_data(cfg)
        sha256 = digest_checkpoint(Path(options.checkpoint))
        name = name_predictions(cfg, data, sha256, digest_annotations(data))
        log = folder / 'log' / Path(name).stem
        prepared = prepare_testing(replace(options, work_dir=str(log)))
    prepared.parts['test_cfg'] = {
        'type': PredictLoop,
        'fp16': bool((cfg.test_cfg or {}).get('fp16')),
        'path': folder / name,
        'data': data,
    }
    with occupied(str(log)):
        prepared.build_runner().test()
    leave()


if __name__ == '__main__':
    main()
