"""Any image and any argument works, or is refused with one clear error."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from designs import DESIGNS
from hypothesis import strategies as st
from tried import few, many

LARGEST = 80  # pixels, which give every stage more than one cell
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 9, 2.5, math.nan, math.inf),
    *('', 'x', [], {}, [1], ['x'], [None], (0, 9), (0, 0), {'x': 1}),
    *((1, 2, 3, 4), (8, 8, 8, 8), (0, 0, 0, 0), (-1, 1, 1, 1), [2.5] * 4),
)
# PyTorch's own names for them
ARGUMENTS = (
    *('in_channels', 'out_indices', 'drop_path_rate', 'frozen_stages'),
    *('norm_eval', 'with_cp', 'init_cfg', 'unknown'),
)


@st.composite
def images(draw: Callable) -> dict[str, Any]:
    """A backbone of any design, some of its levels, and an image."""
    label = draw(st.sampled_from(sorted(DESIGNS)))
    stages = DESIGNS[label].stages
    side = st.integers(0, LARGEST)
    return {
        'label': label,
        'out_indices': sorted(
            draw(st.sets(st.integers(0, stages - 1), min_size=1))
        ),
        'shape': (
            draw(st.integers(1, 2)),
            draw(st.sampled_from([3, 3, 3, 3, 1, 4])),
            draw(side),
            draw(side),
        ),
        'cut': draw(st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2])),
    }


def check_image(case: dict[str, Any]) -> None:
    design, shape = DESIGNS[case['label']], case['shape']
    model = design.build(out_indices=case['out_indices']).eval()
    batch = torch.randn(shape[case['cut'] :])
    name, least = type(model).__name__, model.min_size
    height, width = shape[2:]
    fits = case['cut'] == 0 and shape[1] == 3
    with torch.no_grad():
        if not fits or min(height, width) < least:
            with pytest.raises(ValueError, match=f'^{name}: images of '):
                model(batch)
            return
        levels = model(batch)
    strides = zip(levels, model.out_channels, model.out_strides, strict=True)
    for level, channels, stride in strides:
        assert level.shape[:2] == (shape[0], channels)
        for cells, pixels in zip(
            level.shape[2:], (height, width), strict=True
        ):
            assert pixels // stride <= cells <= -(-pixels // stride)
        assert level.isfinite().all()


@st.composite
def arguments(draw: Callable) -> dict[str, Any]:
    """A design with one of its fields or arguments changed."""
    label = draw(st.sampled_from(sorted(DESIGNS)))
    field = draw(st.sampled_from([*DESIGNS[label].arch, 'depth', *ARGUMENTS]))
    return {
        'label': label,
        'field': field,
        'value': draw(st.sampled_from(ODD)),
    }


def check_argument(case: dict[str, Any]) -> None:
    design, field, value = (
        DESIGNS[case['label']],
        case['field'],
        case['value'],
    )
    arch, options = dict(design.arch), {}
    if field in ARGUMENTS:
        options[field] = value
    else:
        arch[field] = value
    try:
        model = design.cls(arch, **options)
        model.init_weights()
    except (ValueError, TypeError) as error:
        said = str(error)
        assert field in said, said
        own = said.startswith(f'{design.cls.__name__}: ')
        assert own or field == 'unknown', said
        return
    with torch.no_grad():
        levels = model.eval()(torch.randn(1, model.in_channels, 64, 64))
    assert len(levels) == len(model.out_channels)


test_a_few_images = few(check_image, images(), 20)
test_many_images = many(check_image, images(), 250)
test_a_few_arguments = few(check_argument, arguments(), 20)
test_many_arguments = many(check_argument, arguments(), 250)
