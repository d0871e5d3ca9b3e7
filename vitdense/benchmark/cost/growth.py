"""How time and memory grow with the area of an image."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from vitdense.benchmark.cost.measure import (
    Comparison,
    CostRow,
    Tick,
    compare,
)
from vitdense.benchmark.cost.settings import FORWARD, FORWARD_BACKWARD


@dataclass
class Growth:
    """Costs of one model over image sizes.

    Attributes:
        name: As it was asked for.
        rows: What was measured at each size.
    """

    name: str
    rows: list[CostRow] = field(default_factory=list)

    def exponents(self) -> dict[str, float]:
        """Powers of the area that the costs grow with.

        'memory' is what a forward and backward pass needs beyond libraries
        and weights. A cost that was not measured at two sizes is left out.
        """
        measures = {
            FORWARD: lambda row: row.median(FORWARD),
            FORWARD_BACKWARD: lambda row: row.median(FORWARD_BACKWARD),
            'memory': _working_bytes,
            'macs': lambda row: row.macs,
        }
        found = {}
        for name, measure in measures.items():
            points = [
                (row.settings.height * row.settings.width, measure(row))
                for row in self.rows
            ]
            known = [(area, value) for area, value in points if value]
            if len(known) > 1:
                found[name] = fit_exponent(*zip(*known, strict=True))
        return found


def fit_exponent(areas: Sequence[float], costs: Sequence[float]) -> float:
    """Power of a power law: least squares on logarithms.

    Args:
        areas: Positive, at least two different ones.
        costs: Positive, one for each area.
    """
    x = [math.log(area) for area in areas]
    y = [math.log(cost) for cost in costs]
    x_mean, y_mean = sum(x) / len(x), sum(y) / len(y)
    covariance = sum(
        (a - x_mean) * (b - y_mean) for a, b in zip(x, y, strict=True)
    )
    return covariance / sum((a - x_mean) ** 2 for a in x)


def measure_growth(
    comparison: Comparison,
    sizes: Sequence[tuple[int, int]],
    tick: Tick = lambda _: None,
) -> Iterator[Growth]:
    """Measures each entry of a comparison at each size.

    Args:
        comparison: Its settings' size is not read.
        sizes: Heights and widths, in pixels.
        tick: As for ``measure.compare``.
    """
    for entry in comparison.entries:
        growth = Growth(entry.name)
        for height, width in sizes:
            settings = replace(comparison.settings, height=height, width=width)
            one = replace(comparison, entries=[entry], settings=settings)
            growth.rows.extend(compare(one, tick))
        yield growth


def _working_bytes(row: CostRow) -> int | None:
    if row.peak_bytes is None or row.held_bytes is None:
        return None
    return row.peak_bytes - row.held_bytes
