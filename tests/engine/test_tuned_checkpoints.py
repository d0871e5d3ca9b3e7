"""Checkpoints of what was trained: saved, resumed, tested, begun from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from resumed_runs import Training, differing, learned
from small_runs import SEGMENTER, small_shapes, where
from torch import Tensor

import vitdense
from vitdense.checkpoint.base import BASE_SHA256
from vitdense.checkpoint.reading.safe import read_file
from vitdense.preflight.options import TestOptions, TrainOptions
from vitdense.preflight.prepare import prepare_testing, prepare_training
from vitdense.preflight.prepared import Prepared

__all__ = ['small_shapes']
pytestmark = pytest.mark.slow

KEY = f'backbone.{BASE_SHA256}'


@pytest.fixture(scope='module')
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of the backbone of the quick start."""
    path = tmp_path_factory.mktemp('base') / 'pvt.pth'
    torch.manual_seed(5)
    torch.save(vitdense.PVT('v2-b0').state_dict(), path)
    return path


@pytest.fixture
def settings(small_shapes: Path, base: Path) -> dict[str, Any]:
    """Of a training of two steps that saves after each."""
    init_cfg = {'type': 'Pretrained', 'checkpoint': str(base)}
    return where(small_shapes, SEGMENTER) | {
        'model.backbone.init_cfg': init_cfg,
        'default_hooks.checkpoint.interval': 1,
        'default_hooks.checkpoint.max_keep_ckpts': 2,
        'train_cfg.max_iters': 2,
        'train_cfg.val_interval': 9,
        'randomness.seed': 3,
    }


Train = Callable[..., Prepared]


@pytest.fixture
def train(settings: dict[str, Any], tmp_path: Path) -> Train:
    """Prepare a training, of settings with ``__`` in place of dots."""

    def run(
        resume: str | None = None, init_from: str | None = None, **more: Any
    ) -> Prepared:
        given = {k.replace('__', '.'): v for k, v in more.items()}
        options = TrainOptions(
            config=str(SEGMENTER),
            work_dir=str(tmp_path / 'work'),
            cfg_options=settings | given,
            resume=resume,
            init_from=init_from,
        )
        return prepare_training(options)

    return run


def state_of(prepared: Prepared) -> dict[str, Tensor]:
    model: torch.nn.Module = prepared.parts['model']
    return {name: t.clone() for name, t in model.state_dict().items()}


@pytest.mark.parametrize('tune', ['none', 'lora'])
def test_saved_resumed_and_tested(
    train: Train,
    settings: dict[str, Any],
    tmp_path: Path,
    base: Path,
    tune: str,
) -> None:
    work = tmp_path / 'work'
    prepared = train(model__backbone__tune=tune)
    model = prepared.parts['model']
    before = state_of(prepared)
    prepared.train()
    after = state_of(prepared)
    kept = {f'backbone.{name}' for name in model.backbone.base_names()}
    trained = after.keys() - kept
    assert all(torch.equal(before[name], after[name]) for name in kept)
    assert any(not torch.equal(before[n], after[n]) for n in trained)

    last = read_file(work / 'iter_2.pth')
    assert last['state_dict'].keys() == trained | {KEY}
    assert all(torch.equal(last['state_dict'][n], after[n]) for n in trained)
    learns = [n for n, p in model.named_parameters() if p.requires_grad]
    assert len(last['optimizer']['state']) == len(learns)

    # from the first step on, to the same bits
    first = read_file(work / 'iter_1.pth')
    torch.save(first, work / 'first.pth')
    resumed = train(str(work / 'first.pth'), model__backbone__tune=tune)
    resumed.train()
    assert (
        differing(learned(last), learned(read_file(work / 'iter_2.pth'))) == []
    )
    assert differing(after, state_of(resumed)) == []

    def test(init_cfg: Any) -> Prepared:
        options = TestOptions(
            config=str(SEGMENTER),
            checkpoint=str(work / 'iter_2.pth'),
            cfg_options=settings
            | {
                'model.backbone.tune': tune,
                'model.backbone.init_cfg': init_cfg,
            },
            work_dir=str(tmp_path / 'tested'),
        )
        return prepare_testing(options)

    tested = test(settings['model.backbone.init_cfg'])
    tested.test()
    assert differing(after, state_of(tested)) == []

    with pytest.raises(ValueError, match=r'iter_2\.pth.*has none or another'):
        test(None)
    other = tmp_path / 'other.pth'
    torch.save(vitdense.PVT('v2-b0').state_dict(), other)
    with pytest.raises(ValueError, match=r'has none or another'):
        test({'type': 'Pretrained', 'checkpoint': str(other)})


