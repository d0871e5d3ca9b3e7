"""Makes mmdet's ``CocoMetric`` score by hotcoco, where that is equal.

The metric builds its scorer by a name of its module; there is no other place
to give it one.
"""

from types import ModuleType

from vitdense.compat.on_import import patch_module

MODULE = 'mmdet.evaluation.metrics.coco_metric'


def install() -> None:
    """Put the scorer into mmdet, now or when it is imported."""
    patch_module(MODULE, _patch)


def _patch(module: ModuleType) -> None:
    from vitdense.datasets.coco_scorer import CheckedCOCOeval

    module.__dict__['COCOeval'] = CheckedCOCOeval
