"""A family of backbones: one record that joins all that belongs to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch import Tensor

from vitdense.checkpoint.errors import CheckpointError
from vitdense.checkpoint.matching.rules import Layout

OFFICIAL = 'official'


@dataclass(frozen=True)
class Published:
    """A checkpoint that its authors published, or why there is none.

    Attributes:
        url: Address of the file; empty if there is none to download.
        top1: Accuracy on ImageNet-1k in percent, as its authors state it.
        why: Why there is no file.
    """

    url: str = ''
    top1: float | None = None
    why: str = ''


@dataclass(frozen=True, eq=False)
class Family:
    """What the loader, the converter and the benchmark need of a family.

    Its class carries the record, as ``family``; nothing else lists families.

    Attributes:
        name: Short, in lower case; names of configs begin with it.
        archs: The table of architectures by name: dataclasses of one type
            with, at least, ``dims`` (a value for each stage) and
            ``drop_path_rate``.
        layouts: How checkpoint files name its tensors.
        reference: The network written out: maps (weights, arch, images) to
            the output of every stage; what is fast must equal it.
        published: Public checkpoints by name of the arch.
    """

    name: str
    archs: Mapping[str, Any]
    layouts: tuple[Layout, ...]
    reference: Callable[[Any, Any, Tensor], list[Tensor]]
    published: Mapping[str, Published] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def official_url(self, arch_name: str | None) -> str:
        """Address of the published checkpoint of an arch.

        Args:
            arch_name: Name in ``archs``; None for a user's own arch.

        Raises:
            CheckpointError: If there is none, saying why.
        """
        entry = self.published.get(arch_name or '')
        if entry is None:
            having = [name for name, e in self.published.items() if e.url]
            raise CheckpointError(
                f"checkpoint='{OFFICIAL}': no checkpoint is published for "
                f'arch {arch_name!r} of family {self.name!r}; those with one '
                f'are {having}'
            )
        if not entry.url:
            raise CheckpointError(
                f"checkpoint='{OFFICIAL}': there is no public file for arch "
                f'{arch_name!r} of family {self.name!r}: {entry.why}'
            )
        return entry.url
