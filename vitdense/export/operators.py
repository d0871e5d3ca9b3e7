"""Operators that ONNX has, and PyTorch's tracing exporter does not write.

B pictures, N boxes of each, K chosen of all, R regions, C channels. In eager
mode they run as mmcv's operators.
"""

from typing import Any

import torch
from mmcv.ops import nms, roi_align
from torch import Tensor
from torch.autograd import Function


class NonMaxSuppression(Function):
    """``apply(boxes, scores, most, overlap, least)``: (B, N, 4), (B, 1, N) ->
    (K, 3) picture, 0 and place of what is kept.

    ``most`` are kept of a picture, best first. A box is dropped that overlaps
    a better one by more than ``overlap``, or has no score above ``least``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        boxes: Tensor,
        scores: Tensor,
        most: int,
        overlap: float,
        least: float,
    ) -> Tensor:
        found = []
        for picture, (box, score) in enumerate(
            zip(boxes, scores[:, 0], strict=True)
        ):
            (able,) = (score > least).nonzero(as_tuple=True)
            _, kept = nms(box[able], score[able], overlap, max_num=most)
            place = able[kept]
            of = torch.full_like(place, picture)
            found.append(torch.stack([of, torch.zeros_like(of), place], 1))
        return torch.cat(found)

    @staticmethod
    def symbolic(
        g: Any,
        boxes: Any,
        scores: Any,
        most: int,
        overlap: float,
        least: float,
    ) -> Any:
        settings = (torch.tensor([each]) for each in (most, overlap, least))
        constants = [g.op('Constant', value_t=each) for each in settings]
        return g.op('NonMaxSuppression', boxes, scores, *constants)


class RoIAlign(Function):
    """``apply(maps, boxes, pictures, layer)``: (B, C, H, W), (R, 4), (R,) ->
    (R, C, h, w), as ``layer``, a ``RoIAlign`` of mmcv, does it."""

    @staticmethod
    def forward(
        ctx: Any, maps: Tensor, boxes: Tensor, pictures: Tensor, layer: Any
    ) -> Tensor:
        rois = torch.cat([pictures[:, None].to(boxes), boxes], 1)
        made: Tensor = roi_align(
            maps,
            rois,
            layer.output_size,
            layer.spatial_scale,
            layer.sampling_ratio,
            layer.pool_mode,
            layer.aligned,
        )
        return made

    @staticmethod
    def symbolic(
        g: Any, maps: Any, boxes: Any, pictures: Any, layer: Any
    ) -> Any:
        height, width = layer.output_size
        return g.op(
            'RoiAlign',
            maps,
            boxes,
            pictures,
            output_height_i=height,
            output_width_i=width,
            spatial_scale_f=layer.spatial_scale,
            sampling_ratio_i=layer.sampling_ratio,
            mode_s=layer.pool_mode,
            coordinate_transformation_mode_s='half_pixel'
            if layer.aligned
            else 'output_half_pixel',
        )
