"""Runs models of timm or mmpretrain: ``foreign.py FILE LIBRARY:NAME:HxW ...``.

Saves the state dict and the levels of each to FILE. Both libraries import
torchvision, which their models do not need: a stand-in answers, and as it
would mislead everything else in a process, this one does nothing else.
"""

import sys
from functools import partial
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from random_models import images, randomise
from torch import Tensor, nn

import vitdense  # noqa: F401 - first: it stands in for mmcv's operators
from vitdense.benchmark.torchvision_stub import stand_in_for_torchvision

Run = tuple[nn.Module, list[Tensor]]


def run_timm(name: str, x: Tensor) -> Run:
    """A timm model and the levels of its feature pyramid."""
    import timm

    model: Any = randomise(timm.create_model(name, num_classes=5))
    return model, model.forward_intermediates(x, intermediates_only=True)


def run_mmpretrain(_: str, x: Tensor) -> Run:
    """mmpretrain's T2T-ViT_t and its tokens at strides 4, 8 and 16."""
    # of no use here, and not made for current transformers
    multimodal = 'mmpretrain.models.multimodal'
    sys.modules[multimodal] = ModuleType(multimodal)
    from mmpretrain.models.backbones import T2T_ViT
    from mmpretrain.models.utils import MultiheadAttention

    model = randomise(
        T2T_ViT(
            embed_dims=24,
            num_layers=3,
            out_type='featmap',
            t2t_cfg={'token_dims': 8},
            layer_cfgs={'num_heads': 3, 'feedforward_channels': 48},
        )
    )
    levels: list[Tensor] = []
    for part in model.modules():
        if isinstance(part, MultiheadAttention):
            # it divides by the scale that it is to multiply with
            scale = (part.input_dims // part.num_heads) ** -0.5
            part.scaled_dot_product_attention = partial(
                F.scaled_dot_product_attention, scale=scale
            )

    def keep(_: nn.Module, __: object, tokens: Tensor) -> None:
        stride = 4 * 2 ** len(levels)
        grid = [size // stride for size in x.shape[2:]]
        levels.append(tokens.mT.unflatten(2, grid))

    model.tokens_to_token.attention1.register_forward_hook(keep)
    model.tokens_to_token.attention2.register_forward_hook(keep)
    levels += model(x)
    return model, levels


LIBRARIES = {'timm': run_timm, 'mmpretrain': run_mmpretrain}


@torch.no_grad()
def main(file: str, *models: str) -> None:
    """Run each and save."""
    stand_in_for_torchvision()
    runs = {}
    for model in models:
        library, name, size = model.split(':')
        height, width = map(int, size.split('x'))
        ran, levels = LIBRARIES[library](name, images(height, width))
        runs[model] = ran.state_dict(), levels
    torch.save(runs, file)


if __name__ == '__main__':
    main(*sys.argv[1:])
