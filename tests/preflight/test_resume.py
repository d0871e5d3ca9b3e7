"""Which checkpoint a run begins from."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from torch import nn

from vitdense.checkpoint.reading.digest import CONTENT_SHA256, digest_content
from vitdense.checkpoint.whole_file import aside
from vitdense.preflight.model import check_weights
from vitdense.preflight.resume import (
    checkpoints_to_begin_from,
    read_first_whole,
    saved_since,
)


def config(work_dir: Path, **settings: object) -> Config:
    return Config({'work_dir': str(work_dir), **settings})


def test_nothing_asked(tmp_path: Path) -> None:
    assert checkpoints_to_begin_from(config(tmp_path), None) == []


def test_nothing_there_begins(tmp_path: Path) -> None:
    cfg = config(tmp_path / 'absent', resume=True)
    assert checkpoints_to_begin_from(cfg, 'auto') == []
    assert cfg.resume is False


def test_checkpoints_in_a_folder_of_their_own(tmp_path: Path) -> None:
    """It is where mmengine's hook has them: named as the work folder."""
    hook = {'checkpoint': {'out_dir': str(tmp_path / 'big')}}
    cfg = config(tmp_path / 'run', default_hooks=hook)
    path = tmp_path / 'big/run/iter_3.pth'
    path.parent.mkdir(parents=True)
    path.touch()
    os.utime(path, (100, 100))
    assert checkpoints_to_begin_from(cfg, 'auto') == [str(path)]
    assert saved_since(cfg, 99.0)
    assert not saved_since(cfg, 100.0)
    assert not saved_since(config(tmp_path / 'other'), 0.0)


def test_path_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'no checkpoint at .*absent'):
        checkpoints_to_begin_from(config(tmp_path), 'absent.pth')


def test_latest_first_and_best_left_out(tmp_path: Path) -> None:
    for age, name in enumerate(('iter_9', 'epoch_2', 'epoch_1', 'best_1')):
        path = tmp_path / f'{name}.pth'
        path.touch()
        os.utime(path, (100 - age, 100 - age))
    (tmp_path / 'last_checkpoint').write_text('epoch_2.pth')
    cfg = config(tmp_path)
    found = checkpoints_to_begin_from(cfg, 'auto')
    assert [Path(path).name for path in found] == [
        'epoch_2.pth',
        'iter_9.pth',
        'epoch_1.pth',
    ]
    assert cfg.resume is True


def test_one_that_was_about_to_be_replaced(tmp_path: Path) -> None:
    """The writer was killed before the new one had its name."""
    saved = aside(tmp_path / 'epoch_2.pth')
    for path in (tmp_path / 'epoch_1.pth', saved):
        path.mkdir()
    (tmp_path / 'last_checkpoint').write_text('epoch_2.pth')
    found = checkpoints_to_begin_from(config(tmp_path), 'auto')
    assert found == [str(saved), str(tmp_path / 'epoch_1.pth')]
    # it has been replaced, and was not removed yet
    (tmp_path / 'epoch_2.pth').mkdir()
    assert str(saved) not in checkpoints_to_begin_from(
        config(tmp_path), 'auto'
    )


def test_what_no_training_has_saved_is_left(tmp_path: Path) -> None:
    for name in ('non_finite_iter_2_rank_0', 'weights', 'best_score_epoch_1'):
        (tmp_path / f'{name}.pth').touch()
    assert checkpoints_to_begin_from(config(tmp_path), 'auto') == []
    hook = {'checkpoint': {'filename_tmpl': 'mine-{}.pth'}}
    (tmp_path / 'mine-7.pth').touch()
    found = checkpoints_to_begin_from(
        config(tmp_path, default_hooks=hook), 'auto'
    )
    assert [Path(path).name for path in found] == ['mine-7.pth']


def test_first_whole(tmp_path: Path) -> None:
    model = nn.Linear(2, 3)
    content: dict[str, Any] = {
        'state_dict': model.state_dict(),
        'meta': {'iter': 4},
    }
    content[CONTENT_SHA256] = digest_content(content)
    whole, changed, cut = (str(tmp_path / f'{i}.pth') for i in range(3))
    torch.save(content, whole)
    content['meta'] = {'iter': 5}
    torch.save(content, changed)
    Path(cut).write_bytes(Path(whole).read_bytes()[:400])
    source, read, broken = read_first_whole([cut, changed, whole])
    assert (source, read['meta']) == (whole, {'iter': 4})
    assert len(broken) == 2
    assert 'has another sha256' in broken[1]
    with pytest.raises(ValueError, match='none of 2 checkpoints is whole'):
        read_first_whole([cut, changed])
    with pytest.raises(ValueError, match='does not fit the model'):
        check_weights(nn.Linear(2, 4), whole, read)
