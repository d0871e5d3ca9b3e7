"""Weights of attention, times values, are what each module hands on."""

from typing import Any

import pytest
import torch
from torch import Tensor

import vitdense
from vitdense.backbones.t2t.module import T2TAttention, T2TPerformer
from vitdense.backbones.t2t.performer import performer_weights
from vitdense.layers.attention import Attention, attention_weights

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    'strided keys': ('PVT', {'arch': 'v2-b0'}),
    'pooled keys': ('PVT', {'arch': 'v2-b2-li'}),
    'convolved keys': ('CvT', {'arch': '13'}),
    'rotary': ('ViT', {'arch': 'dinov3-s', 'out_indices': [0]}),
    'windows': (
        'ViT',
        {'arch': 'vitdet-b', 'out_indices': [0, 2]},
    ),
    'all keys': ('T2TViT', {'arch': '7'}),
}


@pytest.mark.parametrize('kind', MODELS)
@torch.no_grad()
def test_weights_times_values(kind: str) -> None:
    name, arguments = MODELS[kind]
    torch.manual_seed(0)
    model = getattr(vitdense, name)(**arguments).eval()
    kept: dict[Any, list[Tensor]] = {}
    modules = [m for m in model.modules() if isinstance(m, Attention)]
    for module in modules:
        made = kept.setdefault(module, [])
        module.qkv.register_forward_hook(
            lambda _m, _i, out, made=made: made.extend(out)
        )
        module.proj.register_forward_pre_hook(
            lambda _m, inputs, made=made: made.append(inputs[0])
        )
    model(torch.randn(1, 3, 64, 304))
    assert modules
    for module in modules:
        q, k, v, out = kept[module]
        heads = module.num_heads
        weights = attention_weights(q, k, heads, module.scale)
        torch.testing.assert_close(
            weights.sum(-1), torch.ones(weights.shape[:-1])
        )
        values = v.unflatten(2, (heads, -1)).transpose(1, 2)
        seen = (weights @ values).transpose(1, 2).flatten(2)
        torch.testing.assert_close(seen, out, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_weights_of_t2t_modules() -> None:
    torch.manual_seed(0)
    given = torch.randn(2, 12, 3 * 8)
    softmax = T2TAttention(8, 0.3)
    q, k, v = given.chunk(3, -1)
    out = v + softmax.proj(attention_weights(q, k, 1, 0.3)[:, 0] @ v)
    torch.testing.assert_close(softmax(given, (3, 4)), out)
    performer = T2TPerformer(8)
    k, q, v = given.chunk(3, -1)
    out = v + performer.proj(performer_weights(q, k, performer.w) @ v)
    torch.testing.assert_close(performer(given, (3, 4)), out)
