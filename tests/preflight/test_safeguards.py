"""What is added to configs that were not written here."""

from typing import Any

import pytest
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config

from vitdense.preflight.safeguards import set_finite_check, set_whole_images


def kinds(cfg: Config) -> list[str]:
    return [hook['type'] for hook in cfg.get('custom_hooks') or []]


def test_finite_check_is_added_once() -> None:
    cfg = Config({'custom_hooks': [{'type': 'NumClassCheckHook'}]})
    for _ in range(2):
        set_finite_check(cfg)
        assert kinds(cfg) == [
            'NumClassCheckHook',
            'vitdense.StopOnNonFiniteHook',
        ]


@pytest.mark.parametrize('place', ['custom_hooks', 'default_hooks'])
def test_a_config_s_own_settings_stay(place: str) -> None:
    hook = {'type': 'vitdense.StopOnNonFiniteHook', 'on_bad': 'skip'}
    hooks: Any = [hook] if place == 'custom_hooks' else {'finite': hook}
    cfg = Config({place: hooks})
    set_finite_check(cfg)
    assert cfg.to_dict() == {place: hooks}


def loaders(kind: Any, **settings: Any) -> Config:
    load = {'type': kind, **settings}
    inner = {'type': 'CocoDataset', 'pipeline': [load, {'type': 'Resize'}]}
    split = {'dataset': {'type': 'RepeatDataset', 'dataset': inner}}
    return Config({'train_dataloader': split, 'val_dataloader': split})


@pytest.mark.parametrize(
    'kind', ['LoadImageFromFile', 'mmcv.LoadImageFromFile', LoadImageFromFile]
)
def test_training_loads_whole_images(kind: Any) -> None:
    cfg = loaders(kind, to_float32=True)
    set_whole_images(cfg)
    load, other = cfg.train_dataloader.dataset.dataset.pipeline
    assert load.to_dict() == {
        'type': 'vitdense.LoadImageFromFile',
        'to_float32': True,
    }
    assert other.type == 'Resize'
    # inferencers of the libraries look for the name
    assert cfg.val_dataloader.dataset.dataset.pipeline[0].type == kind
    assert kinds(cfg) == []


def test_skipping_by_option_or_by_config() -> None:
    for cfg, option in (
        (loaders('LoadImageFromFile'), True),
        (loaders('vitdense.LoadImageFromFile', skip_broken=True), False),
    ):
        set_whole_images(cfg, skip_broken=option)
        load = cfg.train_dataloader.dataset.dataset.pipeline[0]
        assert load.skip_broken is True
        assert kinds(cfg) == ['vitdense.BrokenImagesHook']


def test_other_ways_to_load_stay() -> None:
    cfg = loaders('LoadImageFromWebcam')
    set_whole_images(cfg)
    load = cfg.train_dataloader.dataset.dataset.pipeline[0]
    assert load.type == 'LoadImageFromWebcam'
    set_whole_images(Config({}))
