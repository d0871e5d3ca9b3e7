"""A model, ready to predict, of a config and a checkpoint."""

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.device import get_device
from mmengine.registry import DATASETS, MODELS
from torch import nn

from vitdense.checkpoint.base import leaves_base_out
from vitdense.preflight.amp import check_bfloat16
from vitdense.preflight.cli import named
from vitdense.preflight.config import leaf_datasets, type_name
from vitdense.preflight.model import (
    check_parts,
    check_weights,
    weights_of,
    whole_weights,
)
from vitdense.preflight.safeguards import PLAIN, WHOLE


def usable_device(name: str | None, amp: bool) -> torch.device:
    """See that a device is there, and can do what is asked.

    Args:
        name: Such as ``'cuda:1'``; None takes a GPU if there is one.
        amp: Whether bfloat16 is asked for.

    Raises:
        ValueError: If it is not, or cannot.
    """
    name = name or get_device()
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f'device={name!r} cannot be used: {reason}') from None
    if amp:
        check_bfloat16(device)
    return device


def test_data(cfg: Config) -> tuple[list[Any], tuple[str, ...]]:
    """The pipeline that a config tests with, and the classes it names.

    Args:
        cfg: The config.

    Raises:
        ValueError: If there is none.
    """
    for settings in leaf_datasets(cfg, 'test').values():
        # a root registry alone knows no names of the default scope
        with DATASETS.switch_scope_and_registry(None) as registry:
            kind = registry.get(settings['type'])
        own = getattr(kind, 'METAINFO', {})
        named_here = settings.get('metainfo') or {}
        classes = named_here.get('classes') or own.get('classes') or ()
        return list(settings.get('pipeline') or ()), tuple(classes)
    raise ValueError('the config has no test_dataloader.dataset to test as')


def build_pipeline(pipeline: list[Any]) -> tuple[Any, Compose]:
    """What loads a picture, and what is done to it then; no annotations.

    Args:
        pipeline: Of the config's test data.

    Raises:
        ValueError: If it does not begin with the loading of a picture.
    """
    first, *others = pipeline or [{'type': None}]
    kind = type_name(first['type'] or 'nothing')
    if kind not in {*PLAIN, WHOLE}:
        raise ValueError(
            f'the test pipeline begins with {kind}, which loads no plain '
            f'picture; choose from {sorted({*PLAIN, WHOLE})}'
        )
    kept = [
        each
        for each in others
        if 'Annotations' not in type_name(each['type']).rpartition('.')[2]
    ]
    with named('test_dataloader.dataset.pipeline'):
        load = {**first, 'type': WHOLE, 'to_float32': False}
        return Compose([load]), Compose(kept)


def load_model(
    cfg: Config, source: str, content: Mapping[str, Any], device: torch.device
) -> Any:
    """Build the model that a checkpoint fits exactly, and fill it.

    Args:
        cfg: The config.
        source: Where the checkpoint is.
        content: What it holds.
        device: Where the model goes.

    Raises:
        ValueError: If it does not fit.
    """
    settings = dict(cfg.model)
    if cfg.get('data_preprocessor') is not None:
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)
    with named('model'):
        model: nn.Module = MODELS.build(settings)
    check_parts(model, settings)
    if leaves_base_out(weights_of(content)):
        model.init_weights()  # type: ignore[operator]
    check_weights(model, source, content)
    inner = getattr(model, 'module', model)
    inner.load_state_dict(whole_weights(inner, source, content))
    return inner.to(device).eval()
