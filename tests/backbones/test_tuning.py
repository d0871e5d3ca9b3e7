"""What learns of every family, by `tune`."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from designs import DESIGNS, images
from torch import Tensor, nn

import vitdense
from vitdense.backbones.pyramid import PyramidBackbone
from vitdense.checkpoint.errors import CheckpointError

KINDS = ('none', 'attention', 'lora')
RANK = 2
LORA = {'type': 'lora', 'rank': RANK}


def build(label: str, kind: str, **options: Any) -> PyramidBackbone:
    tune = LORA if kind == 'lora' else kind
    return DESIGNS[label].build(tune=tune, **options)


def learned(model: nn.Module) -> dict[str, nn.Parameter]:
    return {n: p for n, p in model.named_parameters() if p.requires_grad}


def loss_of(model: Callable[..., Any], batch: Tensor) -> Tensor:
    return sum(level.square().mean() for level in model(batch))


def linears_of_attention(model: nn.Module) -> dict[str, nn.Linear]:
    return {
        name: part
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) and '.attn.' in name
    }


def expected(whole: PyramidBackbone, kind: str) -> dict[str, int]:
    """Values of what learns, by name, from the backbone that learns all."""
    if kind == 'none':
        return {}
    if kind == 'attention':
        return {
            name: p.numel()
            for name, p in whole.named_parameters()
            if '.attn.' in name or 'pos_embed' in name
        }
    return {
        f'{name}.lora_{side}.default.weight': RANK * size
        for name, part in linears_of_attention(whole).items()
        for side, size in (('A', part.in_features), ('B', part.out_features))
    }


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('label', DESIGNS)
def test_what_learns(label: str, kind: str) -> None:
    """By name and count; it gets gradients, a step changes it alone."""
    whole, model = DESIGNS[label].build(), build(label, kind)
    wanted = expected(whole, kind)
    assert {n: p.numel() for n, p in learned(model).items()} == wanted
    before = {k: v.clone() for k, v in model.state_dict().items()}
    optimizer = torch.optim.AdamW([*model.parameters(), torch.ones(1)], 0.1)
    for _ in range(2):  # LoRA's second matrix begins with zeros
        loss = loss_of(model.train(), images((64, 64), 2))
        assert loss.requires_grad == bool(wanted)
        if wanted:
            loss.backward()
            optimizer.step()
    got = {n for n, p in model.named_parameters() if p.grad is not None}
    assert got == wanted.keys()
    assert len(optimizer.state) == len(wanted)
    after = model.state_dict()
    changed = {n for n in after if not torch.equal(before[n], after[n])}
    statistics = {n for n, _ in model.named_buffers() if '.attn.' in n}
    assert changed >= wanted.keys()
    assert changed <= wanted.keys() | (
        statistics if kind == 'attention' else set()
    )
    assert changed.isdisjoint(model.base_names())


@pytest.mark.parametrize('label', DESIGNS)
def test_lora_begins_as_its_base(label: str) -> None:
    whole, model = DESIGNS[label].build(), build(label, 'lora')
    own = model.state_dict()
    names = model.plain_names()
    assert set(names.values()) == whole.state_dict().keys()
    for name, plain in names.items():
        own[name].copy_(whole.state_dict()[plain])
    with torch.no_grad():
        levels = model.eval()(images((64, 64), 1))
        for one, two in zip(
            levels, whole.eval()(images((64, 64), 1)), strict=True
        ):
            torch.testing.assert_close(one, two)


@pytest.fixture(params=['like-pvt-v2-b0', 'like-cvt-13', 'like-vit-dinov3-s'])
def label(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.mark.parametrize('kind', ['attention', 'lora'])
def test_bands_and_recomputing_change_nothing(
    label: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(label, kind, norm_eval=True).double().train()
    batch = images((64, 96), 1).double()
    for p in learned(model).values():
        nn.init.normal_(p, std=0.1)
    grads = []
    for recomputed, values in ((False, 1 << 40), (True, 1 << 40), (True, 0)):
        monkeypatch.setattr('vitdense.layers.bands.BAND_VALUES', 2000)
        monkeypatch.setattr('vitdense.layers.bands.KEPT_VALUES', values)
        for stage in model.stages:
            stage.with_cp = recomputed
        model.zero_grad()
        loss_of(model, batch).backward()
        held = {n for n, p in model.named_parameters() if p.grad is not None}
        assert held == learned(model).keys()
        grads.append([p.grad.clone() for p in learned(model).values()])
    for other in grads[1:]:
        for one, two in zip(grads[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-9)


@pytest.mark.usefixtures('nothing_compiled')
@pytest.mark.parametrize(
    'kind',
    ['lora', *(pytest.param(k, marks=pytest.mark.slow) for k in KINDS[:2])],
)
def test_compiled_without_graph_breaks(kind: str) -> None:
    model = build('like-vit-dinov3-s', kind)
    compiled = torch.compile(model, fullgraph=True, backend='aot_eager')
    results = []
    for run in (model.train(), compiled):
        model.zero_grad()
        loss = loss_of(run, images((64, 64), 1))
        if kind != 'none':
            loss.backward()
        grads = [p.grad.clone() for p in learned(model).values()]
        results.append([loss.detach(), *grads])
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_frozen_parts_keep_nothing() -> None:
    """For the backward pass, nor what norms and shortcuts depend on."""
    model = build('like-cvt-13', 'none').train()
    assert not any(part.training for part in model.modules())
    # stages that are frozen by the older argument run alike
    half = DESIGNS['like-vit-tiny'].build(frozen_stages=1).train()
    seen = []
    for part in half.stages:
        part.register_forward_hook(
            lambda *_: seen.append(torch.is_grad_enabled())
        )
    half(images((64, 64), 1))
    assert seen == [False, True]
    # but a gradient of the images comes through
    batch = images((64, 64), 1).requires_grad_()
    loss_of(model, batch).backward()
    assert batch.grad.abs().sum() > 0


def test_strict_loading_under_adapters(label: str, tmp_path: Path) -> None:
    """By the names of the base."""
    whole = DESIGNS[label].build()
    path = tmp_path / 'base.pth'
    torch.save(whole.state_dict(), path)
    init_cfg = {'type': 'Pretrained', 'checkpoint': str(path)}
    model = build(label, 'lora', init_cfg=init_cfg)
    for p in model.parameters():
        nn.init.zeros_(p)
    model.init_weights()
    own, base = model.state_dict(), whole.state_dict()
    names = model.plain_names()
    assert set(names.values()) == base.keys()
    assert all(torch.equal(own[n], base[p]) for n, p in names.items())
    short = dict(base)
    short.pop(next(iter(linears_of_attention(whole))) + '.weight')
    torch.save(short, path)
    with pytest.raises(CheckpointError, match='1 misfits'):
        model.init_weights()


@pytest.mark.parametrize('kind', KINDS)
def test_a_copy_is_a_whole_one(kind: str) -> None:
    model = build('like-pvt-v2-b0', kind)
    other = copy.deepcopy(model)
    other.load_state_dict(model.state_dict())
    assert learned(other).keys() == learned(model).keys()


@pytest.mark.parametrize(
    ('tune', 'error', 'message'),
    [
        ('half', ValueError, r"no 'half'; choose from \['all', 'none'"),
        (3, TypeError, "neither one of \\['all'"),
        ({'rank': 4}, ValueError, 'there is no None'),
        ({'type': ['lora']}, ValueError, 'there is no'),
        ({'type': 'none', 'rank': 4}, ValueError, "takes no \\['rank'\\]"),
        ({**LORA, 'r': 4}, ValueError, r"takes no \['r'\]; .*'rank'"),
        ({**LORA, 'rank': 0}, ValueError, 'rank must be a positive'),
        ({**LORA, 'alpha': 1.5}, ValueError, 'alpha must be a positive'),
        ({**LORA, 'dropout': 1}, ValueError, r'dropout must be .*\[0, 1\)'),
        ({**LORA, 'targets': 'mlp'}, ValueError, "one of \\['attention', 'a"),
    ],
)
def test_bad_values(tune: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        DESIGNS['like-vit-tiny'].build(tune=tune)


def test_what_does_not_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match='frozen_stages=1 and tune='):
        DESIGNS['like-vit-tiny'].build(tune='none', frozen_stages=1)
    monkeypatch.setitem(sys.modules, 'peft', None)
    with pytest.raises(ValueError, match=r'extra lora: pip install -e \.\[lo'):
        vitdense.ViT('tiny', tune='lora')


def test_lora_of_all_linears() -> None:
    tune = {**LORA, 'targets': 'all', 'dropout': 0.1, 'alpha': 4}
    model = DESIGNS['like-pvt-v2-b0'].build(tune=tune)
    whole = DESIGNS['like-pvt-v2-b0'].build()
    in_blocks = [
        n
        for n, m in whole.named_modules()
        if isinstance(m, nn.Linear) and '.blocks.' in n
    ]
    assert len(learned(model)) == 2 * len(in_blocks)
    assert any('.mlp.fc1.' in name for name in learned(model))
