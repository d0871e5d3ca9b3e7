"""Several processes agree on a step that is not finite."""

from pathlib import Path

import pytest
import torch
from processes import free_port
from torch.multiprocessing.spawn import spawn
from toy_training import train_one_of_two


@pytest.mark.slow
@pytest.mark.parametrize('on_bad', ['stop', 'skip'])
def test_all_do_the_same(tmp_path: Path, on_bad: str) -> None:
    spawn(train_one_of_two, (free_port(), str(tmp_path), on_bad), nprocs=2)
    one, other = (torch.load(tmp_path / f'{rank}.pth') for rank in range(2))
    # the work folders of this test, and so the checkpoints, are two
    said = [each['outcome'].partition('; last')[0] for each in (one, other)]
    assert said[0] == said[1]
    learned = [k for k in one['state'] if not k.startswith('norm.running')]
    for name in learned:
        assert torch.equal(one['state'][name], other['state'][name])
        assert one['state'][name].isfinite().all()
    named = 'in process 1: gradients of extra.weight, extra.bias'
    files = [path.parent.name for path in tmp_path.glob('*/non_finite*')]
    assert files == ['1']
    if on_bad == 'stop':
        assert named in one['outcome']
        assert 'images: 6 images/6.jpg, 8 ' in one['outcome']
        assert 'in process 0' not in one['outcome']
    else:
        assert one['outcome'] == ''
        (log,) = (tmp_path / '0').glob('*/*.log')
        assert named in log.read_text()
