"""A checkpoint in parts, written by a process of its own.

A group of processes that a test's own process once had would be in each data
loader's worker that it forks, and end there.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import distribute_tensor

from vitdense.checkpoint.reading.digest import CONTENT_SHA256, digest_content
from vitdense.checkpoint.sharded import (
    REST,
    sharded_tensors,
    without_sharded,
    write_digests,
)


def whole_content() -> dict[str, Any]:
    """What a training saves, in little."""
    weight = torch.arange(10.0).view(5, 2)
    state = {0: {'step': torch.tensor(3.0), 'exp_avg': weight + 0.5}}
    return {
        'meta': {'iter': 7},
        'state_dict': {'a.weight': weight, 'norm.mean': torch.ones(3)},
        'optimizer': {'state': state, 'param_groups': [{'lr': 0.1}]},
    }


def write(rank: int, path: str) -> None:
    """Write it, with the matrices in parts."""
    distributed.init_process_group(
        'gloo', init_method=f'file://{path}.store', rank=rank, world_size=1
    )
    mesh = init_device_mesh('cpu', (1,))

    def divided(node: Any) -> Any:
        if isinstance(node, Tensor):
            return distribute_tensor(node, mesh) if node.dim() == 2 else node
        if isinstance(node, dict):
            return {key: divided(each) for key, each in node.items()}
        return node

    content = divided(whole_content())
    found = dict(sharded_tensors(content))
    assert list(found) == ['state_dict/a.weight', 'optimizer/state/0/exp_avg']
    save(found, checkpoint_id=path)
    rest = without_sharded(content)
    assert rest['state_dict']['a.weight'] is None
    assert content['state_dict']['a.weight'] is not None
    rest[CONTENT_SHA256] = digest_content(rest)
    torch.save(rest, Path(path, REST))
    write_digests(Path(path))
