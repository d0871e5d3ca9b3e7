"""Mixed precision."""

import torch
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn


def test_forward_runs_in_bfloat16() -> None:
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapper = OPTIM_WRAPPERS.build(
        {'type': 'vitdense.BFloat16OptimWrapper', 'optimizer': optimizer}
    )
    before = model.weight.detach().clone()
    with wrapper.optim_context(model):
        output = model(torch.ones(1, 4))
    assert output.dtype == torch.bfloat16
    wrapper.update_params(output.float().sum())
    assert model.weight.dtype == torch.float32
    assert not torch.equal(model.weight, before)
