"""Every official file fits its arch, and no damaged one does."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from golden import official_shapes
from official import OFFICIAL, blank, model_shapes
from torch import Tensor
from vitdense.checkpoint.unwrap import Unwrapped

from vitdense.checkpoint import CheckpointError
from vitdense.checkpoint.load import Fit, check_fit

Tensors = dict[str, Tensor]
Damage = Callable[[Tensors, str], Iterator[str]]


def tensors_of(shared: Path, name: str) -> Tensors:
    shapes = official_shapes(shared, name)
    return {key: blank(key, tuple(shape)) for key, shape in shapes.items()}


def fit(name: str, tensors: Tensors) -> Fit:
    family, arch = OFFICIAL[name]
    found = Unwrapped(tensors)
    return check_fit(found, name, family, model_shapes(family, arch))


@pytest.mark.parametrize('name', OFFICIAL)
def test_official_file_fits(shared: Path, name: str) -> None:
    result = fit(name, tensors_of(shared, name))
    assert result.problems == ()
    assert result.report.layout.startswith('official')
    assert not result.report.adapted
    dropped = {key for key, _ in result.report.dropped}
    assert dropped <= {
        *('cls_token', 'norm.weight', 'norm.bias'),
        *('head.weight', 'head.bias'),
    }
    kept = set(result.report.initial)
    assert all(key.startswith('stages.3.') for key in kept)
    assert bool(kept) == (OFFICIAL[name][0] == 't2t')
    assert result.report.matched + len(kept) == result.report.total


def rename(tensors: Tensors, name: str) -> Iterator[str]:
    tensors[f'{name}_'] = tensors.pop(name)
    yield from (name, f'{name}_')


def drop(tensors: Tensors, name: str) -> Iterator[str]:
    del tensors[name]
    yield name


def add(tensors: Tensors, name: str) -> Iterator[str]:
    added = re.sub(r'\d+', lambda m: f'{int(m[0]) + 90}', name)
    if added == name:
        added = f'extra.{name}'
    tensors[added] = tensors[name]
    yield added


def widen(tensors: Tensors, name: str) -> Iterator[str]:
    shape = tuple(tensors[name].shape)
    tensors[name] = blank(name, (*shape[:-1], (shape or (1,))[-1] + 1))
    yield name


def lengthen(tensors: Tensors, name: str) -> Iterator[str]:
    shape = tuple(tensors[name].shape)
    tensors[name] = blank(
        name, (*shape[:1], 2 * (*shape, 1, 1)[1], *shape[2:])
    )
    yield name


def nest(tensors: Tensors, name: str) -> Iterator[str]:
    shape = tuple(tensors[name].shape)
    tensors[name] = blank(name, (*shape, 1))
    yield name


DAMAGES = (rename, drop, add, widen, lengthen, nest)


def check_damages(
    shared: Path, name: str, keys: Iterable[str], damages: Sequence[Damage]
) -> None:
    whole = tensors_of(shared, name)
    for key in keys:
        for damage in damages:
            tensors = dict(whole)
            told = list(damage(tensors, key))
            problems = '\n'.join(fit(name, tensors).problems)
            for word in told:
                assert re.search(
                    rf'(^|[ ,]){re.escape(word)}($|[ ,])', problems, re.M
                ), f'{damage.__name__} {key}: {problems or "it loads"}'


def digits(key: str) -> str:
    return ''.join(re.findall(r'\d', key))


@pytest.mark.parametrize('name', OFFICIAL)
def test_damaged_file_is_refused(shared: Path, name: str) -> None:
    """A tensor of each kind, in a stage and block that varies by file."""
    keys = sorted(official_shapes(shared, name), key=digits)
    shift = list(OFFICIAL).index(name)
    kinds = {re.sub(r'\d+', '#', k): k for k in keys[shift:] + keys[:shift]}
    check_damages(shared, name, kinds.values(), DAMAGES[:4])


@pytest.mark.parametrize('name', ['pvt_tiny', 'pvt_v2_b0', 't2t_vit_7'])
def test_any_damage_of_small_file_is_refused(shared: Path, name: str) -> None:
    """Every tensor but those of further blocks of a stage."""
    first = [
        key
        for key in official_shapes(shared, name)
        if not re.search(r'blocks?\d?\.(\d+\.)?[1-9]', key)
    ]
    check_damages(shared, name, first, DAMAGES)


@pytest.mark.slow
@pytest.mark.parametrize('name', OFFICIAL)
def test_any_damage_of_any_file_is_refused(shared: Path, name: str) -> None:
    check_damages(shared, name, official_shapes(shared, name), DAMAGES)


def test_file_of_another_arch_lists_all(shared: Path) -> None:
    tensors = tensors_of(shared, 'pvt_small')
    found = Unwrapped(tensors)
    result = check_fit(found, 'x', 'pvt', model_shapes('pvt', 'tiny'))
    text = '\n'.join(result.problems)
    surplus = set(tensors) - set(tensors_of(shared, 'pvt_tiny'))
    assert surplus
    assert all(f'unexpected: {key} ' in text for key in surplus)
    assert len(result.problems) == len(surplus)


@pytest.mark.parametrize(
    ('file', 'family', 'arch'),
    [
        ('pvt_tiny', 'cvt', '13'),
        ('cvt_13', 'pvt', 'tiny'),
        ('t2t_vit_7', 'pvt', 'tiny'),
        ('pvt_v2_b0', 't2t', '7'),
    ],
)
def test_file_of_another_family_is_refused(
    shared: Path, file: str, family: str, arch: str
) -> None:
    found = Unwrapped(tensors_of(shared, file))
    with pytest.raises(CheckpointError, match='another family') as error:
        check_fit(found, 'file.pth', family, model_shapes(family, arch))
    assert 'file.pth: ' in str(error.value)


def test_unknown_names_list_the_layouts() -> None:
    found = Unwrapped({'layer1.0.conv1.weight': blank('x', (3, 3))})
    with pytest.raises(CheckpointError, match='official CvT') as error:
        check_fit(found, 'resnet.pth', 'cvt', model_shapes('cvt', '13'))
    assert 'layer1.0.conv1.weight' in str(error.value)


def test_detection_file_without_classifier_fits(shared: Path) -> None:
    tensors = tensors_of(shared, 'pvt_tiny')
    for key in ('cls_token', 'norm.weight', 'norm.bias'):
        del tensors[key]
    for key in ('head.weight', 'head.bias'):
        del tensors[key]
    result = fit('pvt_tiny', tensors)
    assert result.problems == ()
    assert result.report.dropped == ()
