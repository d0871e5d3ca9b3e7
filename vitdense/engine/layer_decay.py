"""Layer-wise learning-rate decay: the deeper a parameter, the faster."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from vitdense.registry import OPTIM_WRAPPER_CONSTRUCTORS

KEYS = ('decay_rate',)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Gives a backbone's parameters learning rates by their depth.

    BEiT (arXiv:2106.08254) and ViTDet (arXiv:2203.16527): a parameter at
    depth d of a backbone of L blocks has ``decay_rate ** (L + 1 - d)`` times
    the optimizer's learning rate; heads and necks have all of it. The
    backbone tells depths: ``num_blocks`` and ``parameter_depths()``, as
    ``PyramidBackbone`` has them.

    Weight decay is of matrices and kernels alone: of what is called weight
    and has two axes or more. Norms, biases, positions, class and register
    tokens and LayerScale have none, in the whole model.

    Args:
        optim_wrapper_cfg: Settings of the wrapper, with ``optimizer``, which
            must have ``lr``.
        paramwise_cfg: ``dict(decay_rate=...)``, in (0, 1]; 1 is without.

    Raises:
        ValueError: If ``decay_rate`` is missing or no such number, if there
            is another key, or no ``lr``; when called, if no part of the model
            tells depths.
    """

    optimizer_cfg: dict[str, Any]
    paramwise_cfg: Any
    base_lr: float

    def _validate_cfg(self) -> None:
        place = f'{type(self).__name__}: paramwise_cfg={self.paramwise_cfg!r}'
        if not isinstance(self.paramwise_cfg, dict) or set(
            self.paramwise_cfg
        ) != set(KEYS):
            raise ValueError(f'{place} must have {list(KEYS)}, and no others')
        rate = self.paramwise_cfg['decay_rate']
        if (
            not isinstance(rate, int | float)
            or isinstance(rate, bool)
            or not 0 < rate <= 1
        ):
            raise ValueError(f'{place}: decay_rate is not in (0, 1]')
        if self.base_lr is None:
            raise ValueError(
                f'{type(self).__name__}: optimizer={self.optimizer_cfg!r} '
                'has no lr for the rates of layers to be fractions of'
            )

    def add_params(
        self,
        params: list[dict[str, Any]],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: bool | None = None,
    ) -> None:
        """Add the parameters that learn: a group for each rate and decay.

        Args:
            params: Groups; changed in place.
            module: The model.
            prefix: Of names in it; mmengine gives none.
            is_dcn_module: mmengine's, of no use here.
        """
        scales = dict(self._scales(module))
        groups = defaultdict(list)
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                decays = parameter.ndim > 1 and name.endswith('weight')
                groups[scales.get(name, 1.0), decays].append(parameter)
        for (scale, decays), members in sorted(
            groups.items(), key=lambda group: group[0]
        ):
            settings = {} if decays else {'weight_decay': 0.0}
            rate = self.base_lr * scale
            params.append({'params': members, 'lr': rate, **settings})
        print_log(
            f'layer decay: {len(groups)} groups of parameters, learning rates '
            f'from {params[0]["lr"]:g} to {params[-1]["lr"]:g}'
            if params
            else 'layer decay: no parameter learns',
            logger='current',
        )

    def _scales(self, model: nn.Module) -> Iterator[tuple[str, float]]:
        """Factors of the learning rate, for parameters of backbones."""
        rate = self.paramwise_cfg['decay_rate']
        found = [
            (name, part)
            for name, part in model.named_modules()
            if hasattr(part, 'parameter_depths')
        ]
        if not found:
            backbone = getattr(model, 'backbone', model)
            raise ValueError(
                f'{type(self).__name__}: {type(backbone).__name__} tells no '
                'depths of its parameters (parameter_depths); a backbone of '
                'vitdense does'
            )
        for name, part in found:
            backbone = part
            top = backbone.num_blocks + 1
            for own, depth in backbone.parameter_depths().items():
                yield f'{name}.{own}'.lstrip('.'), rate ** (top - depth)
