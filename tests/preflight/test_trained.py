"""What a training has left: curves of one that was resumed."""

import json
from pathlib import Path

import pytest

from vitdense.preflight.trained import curves


def log(run: Path, start: str, *lines: dict[str, float]) -> None:
    folder = run / start / 'vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))


@pytest.mark.parametrize('by_epoch', [True, False])
def test_evaluation_that_a_resumed_run_begins_with(
    tmp_path: Path, by_epoch: bool
) -> None:
    """Killed in step 5, after the checkpoint of step 4, the end of epoch 2,
    whose evaluation had not ended."""

    def trained(step: int) -> dict[str, float]:
        epoch = {'epoch': (step + 1) // 2} if by_epoch else {}
        return {'loss': 1 / step, 'iter': step, 'step': step, **epoch}

    def scored(step: int, score: float) -> dict[str, float]:
        return {'mIoU': score, 'step': step // 2 if by_epoch else step}

    log(
        tmp_path,
        '1',
        *(trained(1), trained(2), scored(2, 10)),
        *(trained(3), trained(4), trained(5)),
    )
    log(tmp_path, '2', scored(4, 20), trained(5), trained(6), scored(6, 30))
    found = curves(tmp_path)
    assert [each for each in found if each[1] == 'mIoU'] == [
        (2, 'mIoU', 10),
        (4, 'mIoU', 20),
        (6, 'mIoU', 30),
    ]
    steps = [step for step, name, _ in found if name == 'loss']
    assert steps == [1, 2, 3, 4, 5, 6]
