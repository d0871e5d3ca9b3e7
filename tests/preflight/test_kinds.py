"""Kinds of values that places of a config take."""

from collections.abc import Callable
from typing import Any

import pytest
from small_runs import DETECTOR

from vitdense.preflight.options import TrainOptions
from vitdense.preflight.prepare import prepare_training


@pytest.mark.parametrize(
    ('key', 'value', 'said'),
    [
        ('model', 3, 'model=3: the config has a mapping there'),
        ('model.neck', 'x', "model.neck='x': the config has a mapping there"),
        ('train_dataloader.dataset', [], 'no mapping with a type'),
        ('train_dataloader.dataset.type', 0, 'type=0 is neither a name nor'),
        ('default_hooks.checkpoint', True, 'mapping there; set one of its'),
        ('custom_hooks', 3, 'custom_hooks=3 is no mapping, or a list of'),
        ('train_cfg', None, 'the config has no train_cfg'),
        ('val_dataloader.dataset.ann_file', None, 'ann_file'),
    ],
)
def test_what_is_of_another_kind(
    prepare: Callable, key: str, value: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        prepare(**{key.replace('.', '__'): value})
    assert key in str(caught.value)


def test_what_libraries_refuse_names_the_options() -> None:
    given: dict[str, Any] = {
        'model.data_preprocessor.std': [],
        'load_from': None,
    }
    options = TrainOptions(config=str(DETECTOR), cfg_options=given)
    said = (
        r'^config: .* \(AssertionError at .*data_preprocessor.py.* '
        r'model.data_preprocessor.std='
    )
    with pytest.raises(ValueError, match=said):
        prepare_training(options)


def test_no_hooks_are_the_default_ones(prepare: Callable) -> None:
    assert prepare(default_hooks=None).parts
