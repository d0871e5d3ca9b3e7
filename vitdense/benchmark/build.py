"""Builds what ``vitdense.benchmark.names`` reads, with random weights.

Libraries are imported only where they are asked for: what a row imports is
part of the memory that it is measured by.
"""

import difflib
import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from vitdense.benchmark.names import (
    LIBRARIES,
    PLAIN,
    BackboneSpec,
    DetectorSpec,
)

if TYPE_CHECKING:
    from vitdense.reference.plain_backbone import PlainBackbone

FEW_NAMES = 30  # that fit in an error message


def build_backbone(spec: BackboneSpec) -> nn.Module:
    """Builds a backbone.

    Raises:
        ValueError: If no package has it, it refuses the arguments, or its
            plain form is asked for and it has none.
        ImportError: If what it needs is not installed.
    """
    if spec.source == 'timm':
        return _from_timm(spec)
    if spec.source == 'transformers':
        return _from_transformers(spec)
    from mmengine.registry import MODELS

    backbone: nn.Module = MODELS.build(_config_of(spec))
    if not spec.plain:
        return backbone
    plain = plain_form(backbone)
    if plain is None:
        raise ValueError(
            f'{spec.source}.{spec.type} has no plain form: it is no '
            'PyramidBackbone'
        )
    return plain


def build_detector(spec: DetectorSpec) -> nn.Module:
    """Builds the detector of a config.

    Raises:
        ValueError: If its backbone is not known.
    """
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    config = Config.fromfile(spec.config)
    if spec.backbone is not None:
        config.model.backbone = _config_of(spec.backbone)
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


def plain_form(model: nn.Module) -> 'PlainBackbone | None':
    """The plain form of a backbone, sharing its weights.

    None if it has none, as only those of a ``Family`` have.
    """
    from vitdense.backbones.pyramid import PyramidBackbone
    from vitdense.reference.plain_backbone import PlainBackbone

    if not isinstance(model, PyramidBackbone):
        return None
    return PlainBackbone(model)


def _config_of(spec: BackboneSpec) -> dict[str, Any]:
    """The config that the registries build a backbone from."""
    config = dict(spec.arguments, type=find_class(spec))
    if spec.variant:
        config['arch'] = spec.variant
    return config


def find_class(spec: BackboneSpec) -> Any:
    """What a package calls by a backbone's type.

    A name in the registry whose scope is the package, a class of the package
    in any other registry, or an attribute of the package.

    Raises:
        ValueError: If there is no such package or it has no such name.
        ImportError: If the package needs one that is not installed.
    """
    from mmengine.registry import MODELS

    try:
        package = importlib.import_module(spec.source)
    except ModuleNotFoundError as error:
        # another module that the package itself lacks is told as it is
        if not f'{spec.source}.'.startswith(f'{error.name}.'):
            raise
        raise ValueError(
            f'there is no package {spec.source!r}; choose a name of '
            f'vitdense, mmdet, mmseg or a package on the path, or of '
            f'{", ".join((*LIBRARIES, PLAIN))}'
        ) from None
    # by custom a package with a scope of its own has its registries here
    registries = f'{spec.source}.registry'
    if hasattr(package, '__path__') and importlib.util.find_spec(registries):
        importlib.import_module(registries)
    known = dict(vars(package))
    for registry in (MODELS, *MODELS.children.values()):
        of_package = registry.scope == spec.source
        if of_package:
            registry.import_from_location()
        known |= {
            name: part
            for name, part in registry.module_dict.items()
            if of_package
            or f'{part.__module__}.'.startswith(f'{spec.source}.')
        }
    found = known.get(spec.type, getattr(package, spec.type, None))
    if callable(found):
        return found
    models = {
        name: part.__module__
        for name, part in known.items()
        if isinstance(part, type) and issubclass(part, nn.Module)
    }
    # in a package of heads and detectors too, those that lie apart
    backbones = [name for name in models if 'backbone' in models[name]]
    raise ValueError(
        f'{spec.source} has no backbone {spec.type!r}'
        + _hint(spec.type, backbones or models)
    )


def _from_timm(spec: BackboneSpec) -> nn.Module:
    from vitdense.benchmark.torchvision_stub import stand_in_for_torchvision

    stand_in_for_torchvision()
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
    """The closest names or, where none is close, all if they are few."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f'; the closest are {close}'
    return f'; choose from {names}' if len(names) <= FEW_NAMES else ''
