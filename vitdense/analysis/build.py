"""Builds what ``vitdense.analysis.specs`` names, with random weights.

Libraries are imported only where they are asked for: what a row imports is
part of the memory that it is measured by.
"""

import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vitdense.analysis.specs import BackboneSpec, DetectorSpec

if TYPE_CHECKING:
    from vitdense.reference.plain_backbone import PlainBackbone

# Where each library registers its backbones.
SCOPES = {
    'vitdense': 'vitdense.backbones',
    'mmdet': 'mmdet.models',
    'mmseg': 'mmseg.models',
}


def build_backbone(spec: BackboneSpec) -> nn.Module:
    """Builds a backbone.

    Raises:
        ValueError: If no library has it or it refuses the arguments.
        ImportError: If its library is not installed.
    """
    if spec.scope == 'timm':
        return _from_timm(spec)
    if spec.scope == 'transformers':
        return _from_transformers(spec)
    if spec.scope == 'plain':
        ours = BackboneSpec(
            'vitdense', spec.type, spec.variant, spec.arguments
        )
        return plain_twin(ours, _from_registry(ours))
    return _from_registry(spec)


def build_detector(spec: DetectorSpec) -> nn.Module:
    """Builds the detector of a config.

    Raises:
        ValueError: If its backbone is not known.
    """
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    _import_library('mmdet')
    config = Config.fromfile(spec.config)
    if spec.backbone is not None:
        config.model.backbone = _registry_config(spec.backbone)
    config.model.backbone.pop('init_cfg', None)
    init_default_scope(config.get('default_scope', 'mmdet'))
    return MODELS.build(config.model)


def outputs_of(result: Any) -> tuple[Tensor, ...]:
    """The distinct tensors in what a model returned, in their order."""
    found: dict[int, Tensor] = {}

    def collect(part: Any) -> None:
        if isinstance(part, Tensor):
            found[id(part)] = part
        elif isinstance(part, Mapping):
            collect(tuple(part.values()))
        elif isinstance(part, Iterable):
            for item in part:
                collect(item)

    collect(result)
    return tuple(found.values())


def plain_twin(spec: BackboneSpec, backbone: nn.Module) -> 'PlainBackbone':
    """The plain form of a vitdense backbone, sharing its weights.

    Raises:
        ValueError: If it is not vitdense's.
    """
    if spec.scope != 'vitdense':
        raise ValueError('only vitdense backbones have a plain form')
    from vitdense.reference.plain_backbone import PlainBackbone

    return PlainBackbone(backbone)  # type: ignore[arg-type]


def draw_weights(model: nn.Module) -> None:
    """Draws weights with which every part of a network shows in its output.

    As trained ones do; with freshly initialised ones attention is nearly
    uniform, and a wrong scale would hide in rounding.
    """
    generator = torch.Generator().manual_seed(0)
    statistics = (b for b in model.named_buffers() if 'running_' in b[0])
    with torch.no_grad():
        for name, p in (*model.named_parameters(), *statistics):
            x = torch.randn(p.shape, generator=generator)
            if name.endswith('running_var'):
                x = 1 + 0.1 * x.abs()
            elif name.endswith(('bias', 'running_mean')):
                x *= 0.1
            elif p.dim() == 1:
                x = 1 + 0.1 * x
            else:
                x /= x[0].numel() ** 0.5
            p.copy_(x)


def _registry_config(spec: BackboneSpec) -> dict[str, Any]:
    """The config that the registries build a backbone from.

    Raises:
        ValueError: If its library is not known or does not have it.
    """
    from mmengine.registry import MODELS

    if spec.scope not in SCOPES:
        raise ValueError(
            f'{spec.scope!r} registers no backbones; choose from '
            f'{list(SCOPES)}'
        )
    _import_library(spec.scope)
    known = MODELS.children[spec.scope].module_dict
    if spec.type not in known:
        raise ValueError(
            f'{spec.scope} has no backbone {spec.type!r}'
            + _hint(spec.type, known)
        )
    config = dict(spec.arguments, type=f'{spec.scope}.{spec.type}')
    if spec.variant:
        config['arch'] = spec.variant
    return config


def _import_library(scope: str) -> None:
    # first, so that mmdet imports where mmcv was not compiled
    importlib.import_module('vitdense')
    importlib.import_module(SCOPES[scope])


def _from_registry(spec: BackboneSpec) -> Any:
    from mmengine.registry import MODELS

    return MODELS.build(_registry_config(spec))


def _from_timm(spec: BackboneSpec) -> nn.Module:
    from vitdense.analysis.torchvision_stub import stand_in

    stand_in()
    import timm

    if not timm.is_model(spec.variant):
        raise ValueError(
            f'timm has no model {spec.variant!r}'
            + _hint(spec.variant, timm.list_models())
        )
    return timm.create_model(
        spec.variant, features_only=True, **spec.arguments
    )


def _from_transformers(spec: BackboneSpec) -> nn.Module:
    from transformers import AutoConfig, AutoModel
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    if spec.variant not in CONFIG_MAPPING:
        raise ValueError(
            f'transformers has no model type {spec.variant!r}'
            + _hint(spec.variant, CONFIG_MAPPING)
        )
    config = AutoConfig.for_model(spec.variant, **spec.arguments)
    # the hidden states of its stages are its pyramid
    config.output_hidden_states = True
    return AutoModel.from_config(config)


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f'; the closest are {close}' if close else ''
