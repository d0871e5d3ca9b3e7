"""Runs plain ViTs of timm: ``timm_models.py FILE NAME:HxW ...``.

Saves the state dict and the normed tokens of each, of two blocks, to FILE. A
process of its own, since a stand-in answers for torchvision in it.
"""

import sys
from typing import Any

import torch

import vitdense  # noqa: F401 - first: it stands in for mmcv's operators
from vitdense.benchmark.torchvision_stub import stand_in_for_torchvision


@torch.no_grad()
def main(file: str, *models: str) -> None:
    """Run each and save."""
    stand_in_for_torchvision()
    import timm

    runs = {}
    for each in models:
        name, size = each.split(':')
        model: Any = timm.create_model(name, num_classes=5, depth=2).eval()
        generator = torch.Generator().manual_seed(0)
        for tensor in model.state_dict().values():
            scale = tensor[0].numel() ** -0.5 if tensor.ndim > 1 else 0.3
            tensor.normal_(0, scale, generator=generator)
        generator = torch.Generator().manual_seed(1)
        hw = map(int, size.split('x'))
        x = torch.randn(2, 3, *hw, generator=generator)
        if name.endswith(('dinov3', 'qkvb')):
            model.set_input_size(tuple(x.shape[2:]))
        runs[name] = model.state_dict(), model.forward_features(x)
    torch.save(runs, file)


if __name__ == '__main__':
    main(*sys.argv[1:])
