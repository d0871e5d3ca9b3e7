"""Boxes of a head that looks at all cells.

B pictures, C channels, M boxes of each picture at most.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vitdense.export.boxes import NO_SCORE, Boxes, at, best, decode, suppress


class DenseHead(nn.Module):
    """Boxes of a head that looks at all cells: RetinaNet's or an RPN.

    Args:
        head: mmdet's ``RetinaHead`` or ``RPNHead``.
        of_levels: Whether boxes of different levels, not classes, drop none
            of each other.
    """

    def __init__(self, head: Any, *, of_levels: bool) -> None:
        super().__init__()
        self.head = head
        self.settings = head.test_cfg
        self.of_levels = of_levels

    def forward(self, features: Sequence[Tensor], size: Any) -> Boxes:
        """(B, C, H_i, W_i), ... -> M boxes of each picture.

        Args:
            features: Of the neck.
            size: Height and width of the pictures.
        """
        scores, deltas = self.head(features)
        anchors = self.head.prior_generator.grid_priors(
            [each.shape[-2:] for each in scores], device=scores[0].device
        )
        levels = zip(scores, deltas, anchors, strict=True)
        found = [
            self._of_level(number, *level, size)
            for number, level in enumerate(levels)
        ]
        corners, scores, groups = map(
            torch.cat, zip(*found, strict=True), [1] * 3
        )
        least_side = self.settings.get('min_bbox_size', -1)
        if least_side >= 0:
            sides = corners[..., 2:] - corners[..., :2]
            large = (sides > least_side).all(-1)
            scores = torch.where(large, scores, NO_SCORE)
        return suppress(Boxes(corners, scores, groups), self.settings)

    def _of_level(
        self,
        number: int,
        logits: Tensor,
        deltas: Tensor,
        anchors: Tensor,
        size: Any,
    ) -> Boxes:
        """The best of a level."""
        classes = self.head.cls_out_channels
        flat = logits.permute(0, 2, 3, 1).flatten(1)
        values, places = best(flat, self.settings.nms_pre)
        cells = torch.div(places, classes, rounding_mode='floor')
        deltas = deltas.permute(0, 2, 3, 1).reshape(deltas.shape[0], -1, 4)
        corners = decode(
            anchors[cells], at(deltas, cells), self.head.bbox_coder, size
        )
        labels = places - cells * classes
        groups = torch.full_like(labels, number) if self.of_levels else labels
        return Boxes(corners, values.sigmoid(), groups)
