"""Exponents of cost over area."""

import pytest

from vitdense.benchmark.cost.growth import Growth, fit_exponent
from vitdense.benchmark.cost.measure import CostRow
from vitdense.benchmark.cost.settings import Settings


def test_fit() -> None:
    areas = [1.0, 4.0, 9.0, 16.0]
    assert fit_exponent(areas, [3 * a**1.5 for a in areas]) == pytest.approx(
        1.5
    )
    # scatter that is even on both sides does not tilt it
    assert fit_exponent([1, 10, 100], [2, 8, 200]) == pytest.approx(1)


def test_exponents() -> None:
    rows = [
        CostRow(
            'a',
            Settings(height=side, width=2 * side),
            seconds={'forward': [side**2.0], 'forward_backward': [1.0]},
            macs=float(side**4),
            held_bytes=1000,
            peak_bytes=1000 + side**2,
        )
        for side in (64, 128, 256)
    ]
    rows.append(
        CostRow('a', Settings(height=512, width=1024), error='too large')
    )
    assert Growth('a', rows).exponents() == pytest.approx(
        {'forward': 1, 'forward_backward': 0, 'memory': 1, 'macs': 2}
    )


def test_one_size_has_no_exponent() -> None:
    row = CostRow('a', Settings(), macs=1.0)
    assert Growth('a', [row]).exponents() == {}
