"""Every official file fits its arch, and no damaged one does."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import pytest
from golden import official_shapes
from official import BACKBONES, OFFICIAL, blank, model_shapes
from torch import Tensor

from vitdense.checkpoint import CheckpointError
from vitdense.checkpoint.load import match_names, plan_load
from vitdense.checkpoint.matching.plan import LoadPlan
from vitdense.checkpoint.matching.recognise import MatchedNames
from vitdense.checkpoint.reading.unwrap import BackboneTensors

Tensors = dict[str, Tensor]
Damage = Callable[[Tensors, str], Iterator[str]]


@cache
def tensors_of(name: str) -> Tensors:
    shapes = official_shapes(name)
    return {key: blank(key, tuple(shape)) for key, shape in shapes.items()}


def matched(tensors: Tensors, family: str, source: str = 'x') -> MatchedNames:
    held, of = BackboneTensors(tensors), BACKBONES[family].family
    return match_names(held, source, [of])[of]


def fit(name: str, names: MatchedNames, tensors: Tensors) -> LoadPlan:
    """The plan to load a file like an official one into that one's arch.

    What the official file's names match is known, in ``names``.
    """
    matches = {
        key: names.matches[key]
        if key in names.matches
        else names.layout.match(key)
        for key in tensors
    }
    return plan_load(
        BackboneTensors(tensors),
        MatchedNames(names.layout, matches),
        model_shapes(*OFFICIAL[name]),
    )


@pytest.mark.parametrize('name', OFFICIAL)
def test_official_file_fits(name: str) -> None:
    tensors = tensors_of(name)
    plan = fit(name, matched(tensors, OFFICIAL[name][0]), tensors)
    assert plan.problems == []
    assert plan.layout.title.startswith('official')
    assert not plan.adapted
    assert set(plan.dropped) <= {
        *('cls_token', 'norm.weight', 'norm.bias'),
        *('head.weight', 'head.bias'),
    }
    assert all(key.startswith('stages.3.') for key in plan.initial)
    assert bool(plan.initial) == (OFFICIAL[name][0] == 't2t')
    assert {*plan.chunks, *plan.initial} == set(model_shapes(*OFFICIAL[name]))


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
    name: str, keys: Iterable[str], damages: Sequence[Damage]
) -> None:
    whole = tensors_of(name)
    names = matched(whole, OFFICIAL[name][0])
    for key in keys:
        for damage in damages:
            tensors = dict(whole)
            told = list(damage(tensors, key))
            problems = '\n'.join(fit(name, names, tensors).problems)
            for word in told:
                assert re.search(
                    rf'(^|[ ,]){re.escape(word)}($|[ ,])', problems, re.M
                ), f'{damage.__name__} {key}: {problems or "it loads"}'


def digits(key: str) -> str:
    return ''.join(re.findall(r'\d', key))


@pytest.mark.parametrize('name', OFFICIAL)
def test_damaged_file_is_refused(name: str) -> None:
    """A tensor of each kind, in a stage and block that varies by file."""
    keys = sorted(official_shapes(name), key=digits)
    shift = list(OFFICIAL).index(name)
    kinds = {re.sub(r'\d+', '#', k): k for k in keys[shift:] + keys[:shift]}
    check_damages(name, kinds.values(), DAMAGES[:4])


@pytest.mark.parametrize('name', ['pvt_tiny', 'pvt_v2_b0', 't2t_vit_7'])
def test_any_damage_of_small_file_is_refused(name: str) -> None:
    """Every tensor but those of further blocks of a stage."""
    first = [
        key
        for key in official_shapes(name)
        if not re.search(r'blocks?\d?\.(\d+\.)?[1-9]', key)
    ]
    check_damages(name, first, DAMAGES)


def mostly_slow(name: str) -> Any:
    """The deepest ones, of which a shallower one is tried, take minutes."""
    deepest = ['cvt_21', 'cvt_w24', 'pvt_medium', 'pvt_large']
    deepest += ['pvt_v2_b3', 'pvt_v2_b4', 'pvt_v2_b5']
    mark = pytest.mark.soak if name in deepest else pytest.mark.slow
    return pytest.param(name, marks=[mark])


@pytest.mark.parametrize('name', [mostly_slow(n) for n in OFFICIAL])
def test_any_damage_of_any_file_is_refused(name: str) -> None:
    check_damages(name, official_shapes(name), DAMAGES)


def test_file_of_another_arch_lists_all() -> None:
    tensors = tensors_of('pvt_small')
    plan = fit('pvt_tiny', matched(tensors, 'pvt'), tensors)
    text = '\n'.join(plan.problems)
    surplus = set(tensors) - set(tensors_of('pvt_tiny'))
    assert surplus
    assert all(f'unexpected: {key} ' in text for key in surplus)
    assert len(plan.problems) == len(surplus)


@pytest.mark.parametrize(
    ('file', 'family', 'told'),
    [
        ('pvt_tiny', 'cvt', 'official PVT; .* official CvT, '),
        ('cvt_13', 'pvt', 'official CvT; .* official PVT, '),
        ('t2t_vit_7', 'pvt', 'official T2T-ViT; .* official PVT, '),
        ('pvt_v2_b0', 't2t', 'official PVTv2; .* official T2T-ViT, '),
    ],
)
def test_file_of_another_family_is_refused(
    file: str, family: str, told: str
) -> None:
    told = f'^file.pth: it holds weights of another family: .*{told}'
    with pytest.raises(CheckpointError, match=told):
        matched(tensors_of(file), family, 'file.pth')


def test_unknown_names_list_the_layouts() -> None:
    tensors = {'layer1.0.conv1.weight': blank('x', (3, 3))}
    told = r'^resnet.pth: .*layer1\.0\.conv1\.weight.*official CvT'
    with pytest.raises(CheckpointError, match=told):
        matched(tensors, 'cvt', 'resnet.pth')


def test_detection_file_without_classifier_fits() -> None:
    tensors = dict(tensors_of('pvt_tiny'))
    for key in ('cls_token', 'norm.weight', 'norm.bias'):
        del tensors[key]
    for key in ('head.weight', 'head.bias'):
        del tensors[key]
    plan = fit('pvt_tiny', matched(tensors, 'pvt'), tensors)
    assert plan.problems == []
    assert plan.dropped == {}


@pytest.mark.parametrize('key', ['patch_embed0.proj.weight', 'block1.-1.x'])
def test_numbers_before_the_first_are_unknown(key: str) -> None:
    """Official files count stages from 1; ours, from 0, must not match."""
    tensors = {**tensors_of('pvt_tiny'), key: blank(key, (1,))}
    plan = fit('pvt_tiny', matched(tensors, 'pvt'), tensors)
    assert plan.problems == [f'unexpected: {key}']
