"""Nothing in a backbone waits for the device, or works on another one."""

from collections.abc import Callable
from dataclasses import asdict

import pytest
import torch
from designs import DESIGNS, images, shallow
from devices import Device, on_cuda, played
from torch import Tensor

from vitdense.backbones.pyramid import known_backbones

HW = (64, 96)
ARCHS = {
    f'{cls.family.name}-{name}': (cls, arch)
    for cls in known_backbones()
    for name, arch in cls.family.archs.items()
}
WAITS: dict[str, Callable[[Tensor], object]] = {
    'item': lambda x: x.sum().item(),
    'condition': lambda x: bool(x.gt(0).any()),
    'mask': lambda x: x[x > 0],
    'nonzero': torch.nonzero,
    'to the host': lambda x: x.cpu(),
}


@pytest.mark.parametrize('device', [on_cuda, played], indirect=True)
@pytest.mark.parametrize('design', DESIGNS)
def test_backbones_do_not_wait(design: str, device: Device) -> None:
    model = DESIGNS[design].build(drop_path_rate=0.5, with_cp=True)
    model = device.model(model).train()
    batch = device.tensor(images(HW, 2))
    with torch.no_grad():
        model(batch)  # the first pass may set up libraries
    with device.no_waiting():
        levels = model(batch)
        sum(level.square().mean() for level in levels).backward()
    model.eval()
    with device.no_waiting(), torch.no_grad():
        model(batch)


@pytest.mark.parametrize('device', [on_cuda, played], indirect=True)
@pytest.mark.parametrize('way', WAITS)
def test_waiting_is_seen(way: str, device: Device) -> None:
    x = device.tensor(torch.ones(4))
    with pytest.raises((RuntimeError, AssertionError)), device.no_waiting():
        WAITS[way](x)


@pytest.mark.parametrize('arch', ARCHS)
def test_all_work_is_where_the_images_are(arch: str) -> None:
    """Tensors of 'meta' refuse to meet others, and to tell numbers."""
    cls, full = ARCHS[arch]
    with torch.device('meta'):
        model = cls(asdict(shallow(full)), drop_path_rate=0.5)
    levels = model.train()(torch.empty(1, 3, 65, 97, device='meta'))
    assert all(level.is_meta for level in levels)
    assert tuple(level.shape[1] for level in levels) == model.out_channels
    with pytest.raises(RuntimeError, match='device'):
        model(torch.empty(1, 3, 65, 97))
