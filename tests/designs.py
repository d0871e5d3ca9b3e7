"""A small backbone of every design of every family.

The designs come from the families' tables: an arch with few channels and one
block a stage stands for all archs that differ from it in size alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vitdense import backbones  # noqa: F401 - makes the families known
from vitdense.backbones.arch import resolve_arch
from vitdense.backbones.pyramid import PyramidBackbone, known_backbones

HEAD_DIM = 8
MOST = {'heads': 2, 'mlp_ratios': 2, 'depths': 1}


class Design(NamedTuple):
    """A class, and an arch of it as its constructor takes it."""

    cls: type[PyramidBackbone]
    arch: dict[str, Any]

    @property
    def config(self) -> dict[str, Any]:
        """The backbone as configs write it."""
        return {'type': f'vitdense.{self.cls.__name__}', 'arch': self.arch}

    @property
    def stages(self) -> int:
        """How many it has."""
        return len(resolve_arch('', self.arch, self.cls.family.archs)[1].dims)

    def build(self, **options: Any) -> PyramidBackbone:
        """The backbone on the CPU; the same weights each time."""
        torch.manual_seed(0)
        model = self.cls(self.arch, **{'drop_path_rate': 0.0, **options})
        for parameter in model.parameters():
            if parameter.dim() == 1:
                # biases and factors of norms begin as what does nothing
                parameter.data.add_(0.1 * torch.randn_like(parameter))
        return model


def shallow(arch: Any) -> Any:
    """The arch with one block a stage, or of a plain ViT with one."""
    if hasattr(arch, 'depth'):
        return replace(arch, depth=1)
    # T2T-ViT-Dense has its blocks in groups, of which the last may stay
    few = {'groups': (1,)} if getattr(arch, 'groups', ()) else {}
    return replace(arch, depths=(1,) * len(arch.depths), **few)


def _small(arch: Any) -> Any:
    if hasattr(arch, 'depth'):  # a plain ViT, every block a stage
        return replace(
            arch,
            dim=2 * HEAD_DIM,
            depth=2,
            heads=2,
            mlp_ratio=2,
            layer_scale=0.5 if arch.layer_scale else 0.0,
            position_px=64,
            drop_path_rate=0.0,
        )
    columns: dict[str, Any] = {
        name: tuple(min(value, most) for value in getattr(arch, name))
        for name, most in MOST.items()
    }
    dims = tuple(HEAD_DIM * count for count in columns['heads'])
    if getattr(arch, 'groups', ()):
        columns |= {'groups': (1,), 'growth': HEAD_DIM}
    return replace(arch, dims=dims, drop_path_rate=0.0, **columns)


def _designs() -> Mapping[str, Design]:
    found: dict[Any, tuple[str, Design]] = {}
    for cls in known_backbones():
        for name, arch in cls.family.archs.items():
            small = _small(arch)  # frozen: those of one design are equal
            label = f'like-{cls.family.name}-{name}'
            found.setdefault(small, (label, Design(cls, asdict(small))))
    return dict(found.values())


DESIGNS = _designs()


def images(hw: tuple[int, int], batch: int) -> Tensor:
    """(B, 3, H, W), the same ones each time."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 3, *hw, generator=generator)
