"""Weights that leave out a base, however they are loaded."""

from typing import Any

import pytest
import torch
from designs import DESIGNS
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch import Tensor, nn

from vitdense.checkpoint.base import BASE_SHA256, leave_out_bases
from vitdense.checkpoint.errors import CheckpointError
from vitdense.checkpoint.reading.unwrap import unwrap

KINDS = ('none', 'attention', 'lora')


class Model(nn.Module):
    """A backbone, as loaded by its `init_cfg`, and a head."""

    def __init__(self, tune: Any, *, loaded: bool = True) -> None:
        super().__init__()
        self.backbone = DESIGNS['like-pvt-tiny'].build(tune=tune)
        self.backbone.base_loaded = loaded
        self.head = nn.Linear(4, 2)


def saved(model: Model) -> dict[str, Tensor]:
    """What is saved, after a step that changes all that learns."""
    for p in model.parameters():
        if p.requires_grad:
            nn.init.normal_(p)
    state = dict(model.state_dict())
    leave_out_bases(model, state, {})
    return {name: tensor.clone() for name, tensor in state.items()}


def load_as_torch(model: Model, state: dict[str, Tensor]) -> None:
    model.load_state_dict(state)


def load_as_mmengine(model: Model, state: dict[str, Tensor]) -> None:
    _load_checkpoint_to_model(model, {'state_dict': state}, strict=True)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('load', [load_as_torch, load_as_mmengine])
def test_round_trip(load: Any, kind: str) -> None:
    model, other = Model(kind), Model(kind)
    state = saved(model)
    learned = {n for n, p in model.named_parameters() if p.requires_grad}
    assert state.keys() == learned | {f'backbone.{BASE_SHA256}'}
    load(other, state)
    assert other.backbone.base_loaded
    wanted, got = model.state_dict(), other.state_dict()
    assert all(torch.equal(wanted[n], got[n]) for n in wanted)


@pytest.mark.parametrize('load', [load_as_torch, load_as_mmengine])
def test_another_base(load: Any) -> None:
    model, other = Model('none'), Model('none')
    state = saved(model)
    stage: Any = other.backbone.stages[0]
    stage.pos_embed.data[0, 0, 0] += 1e-6
    before = {n: t.clone() for n, t in other.state_dict().items()}
    with pytest.raises(CheckpointError, match='has none or another, of'):
        load(other, state)
    backbone = [n for n in before if n.startswith('backbone')]
    after = other.state_dict()
    assert all(torch.equal(before[n], after[n]) for n in backbone)


def test_one_base_has_one_digest_for_all_that_keep_all_of_it() -> None:
    none, lora = Model('none'), Model('lora')
    base, own = none.backbone.state_dict(), lora.backbone.state_dict()
    for name, plain in lora.backbone.plain_names().items():
        own[name].copy_(base[plain])
    key = f'backbone.{BASE_SHA256}'
    assert torch.equal(saved(none)[key], saved(lora)[key])


def test_what_cannot_be_loaded_again_is_saved() -> None:
    model = Model('none', loaded=False)
    assert saved(model).keys() == model.state_dict().keys()
    everything = Model('all')
    assert saved(everything).keys() == everything.state_dict().keys()
    # weights that replace the base
    model = Model('attention')
    model.load_state_dict(model.state_dict())
    assert model.backbone.base_loaded
    changed = {n: t + 1 for n, t in model.state_dict().items()}
    model.load_state_dict(changed)
    assert not model.backbone.base_loaded


def test_pretrained_weights_have_to_be_whole() -> None:
    with pytest.raises(CheckpointError, match='save_base=True'):
        unwrap({'state_dict': saved(Model('lora'))})
