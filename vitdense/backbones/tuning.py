"""Which parameters of a backbone learn: all, none, its attention, or LoRA."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from vitdense.backbones.arch import is_integer

# Where peft keeps what it stands in for, and marks what it adds.
WRAPPED, ADDED = '.base_layer.', '.lora_'


def _in_attention(name: str) -> bool:
    return '.attn.' in name


# By the name of a parameter, or of a buffer beside it.
LEARNS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {
        'all': lambda name: True,
        'none': lambda name: False,
        # as --attn-only of arXiv:2203.09795: learned positions too
        'attention': lambda name: (
            _in_attention(name) or name.endswith('pos_embed')
        ),
        'lora': lambda name: ADDED in name,
    }
)
TARGETS: Mapping[str, Callable[[str], bool]] = MappingProxyType(
    {'attention': _in_attention, 'all': lambda name: '.blocks.' in name}
)


@dataclass(frozen=True)
class Tuning:
    """What ``tune`` means for a backbone.

    Attributes:
        type: 'all', 'none', 'attention' or 'lora'.
        rank: Of LoRA's matrices.
        alpha: LoRA's change is multiplied by ``alpha / rank``.
        dropout: Of what LoRA's matrices are given, in [0, 1).
        targets: Linears that get them: those of 'attention', or 'all' of
            the blocks.
    """

    type: str
    rank: int = 16
    alpha: int = 16
    dropout: float = 0.0
    targets: str = 'attention'

    def learns(self, name: str) -> bool:
        """Whether a tensor of that name, in the backbone, changes."""
        return LEARNS[self.type](name)

    def prepare(self, model: nn.Module) -> None:
        """Put adapters in, if it is LoRA.

        Raises:
            ValueError: If ``peft`` is missing.
        """
        if self.type != 'lora':
            return
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ModuleNotFoundError as error:
            raise ValueError(
                f"{type(model).__name__}: tune='lora' needs {error.name}, "
                'which is not installed; vitdense has it as the extra lora: '
                'pip install -e .[lora], in its folder'
            ) from None
        linears = [
            name
            for name, part in model.named_modules()
            if isinstance(part, nn.Linear)
            and TARGETS[self.targets](f'{name}.')
        ]
        settings = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=linears,
        )
        inject_adapter_in_model(settings, model)


OPTIONS = ('rank', 'alpha', 'dropout', 'targets')


def resolve_tuning(title: str, tune: str | Mapping[str, Any]) -> Tuning:
    """What a constructor's ``tune`` asks for.

    Args:
        title: Name of the backbone class, for messages.
        tune: One of ``LEARNS``, or a mapping with it as ``type`` and, for
            'lora', options.

    Raises:
        ValueError: If a kind, an option or its value is none of them.
        TypeError: If it is neither a name nor a mapping.
    """
    if not isinstance(tune, str | Mapping):
        raise TypeError(
            f'{title}: tune={tune!r} is neither one of {list(LEARNS)} nor a '
            "mapping such as dict(type='lora', rank=8)"
        )
    settings = {'type': tune} if isinstance(tune, str) else dict(tune)
    kind = settings.pop('type', None)
    if not isinstance(kind, str) or kind not in LEARNS:
        raise ValueError(
            f'{title}: tune={tune!r}: there is no {kind!r}; choose from '
            f'{list(LEARNS)}'
        )
    known = OPTIONS if kind == 'lora' else ()
    if not settings.keys() <= set(known):
        raise ValueError(
            f'{title}: tune={tune!r}: {kind!r} takes no '
            f'{sorted(settings.keys() - set(known))}; its options are '
            f'{list(known)}'
        )
    tuning = Tuning(kind, **settings)
    fits = {
        'rank': is_integer(tuning.rank) and tuning.rank > 0,
        'alpha': is_integer(tuning.alpha) and tuning.alpha > 0,
        'dropout': isinstance(tuning.dropout, int | float)
        and not isinstance(tuning.dropout, bool)
        and 0 <= tuning.dropout < 1,
        'targets': tuning.targets in list(TARGETS),
    }
    meant = {
        'rank': 'a positive integer',
        'alpha': 'a positive integer',
        'dropout': 'a number in [0, 1)',
        'targets': f'one of {list(TARGETS)}',
    }
    for name, fit in fits.items():
        if not fit:
            raise ValueError(
                f'{title}: tune={tune!r}: {name} must be {meant[name]}'
            )
    return tuning


def plain_name(name: str) -> str:
    """What a tensor is called in the same backbone without adapters."""
    return name.replace(WRAPPED, '.')
