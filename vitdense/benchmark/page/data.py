"""What the page shows, as data that JSON has."""

import difflib
from collections.abc import Mapping, Sequence
from itertools import combinations
from math import isfinite
from typing import Any

import numpy as np

from vitdense.benchmark.accuracy.average_precision import (
    MOST,
    RECALLS,
    FloatArray,
    curves,
)
from vitdense.benchmark.accuracy.compare import Comparison, Figures, Joined
from vitdense.benchmark.accuracy.detection import (
    AREAS,
    KINDS,
    DetectionFigures,
)
from vitdense.benchmark.accuracy.errors import TYPES
from vitdense.benchmark.accuracy.model_run import ModelRun
from vitdense.benchmark.accuracy.resampling import LEVEL
from vitdense.benchmark.accuracy.tables import resampled
from vitdense.benchmark.cost.measure import CostRow
from vitdense.benchmark.cost.settings import FORWARD, FORWARD_BACKWARD

# precisions of single classes that a page holds; each has about four bytes
CURVE_VALUES = 75_000
# places of the thresholds among COCO's; None is the mean over all
THRESHOLDS = {'0.50:0.95': None, '0.50': 0, '0.75': 5}


def page_data(
    comparison: Comparison,
    figures: Mapping[str, Sequence[Figures]],
    runs: Mapping[str, Sequence[ModelRun]],
    costs: Mapping[str, CostRow],
    about: Mapping[str, str],
) -> dict[str, Any]:
    """All but pictures.

    Args:
        comparison: Of the models.
        figures: Of each model's runs.
        runs: What is known of them.
        costs: What was measured of a model; not all have to be there.
        about: What stands at the foot, such as the command.
    """
    names = [each.name for each in comparison.models]
    place = {name: index for index, name in enumerate(names)}
    return {
        'about': [[key, value] for key, value in about.items()],
        'level': LEVEL,
        'lead': resampled(comparison),
        'resamples': comparison.resamples,
        'figures': list(comparison.figures),
        'models': [
            {
                'name': each.name,
                'values': numbers(each.values),
                'low': numbers(each.low),
                'high': numbers(each.high),
                'spread': numbers(each.spread),
                'runs': len(each.runs),
                'errors': {
                    KINDS[errors.kind]: {
                        'gains': numbers(errors.gains),
                        'counts': numbers(errors.counts),
                    }
                    for errors in each.errors
                },
                'cost': _cost(costs.get(each.name)),
                'facts': _facts(runs.get(each.name, ())),
                'logged': _logged(runs.get(each.name, ())),
            }
            for each in comparison.models
        ],
        'differences': [
            {
                'first': place[each.first],
                'second': place[each.second],
                'values': numbers(each.values),
                'low': numbers(each.low),
                'high': numbers(each.high),
                # the least that there is, is told from others
                'p': numbers(each.p, 9),
                'config': _config_difference(
                    *(runs.get(each.first, ()), runs.get(each.second, ()))
                ),
            }
            for each in comparison.differences
        ],
        'error_types': list(TYPES),
        'curves': _curves([figures[name][0] for name in names]),
    }


def numbers(values: FloatArray, decimals: int = 5) -> list[float | None]:
    """Rounded to more than the page shows; null for none."""
    return [
        round(v, decimals) if isfinite(v) else None for v in values.tolist()
    ]


def _cost(row: CostRow | None) -> dict[str, Any]:
    if row is None:
        return {}
    times = {'forward': FORWARD, 'training step': FORWARD_BACKWARD}
    found: dict[str, float | None] = {
        f'{title}, ms': None if seconds is None else 1e3 * seconds
        for title, mode in times.items()
        for seconds in [row.median(mode)]
    }
    scaled = {
        'peak memory, GiB': (row.peak_bytes, 2**30),
        'parameters, M': (row.parameters, 1e6),
        # of a batch, each two operations
        'GFLOP': (row.macs, 0.5e9 * row.settings.batch),
    }
    for title, (value, unit) in scaled.items():
        found[title] = None if value is None else value / unit
    return {key: value for key, value in found.items() if value is not None}


def _facts(runs: Sequence[ModelRun]) -> list[list[str]]:
    facts = []
    for each in runs:
        facts.append(['predictions', str(each.predictions)])
        if each.checkpoint is not None:
            facts.append(['checkpoint', str(each.checkpoint)])
        if each.sha256:
            facts.append(['SHA-256', each.sha256])
    if runs:
        facts += [[key, value] for key, value in runs[0].versions.items()]
    return facts


def _logged(runs: Sequence[ModelRun]) -> dict[str, list[list[list[float]]]]:
    """By name, of each run its steps and values."""
    found: dict[str, list[list[list[float]]]] = {}
    for each in runs:
        lines: dict[str, list[list[float]]] = {}
        for step, name, value in each.curves:
            if isfinite(value):
                steps, values = lines.setdefault(name, [[], []])
                steps.append(step)
                values.append(float(f'{value:.5g}'))
        for name, line in lines.items():
            # more points than a plot has pixels would only weigh
            every = max(1, len(line[0]) // 400)
            found.setdefault(name, []).append([a[::every] for a in line])
    return found


def _config_difference(
    first: Sequence[ModelRun], second: Sequence[ModelRun]
) -> list[str] | None:
    """Lines of a unified difference; None where a config is not known."""
    if not (first and second and first[0].config and second[0].config):
        return None
    one, other = (runs[0].config.splitlines() for runs in (first, second))
    return list(difflib.unified_diff(one, other, lineterm='', n=2))[2:]


def _curves(models: Sequence[Figures]) -> dict[str, Any]:
    """Precisions of each kind by model, in thousandths at each recall."""
    parts = [
        [
            part
            for part in (each.parts if isinstance(each, Joined) else (each,))
            if isinstance(part, DetectionFigures)
        ]
        for each in models
    ]
    kinds = list(zip(*parts, strict=True))
    return {
        KINDS[of_kind[0].kind]: _curves_of_kind(
            of_kind, CURVE_VALUES // (len(kinds) * len(models))
        )
        for of_kind in kinds
    }


def _curves_of_kind(
    models: Sequence[DetectionFigures], room: int
) -> dict[str, Any]:
    first = models[0]
    starts = first.matches.object_starts
    objects = np.diff(starts)[:: len(AREAS)]
    most = np.argsort(-objects, kind='stable')[: room // len(RECALLS)]
    chosen = [int(each) for each in most if objects[each]]
    lines: dict[str, list[list[list[int]]]] = {'mean': [], 'of_classes': []}
    for each in models:
        weights = np.ones(len(each.images), np.int64)
        precision = curves(each.matches, weights, MOST)[0][:: len(AREAS)]
        there = precision[objects > 0]
        lines['mean'].append(
            [
                _thousandths(
                    there.mean((0, 1)) if t is None else there[:, t].mean(0)
                )
                for t in THRESHOLDS.values()
            ]
        )
        lines['of_classes'].append(
            [_thousandths(precision[k, 0]) for k in chosen]
        )
    return {
        'thresholds': list(THRESHOLDS),
        'classes': [first.classes[each] for each in chosen],
        'of': int((objects > 0).sum()),
        **lines,
    }


def _thousandths(values: FloatArray) -> list[int]:
    found: list[int] = np.rint(1000 * values).astype(int).tolist()
    return found


def pairs(models: Sequence[str]) -> list[tuple[int, int]]:
    """Numbers of the models that are compared, as `Comparison` has them."""
    return list(combinations(range(len(models)), 2))
