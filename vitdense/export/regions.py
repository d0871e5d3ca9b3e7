"""What regions of pictures show: heads that look at one after another.

B pictures, M regions or objects of each, R of all, C channels, K classes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vitdense.export.boxes import NO_SCORE, Boxes, decode, suppress
from vitdense.export.operators import RoIAlign


class RegionFeatures(nn.Module):
    """What mmdet's ``SingleRoIExtractor`` takes from the level of a region's
    size.

    Args:
        extractor: That.
    """

    def __init__(self, extractor: Any) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(
        self, features: Sequence[Tensor], boxes: Tensor, pictures: Tensor
    ) -> Tensor:
        """(B, C, H_i, W_i), ..., (R, 4), (R,) -> (R, C, h, w)"""
        layers = self.extractor.roi_layers
        sides = boxes[:, 2:] - boxes[:, :2]
        scale = sides.prod(1).sqrt() / self.extractor.finest_scale
        levels = (scale + 1e-6).log2().floor().clamp(0, len(layers) - 1)
        shape = (self.extractor.out_channels, *layers[0].output_size)
        made = boxes.new_zeros(boxes.shape[0], *shape)
        # the neck may have more levels
        for number, layer in enumerate(layers):
            (chosen,) = (levels == number).nonzero(as_tuple=True)
            part = RoIAlign.apply(
                features[number], boxes[chosen], pictures[chosen], layer
            )
            made = made.index_put((chosen,), part)
        return made


class Classifier(nn.Module):
    """What regions show, and where exactly it is.

    Args:
        roi_head: mmdet's ``StandardRoIHead``.
    """

    def __init__(self, roi_head: Any) -> None:
        super().__init__()
        self.features = RegionFeatures(roi_head.bbox_roi_extractor)
        self.head = roi_head.bbox_head
        self.settings = roi_head.test_cfg

    def forward(
        self, features: Sequence[Tensor], regions: Boxes, size: Any
    ) -> Boxes:
        """(B, C, H_i, W_i), ..., regions -> M objects of each picture.

        Args:
            features: Of the neck.
            regions: Boxes that may be of objects.
            size: Height and width of the pictures.
        """
        where = regions.where()
        anchors, classes = regions.corners[where], self.head.num_classes
        logits, deltas = self.head(self.features(features, anchors, where[0]))
        corners = decode(
            anchors[:, None],
            deltas.reshape(deltas.shape[0], -1, 4),
            self.head.bbox_coder,
            size,
        )
        labels = torch.arange(classes).expand(*regions.groups.shape, -1)
        scores = torch.full_like(labels, NO_SCORE, dtype=logits.dtype)
        places = torch.zeros_like(scores)[..., None].expand(-1, -1, -1, 4)
        found = Boxes(
            places.index_put(where, corners.expand(-1, classes, -1)),
            scores.index_put(where, logits.softmax(1)[:, :-1]),
            labels,
        )
        return suppress(
            Boxes(*(each.flatten(1, 2) for each in found)), self.settings
        )


class Masks(nn.Module):
    """Masks of objects.

    Args:
        roi_head: mmdet's ``StandardRoIHead``, with masks.
    """

    def __init__(self, roi_head: Any) -> None:
        super().__init__()
        self.features = RegionFeatures(roi_head.mask_roi_extractor)
        self.head = roi_head.mask_head

    def forward(self, features: Sequence[Tensor], found: Boxes) -> Tensor:
        """(B, C, H_i, W_i), ..., objects -> (B, M, h, w) from 0 to 1."""
        where = found.where()
        logits = self.head(
            self.features(features, found.corners[where], where[0])
        )
        sides = logits.shape[2:]
        if not self.head.class_agnostic:
            kinds = found.groups[where][:, None, None, None]
            logits = logits.gather(1, kinds.expand(-1, 1, *sides))
        empty = torch.zeros_like(found.scores)[..., None, None]
        return empty.expand(-1, -1, *sides).index_put(
            where, logits[:, 0].sigmoid()
        )
