"""Models as they are exported: pictures in, results out, tensors alone.

B pictures of H x W pixels, C classes.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.export.refusals import check_kind, check_type

PICTURES = 'images'


class Normalise(nn.Module):
    """A config's ``data_preprocessor``, as it is when a model is tested.

    Args:
        preprocessor: Of the model.

    Attributes:
        divisor: Height and width are padded to multiples of it, in pixels.

    Raises:
        ValueError: If it does what has no form here, naming it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, preprocessor: Any) -> None:
        super().__init__()
        if getattr(preprocessor, 'test_cfg', None):
            raise ValueError(
                f'model.data_preprocessor.test_cfg={preprocessor.test_cfg}: '
                'padding of a segmentor cannot be exported; leave it out'
            )
        self.swapped = bool(preprocessor._channel_conversion)
        self.normalised = bool(preprocessor._enable_normalize)
        # mmseg's divisor is that of training
        segments = hasattr(preprocessor, 'seg_pad_val')
        self.divisor = 1 if segments else int(preprocessor.pad_size_divisor)
        self.pad_value = float(preprocessor.pad_value)
        if self.normalised:
            self.register_buffer('mean', preprocessor.mean.clone())
            self.register_buffer('std', preprocessor.std.clone())

    def told(self) -> dict[str, Any]:
        """What it does to pictures, for the file: as they come, blue is
        first; means and deviations are of the channels after the swap."""
        return {
            'swaps_channels': self.swapped,
            'mean': self.mean.flatten().tolist() if self.normalised else None,
            'std': self.std.flatten().tolist() if self.normalised else None,
            'pads_to_multiples_of': self.divisor,
            'pad_value': self.pad_value,
        }

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 -> (B, 3, H', W')."""
        images = pictures.permute(0, 3, 1, 2)
        if self.swapped:
            images = images.flip(1)
        images = images.float()
        if self.normalised:
            images = (images - self.mean) / self.std
        if self.divisor == 1:
            return images
        below, right = (
            (self.divisor - side % self.divisor) % self.divisor
            for side in images.shape[2:]
        )
        return F.pad(images, (0, right, 0, below), value=self.pad_value)


class Backbone(nn.Module):
    """A backbone alone.

    Args:
        model: The detector or segmentor that has it.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.normalise = Normalise(model.data_preprocessor)
        self.backbone = model.backbone
        self.outputs = tuple(
            f'level{i}' for i in range(len(model.backbone.out_channels))
        )
        self.axes = {
            name: {0: 'batch', 2: f'{name}_rows', 3: f'{name}_columns'}
            for name in self.outputs
        }

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """(B, H, W, 3) uint8 -> levels (B, C_i, H_i, W_i), finest first."""
        return tuple(self.backbone(self.normalise(pictures)))


class Segmentor(nn.Module):
    """A segmentor of mmseg's ``EncoderDecoder``, that tests pictures whole.

    Args:
        model: The segmentor.

    Raises:
        ValueError: If a part cannot be exported, naming it.
    """

    outputs = ('logits', 'labels')

    def __init__(self, model: Any) -> None:
        super().__init__()
        check_kind(model, 'EncoderDecoder')
        check_type(model, 'decode_head', 'FPNHead', 'UPerHead')
        mode = model.test_cfg.get('mode', 'whole')
        if mode != 'whole':
            raise ValueError(
                f'model.test_cfg.mode={mode!r} cannot be exported: how many '
                "windows there are depends on the picture; choose 'whole'"
            )
        if model.out_channels == 1:
            raise ValueError(
                'model.decode_head.out_channels=1 cannot be exported: a '
                'segmentor of one map has no labels to choose from'
            )
        self.normalise = Normalise(model.data_preprocessor)
        self.model = model
        sides = {1: 'height', 2: 'width'}
        self.axes = {
            'logits': {0: 'batch', 2: 'height', 3: 'width'},
            'labels': {0: 'batch', **sides},
        }

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H, W, 3) uint8 -> (B, C, H, W) logits, (B, H, W) labels."""
        size = pictures.shape[1:3]
        features = self.model.extract_feat(self.normalise(pictures))
        logits = F.interpolate(
            self.model.decode_head(features),
            size,
            mode='bilinear',
            align_corners=self.model.align_corners,
        )
        return logits, logits.argmax(1)


def example(height: int, width: int, batch: int, seed: int = 0) -> Tensor:
    """(B, H, W, 3) uint8: noise, and coarser noise under it.

    Args:
        height: H.
        width: W.
        batch: B.
        seed: Of the noise.
    """
    source = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 4, 4, generator=source)
    fine = torch.rand(batch, 3, height, width, generator=source)
    coarse = F.interpolate(coarse, (height, width), mode='bilinear')
    pictures = (coarse * 0.7 + fine * 0.3) * 255
    return pictures.permute(0, 2, 3, 1).to(torch.uint8).contiguous()
