"""What a worker runs: a backbone or the training step of a detector."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from vitdense.benchmark.build import (
    build_backbone,
    build_detector,
    outputs_of,
    plain_form,
)
from vitdense.benchmark.cost.flops import count_flops
from vitdense.benchmark.cost.settings import Settings
from vitdense.benchmark.names import parse_backbone, parse_detector

BOXES_PER_IMAGE = 8  # of a detector's step; COCO has 7.3 on average


class Workload(ABC):
    """A model and its input on a device.

    Args:
        model: Is moved to the device.
        settings: How it is run.
    """

    def __init__(self, model: nn.Module, settings: Settings) -> None:
        self.settings = settings
        self.device = torch.device(settings.device)
        self.model = model.to(self.device)
        if settings.compiled:
            self.backbone().compile(dynamic=False)
        size = (settings.height, settings.width)
        self.images = torch.randn(settings.batch, 3, *size, device=self.device)

    def autocast(self) -> torch.autocast:
        """Autocast to the dtype asked for; switched off in float32."""
        dtype = getattr(torch, self.settings.dtype)
        return torch.autocast(
            self.device.type,
            None if dtype is torch.float32 else dtype,
            enabled=dtype is not torch.float32,
        )

    def parameters(self) -> int:
        """Learned values."""
        return sum(p.numel() for p in self.model.parameters())

    def backbone(self) -> nn.Module:
        """The part that ``torch.compile`` is applied to."""
        return self.model

    @abstractmethod
    def forward(self) -> None:
        """One forward pass, without gradients, in eval mode."""

    @abstractmethod
    def forward_backward(self) -> None:
        """One forward and backward pass in training mode."""


class BackboneWorkload(Workload):
    """Random images through a backbone; gradients of ones at each output.

    Args:
        name: As ``names.parse_backbone`` reads it.
        settings: How it is run.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self.spec = parse_backbone(name)
        super().__init__(build_backbone(self.spec), settings)

    def forward(self) -> None:
        with torch.no_grad(), self.autocast():
            self.model(self.images)

    def forward_backward(self) -> None:
        self.model.zero_grad(set_to_none=True)
        with self.autocast():
            outputs = outputs_of(self.model(self.images))
        outputs = tuple(t for t in outputs if t.requires_grad)
        torch.autograd.backward(
            outputs, tuple(torch.ones_like(t) for t in outputs)
        )

    def macs(self) -> float:
        """Multiply-accumulates of a forward pass of the whole batch."""
        size = (self.settings.height, self.settings.width)
        return count_flops(self.model, size, self.settings.batch).macs

    def deviation(self) -> float | None:
        """Largest difference from the plain form, over the deviation.

        In float32, over all levels, with the same newly drawn weights. None
        if the backbone has no plain form.
        """
        plain = plain_form(self.model)
        if plain is None:
            return None
        # here: what is imported is part of the memory of every other row
        from vitdense.reference.plain_backbone import draw_weights

        draw_weights(self.model)
        self.model.eval()
        with torch.no_grad(), _full_float32():
            ours = self.model(self.images)
            # one by one: the plain form keeps whole maps of attention
            images = [plain(image) for image in self.images.split(1)]
            expected = [torch.cat(maps) for maps in zip(*images, strict=True)]
            return max(
                ((level - other).abs().max() / other.std()).item()
                for level, other in zip(ours, expected, strict=True)
            )


class StepWorkload(Workload):
    """Random images, boxes and masks through a detector's losses.

    Args:
        name: As ``names.parse_detector`` reads it.
        settings: How it is run.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        super().__init__(build_detector(parse_detector(name)), settings)
        self.samples = [self._sample() for _ in range(settings.batch)]

    def backbone(self) -> nn.Module:
        # alone, as tools/train.py --compile does: heads choose by scores
        return self.model.backbone  # type: ignore[return-value]

    def forward(self) -> None:
        raise ValueError('a training step has no pass without gradients')

    def forward_backward(self) -> None:
        self.model.zero_grad(set_to_none=True)
        with self.autocast():
            losses = self.model(self.images, self.samples, mode='loss')
        total, _ = self.model.parse_losses(losses)  # type: ignore[operator]
        total.backward()

    def _sample(self) -> Any:
        """An image's boxes of a tenth to a half of its sides, and masks."""
        import numpy as np
        from mmdet.structures import DetDataSample
        from mmdet.structures.mask import BitmapMasks
        from mmengine.structures import InstanceData

        height, width = hw = self.settings.height, self.settings.width
        boxes = _random_boxes(BOXES_PER_IMAGE, height, width)
        masks = np.zeros((BOXES_PER_IMAGE, height, width), np.uint8)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes.int(), strict=True):
            mask[y1:y2, x1:x2] = 1
        instances = InstanceData(
            bboxes=boxes.to(self.device),
            labels=torch.zeros(len(boxes), dtype=torch.long).to(self.device),
            masks=BitmapMasks(masks, height, width),
        )
        sample = DetDataSample(gt_instances=instances)
        sample.set_metainfo(
            dict(
                img_shape=hw,
                ori_shape=hw,
                pad_shape=hw,
                batch_input_shape=hw,
                scale_factor=(1.0, 1.0),
            )
        )
        return sample


@contextlib.contextmanager
def _full_float32() -> Iterator[None]:
    """Without TF32, which on CUDA rounds float32 to 10 bits."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    try:
        products.allow_tf32 = convolutions.allow_tf32 = False
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def _random_boxes(number: int, height: int, width: int) -> Tensor:
    """(number, 4) boxes x1, y1, x2, y2 inside an image, in pixels."""
    image = torch.tensor([width, height])
    sides = (0.1 + 0.4 * torch.rand(number, 2)) * image
    corners = torch.rand(number, 2) * (image - sides)
    return torch.cat((corners, corners + sides), 1)


WORKLOADS: dict[str, type[BackboneWorkload] | type[StepWorkload]] = {
    'backbone': BackboneWorkload,
    'step': StepWorkload,
}