def test_whole_files(train: Train, tmp_path: Path) -> None:
    """By option, and where `init_cfg` could not give the base again."""
    tune = {'model__backbone__tune': 'lora'}
    path = tmp_path / 'work' / 'iter_1.pth'
    whole = train(
        train_cfg__max_iters=1,
        default_hooks__checkpoint__save_base=True,
        **tune,
    )
    whole.train()
    content = read_file(path)
    assert content['state_dict'].keys() == state_of(whole).keys()
    # of the same base a training begins from it, and leaves it out again
    begun = train(init_from=str(path), train_cfg__max_iters=1, **tune)
    assert begun.parts['model'].backbone.base_loaded
    changed = dict(content['state_dict'])
    changed['backbone.stages.0.norm.weight'] += 1
    meta = {'meta': content['meta'], 'state_dict': changed}
    torch.save(meta, tmp_path / 'changed.pth')
    begun = train(init_from=str(tmp_path / 'changed.pth'), **tune)
    assert not begun.parts['model'].backbone.base_loaded
    scratch = train(
        init_from=str(tmp_path / 'changed.pth'),
        model__backbone__init_cfg=None,
        **tune,
    )
    assert not scratch.parts['model'].backbone.base_loaded
    # a model without adapters, as one to begin from
    plain = train().parts['model'].state_dict()
    torch.save({'state_dict': plain}, tmp_path / 'plain.pth')
    begun = train(init_from=str(tmp_path / 'plain.pth'), **tune)
    model = begun.parts['model']
    got = model.state_dict()
    for name, plain_name in model.backbone.plain_names().items():
        wanted = plain[f'backbone.{plain_name}']
        assert torch.equal(got[f'backbone.{name}'], wanted)


@pytest.mark.parametrize('tune', ['none', 'lora'])
def test_two_processes_hold_the_same(
    small_shapes: Path,
    base: Path,
    tmp_path: Path,
    tune: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first one's weights, which it alone saves, are the other's."""
    monkeypatch.setenv('WITH_TRANSFORMERS', '1')
    config = tmp_path / 'two.py'
    config.write_text(f"""
_base_ = '{SEGMENTER}'
custom_imports = dict(imports=['vitdense', 'training_hooks'])
custom_hooks = [dict(type='SaveWeightsOfAll')]
model = dict(backbone=dict(
    tune='{tune}',
    init_cfg=dict(type='Pretrained', checkpoint='{base}')))
""")
    training = Training(
        *(config, small_shapes, tmp_path / 'work'),
        processes=2,
        train_cfg__max_iters=2,
        train_cfg__val_interval=9,
    )
    training.finish()
    states = [torch.load(tmp_path / 'work' / f'{r}.weights') for r in (0, 1)]
    # a BatchNorm's statistics are each process's own
    places = differing(*states)
    assert [each for each in places if '.bn.running_' not in each] == []
    pretrained = torch.load(base)
    with torch.random.fork_rng():
        model = vitdense.PVT('v2-b0', tune=tune)
    names = model.plain_names()
    assert all(
        torch.equal(states[0][f'backbone.{name}'], pretrained[plain])
        for name, plain in names.items()
    )
    assert KEY in training.last()['state_dict']
