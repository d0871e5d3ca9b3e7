"""Rows of classes: where they lie, and which go where."""

import pytest
import torch

from vitdense.checkpoint.matching.classes import (
    ClassAxis,
    ClassMatch,
    ClassTensor,
)


def match(held: tuple[str, ...], wanted: tuple[str, ...]) -> ClassMatch:
    return ClassMatch.of(held, wanted, 'the checkpoint', 'the data')


def test_names_are_matched_whatever_their_case_and_breaks() -> None:
    found = match(
        ('Traffic Light', 'cat', 'hot_dog'),
        ('hot-dog ', 'ox', 'traffic light'),
    )
    assert found.pairs == ((2, 0), (0, 2))
    assert found.kept == ['hot-dog ', 'traffic light']
    assert found.new == ['ox']


def test_names_that_are_one() -> None:
    said = r"the data: \['hot dog', 'Hot_Dog'\] are one name"
    with pytest.raises(ValueError, match=said):
        match(('a',), ('hot dog', 'cat', 'Hot_Dog'))
    with pytest.raises(ValueError, match='the checkpoint: '):
        match(('a', 'A'), ('a',))


@pytest.mark.parametrize(
    ('shape', 'larger', 'priors', 'axis'),
    [
        # 3 classes: softmax with a background, boxes, masks
        ((4, 8), (5, 8), (), ClassAxis(0, 1, 1, 1)),
        ((12, 8), (16, 8), (), ClassAxis(0, 1, 4, 0)),
        ((147, 8), (196, 8), (), ClassAxis(0, 1, 49, 0)),
        # anchors: sigmoid, and softmax with a background for each
        ((27,), (36,), {9}, ClassAxis(0, 9, 1, 0)),
        ((16,), (20,), {4, 6}, ClassAxis(0, 4, 1, 1)),
        ((1, 3, 8), (1, 4, 8), (), ClassAxis(1, 1, 1, 0)),
    ],
)
def test_how_rows_lie(
    shape: tuple[int, ...],
    larger: tuple[int, ...],
    priors: set[int],
    axis: ClassAxis,
) -> None:
    found = ClassTensor.of(shape, larger, 3, priors)
    assert found.axes == (axis,)
    assert found.shape_at(3) == shape
    assert found.shape_at(4) == larger


@pytest.mark.parametrize(
    ('shape', 'larger', 'priors'),
    [
        ((24,), (27,), {3}),  # YOLOv3: objectness and box before classes
        ((259,), (260,), ()),  # classes beside features
        ((18,), (24,), {9}),  # not the number of priors
    ],
)
def test_rows_that_are_not_known(
    shape: tuple[int, ...], larger: tuple[int, ...], priors: set[int]
) -> None:
    assert ClassTensor.of(shape, larger, 3, priors).axes is None


def test_rows_of_boxes_and_of_priors() -> None:
    boxes = ClassAxis(0, repeats=1, width=4, extra=0)
    assert boxes.rows([2, 0], 3) == [8, 9, 10, 11, 0, 1, 2, 3]
    priors = ClassAxis(0, repeats=2, width=1, extra=1)
    assert priors.rows([2, 0], 3) == [2, 0, 3, 6, 4, 7]


def test_fit_takes_rows_by_name() -> None:
    found = match(('a', 'b', 'c'), ('c', 'new', 'a', 'other'))
    held = torch.arange(4.0)[:, None].expand(4, 2)
    tensor = ClassTensor.of((4, 2), (5, 2), 3, ())
    initial = torch.full((5, 2), -1.0)
    fitted = tensor.fit(held, initial, found)
    assert fitted[:, 0].tolist() == [2, -1, 0, -1, 3]
    assert (initial == -1).all()


def test_fit_along_two_axes() -> None:
    found = match(('a', 'b'), ('b', 'new', 'a'))
    held = torch.tensor([[1.0, 2], [3, 4]])
    tensor = ClassTensor.of((2, 2), (3, 3), 2, ())
    fitted = tensor.fit(held, torch.zeros(3, 3), found)
    assert fitted.tolist() == [[4, 0, 3], [0, 0, 0], [2, 0, 1]]


def test_fit_with_no_class_of_the_same_name() -> None:
    tensor = ClassTensor.of((2,), (3,), 1, ())
    fitted = tensor.fit(
        torch.tensor([5.0, 6]), torch.zeros(3), match(('a',), ('b', 'c'))
    )
    assert fitted.tolist() == [0, 0, 6]
