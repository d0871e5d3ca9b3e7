"""Containers and prefixes, and the choices among them."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from vitdense.checkpoint import CheckpointError
from vitdense.checkpoint.reading.unwrap import unwrap

ONE, TWO = torch.ones(1), torch.full((1,), 2.0)


@pytest.mark.parametrize(
    ('content', 'notes'),
    [
        ({'w': ONE}, []),
        (OrderedDict(w=ONE), []),
        ({'state_dict': {'w': ONE}, 'epoch': 3}, ["took 'state_dict'"]),
        ({'model': {'w': ONE}}, ["took 'model'"]),
        (
            {'model': {'state_dict': {'w': ONE}}},
            ["took 'model'", "took 'state_dict'"],
        ),
        (
            {'state_dict': {'w': TWO}, 'state_dict_ema': {'w': ONE}},
            ["took 'state_dict_ema' (also there: state_dict)"],
        ),
        (
            {'state_dict': {'w': ONE}, 'state_dict_ema': None},
            ["took 'state_dict'"],
        ),
        (
            {'state_dict': {'w': ONE}, 'model': {'w': TWO}},
            ["took 'state_dict' (also there: model)"],
        ),
        ({'module.w': ONE}, ["stripped 'module.'"]),
        ({'backbone.w': ONE}, ["took the tensors under 'backbone.'"]),
        (
            {'module.backbone.w': ONE, 'module.neck.w': TWO},
            ["stripped 'module.'", "took the tensors under 'backbone.'"],
        ),
        (
            {'backbone.module.w': ONE},
            ["took the tensors under 'backbone.'", "stripped 'module.'"],
        ),
    ],
)
def test_forms(content: object, notes: list[str]) -> None:
    found = unwrap(content)
    assert {name: t.item() for name, t in found.tensors.items()} == {'w': 1}
    assert found.notes == notes
    assert found.outside == (['neck.w'] if 'neck' in str(content) else [])


@pytest.mark.parametrize(
    ('content', 'told'),
    [
        ([ONE], 'a list'),
        (ONE, 'a Tensor'),
        ({}, 'an empty mapping'),
        ({'state_dict': {}}, r'state_dict \(dict\)'),
        ({'epoch': 3, 'w': ONE}, r'also epoch \(int\)'),
        ({3: ONE}, r'3 \(Tensor\)'),
        (nn.Linear(1, 1), 'a Linear'),
    ],
)
def test_no_state_dict(content: object, told: str) -> None:
    with pytest.raises(CheckpointError, match=told):
        unwrap(content)
