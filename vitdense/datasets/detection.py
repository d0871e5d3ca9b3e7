"""Data sets and metrics for mmdet."""

from typing import Any, ClassVar

from mmdet.datasets import CocoDataset
from mmdet.evaluation import CocoMetric as MMDetCocoMetric

from vitdense.datasets.shapes import CLASSES, PALETTE, ensure_shapes
from vitdense.registry import DATASETS, METRICS

# mmdet's names for the twelve figures of COCO's summary, in its order, and
# what they are with COCO's own 1, 10 and 100 detections per image.
COCO_SUMMARY = {
    'mAP': 'mAP',
    'mAP_50': 'mAP_50',
    'mAP_75': 'mAP_75',
    'mAP_s': 'mAP_s',
    'mAP_m': 'mAP_m',
    'mAP_l': 'mAP_l',
    'AR@100': 'AR@1',
    'AR@300': 'AR@10',
    'AR@1000': 'AR@100',
    'AR_s@1000': 'AR_s@100',
    'AR_m@1000': 'AR_m@100',
    'AR_l@1000': 'AR_l@100',
}


@DATASETS.register_module()
class ShapesInstances(CocoDataset):
    """Boxes and masks of the generated shapes, made at first use."""

    METAINFO: ClassVar = {'classes': CLASSES, 'palette': PALETTE}

    def prepare(self) -> None:
        """Make the data set if it is absent."""
        ensure_shapes(self.data_root)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Make the data set if it is absent, then read it."""
        self.prepare()
        data_list: list[dict[str, Any]] = super().load_data_list()
        return data_list


@METRICS.register_module()
class CocoMetric(MMDetCocoMetric):
    """COCO's twelve figures for boxes and for masks, by their right names.

    mmdet counts 100, 300 and 1000 detections an image, which gives other
    recalls than those COCO publishes (1, 10 and 100), and reports no recall
    at all unless asked. ``metric``, ``ann_file`` and the rest are mmdet's.
    """

    def __init__(
        self,
        ann_file: str | None = None,
        metric: str | list[str] = 'bbox',
        classwise: bool = False,
        format_only: bool = False,
        outfile_prefix: str | None = None,
        backend_args: dict[str, Any] | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(
            ann_file=ann_file,
            metric=metric,
            classwise=classwise,
            proposal_nums=(1, 10, 100),
            metric_items=list(COCO_SUMMARY),
            format_only=format_only,
            outfile_prefix=outfile_prefix,
            backend_args=backend_args,
            collect_device=collect_device,
            prefix=prefix,
        )

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Score all images; keys like ``bbox_mAP`` and ``segm_AR@100``."""
        figures: dict[str, float] = super().compute_metrics(results)
        return {_right_name(key): value for key, value in figures.items()}


def _right_name(key: str) -> str:
    kind, _, item = key.partition('_')
    if item in COCO_SUMMARY:
        return f'{kind}_{COCO_SUMMARY[item]}'
    return key
