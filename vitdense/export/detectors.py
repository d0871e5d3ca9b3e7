"""Detectors as they are exported: pictures in, boxes and masks out.

B pictures of H x W pixels, M objects of each at most.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from vitdense.export.dense_head import DenseHead
from vitdense.export.networks import Normalise
from vitdense.export.refusals import (
    check_dense_head,
    check_kind,
    check_least_side,
    check_regions,
    check_type,
)
from vitdense.export.regions import Classifier, Masks


class Detector(nn.Module):
    """What detectors share.

    Args:
        model: mmdet's.
        settings: Of its ``test_cfg``, those that objects are chosen by.

    Attributes:
        outputs: Names of the results.
        axes: Their sizes that are free.
        mask_threshold: From which on a pixel is of an object; None if there
            are no masks.
        settings: As given.
    """

    mask_threshold: float | None = None

    outputs: tuple[str, ...] = ('boxes', 'scores', 'labels')

    def __init__(self, model: Any, settings: Any) -> None:
        super().__init__()
        self.normalise = Normalise(model.data_preprocessor)
        self.model = model
        self.settings = settings

    @property
    def axes(self) -> dict[str, dict[int, str]]:
        return {name: {0: 'batch'} for name in self.outputs}

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """(B, H, W, 3) uint8 -> (B, M, 4) corners in pixels, (B, M) scores,
        (B, M) labels, -1 where there is no object; where there are masks also
        (B, M, h, w): how sure each part of a box is of the object, 0 to 1."""
        features = self.model.extract_feat(self.normalise(pictures))
        return self.find(features, pictures.shape[1:3])

    def find(
        self, features: Sequence[Tensor], size: Any
    ) -> tuple[Tensor, ...]:
        """The same, of features of pictures.

        Args:
            features: Of the neck, ``(B, C, H_i, W_i)`` each.
            size: Height and width of the pictures.
        """
        raise NotImplementedError


class OneStage(Detector):
    """RetinaNet.

    Args:
        model: mmdet's.

    Raises:
        ValueError: If a part cannot be exported, naming it.
    """

    def __init__(self, model: Any) -> None:
        check_type(model, 'bbox_head', 'RetinaHead')
        check_dense_head(model, 'bbox_head', 'test_cfg')
        check_least_side(model.test_cfg)
        super().__init__(model, model.bbox_head.test_cfg)
        self.head = DenseHead(model.bbox_head, of_levels=False)

    def find(
        self, features: Sequence[Tensor], size: Any
    ) -> tuple[Tensor, ...]:
        return tuple(self.head(features, size))


class TwoStage(Detector):
    """Faster R-CNN, and with masks Mask R-CNN.

    Args:
        model: mmdet's.

    Raises:
        ValueError: If a part cannot be exported, naming it.
    """

    def __init__(self, model: Any) -> None:
        check_type(model, 'rpn_head', 'RPNHead')
        check_dense_head(model, 'rpn_head', 'test_cfg.rpn')
        check_regions(model)
        super().__init__(model, model.roi_head.test_cfg)
        self.proposals = DenseHead(model.rpn_head, of_levels=True)
        self.classifier = Classifier(model.roi_head)
        self.masks = None
        if model.roi_head.with_mask:
            self.mask_threshold = self.settings.mask_thr_binary
            self.masks = Masks(model.roi_head)
            self.outputs = (*self.outputs, 'masks')

    def find(
        self, features: Sequence[Tensor], size: Any
    ) -> tuple[Tensor, ...]:
        regions = self.proposals(features, size)
        found = self.classifier(features, regions, size)
        if self.masks is None:
            return tuple(found)
        return (*found, self.masks(features, found))


def detector_of(model: Any) -> Detector:
    """What is exported of a detector.

    Args:
        model: mmdet's, in evaluation.

    Raises:
        ValueError: If a part cannot be exported, naming it.
    """
    kinds = {
        'RetinaNet': OneStage,
        'FasterRCNN': TwoStage,
        'MaskRCNN': TwoStage,
    }
    check_kind(model, *kinds)
    return kinds[type(model).__name__](model)
