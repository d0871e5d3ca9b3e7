"""Values of another kind than their reader takes are refused by name."""

import math
from typing import Any

import pytest
from small_runs import DETECTOR

from vitdense.preflight.config import load_config
from vitdense.preflight.options import CommonOptions

LOADER = 'train_dataloader'


def load(**given: Any) -> Any:
    options = {key.replace('__', '.'): value for key, value in given.items()}
    return load_config(
        CommonOptions(config=str(DETECTOR), cfg_options=options)
    )


@pytest.mark.parametrize(
    ('place', 'value', 'said'),
    [
        ('model__neck__start_level', ['x'], 'FPN takes int there'),
        ('model__neck__in_channels', 'x', 'FPN takes List[int] there'),
        ('train_cfg__val_interval', [], 'takes int there'),
        ('train_dataloader__batch_size', math.nan, 'DataLoader takes int'),
        ('train_dataloader__sampler__shuffle', [], 'takes bool there'),
        ('optim_wrapper__optimizer__lr', [None], 'AdamW takes float'),
        ('env_cfg__mp_cfg', [None], "mmengine's Runner takes Mapping[str"),
        ('model__neck__in_channels__x', 1, 'is a list; a number belongs'),
        ('train_cfg__max_epochs__x', 1, "which has no key 'x'"),
        ('train_cfg__max_epochs', {'x': 1}, 'a mapping with _delete_=True'),
        ('custom_hooks__0', '', 'only a mapping can be merged into a list'),
    ],
)
def test_refused(place: str, value: Any, said: str) -> None:
    option = place.replace('__', '.')
    with pytest.raises(ValueError, match='--cfg-options ') as refusal:
        load(**{place: value})
    assert str(refusal.value).startswith(f'--cfg-options {option}')
    assert said in str(refusal.value)


def test_taken() -> None:
    """Numbers for numbers, a list for a tuple, None for what may be left."""
    cfg = load(
        model__neck__start_level=0.0,
        model__neck__add_extra_convs='on_input',
        model__neck__norm_cfg={'type': 'BN'},
        train_dataloader__dataset__pipeline__2__prob=1,
        train_dataloader__dataset__indices=[1, 2],
        train_dataloader__dataset__filter_cfg=None,
        default_hooks__visualization=None,
    )
    assert cfg.model.neck.add_extra_convs == 'on_input'
    # mmengine would refuse a hook that is none of its own and None
    assert 'visualization' not in cfg.default_hooks
