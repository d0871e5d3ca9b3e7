"""Which network is exported of a model."""

from typing import Any

from torch import nn

from vitdense.export.detectors import detector_of
from vitdense.export.networks import Backbone, Segmentor


def network_of(model: Any, task: str, *, backbone: bool) -> nn.Module:
    """What is exported of a model.

    Args:
        model: A detector or segmentor, in evaluation.
        task: ``'detection'`` or ``'segmentation'``.
        backbone: Whether its backbone alone.

    Raises:
        ValueError: If a part cannot be exported, naming it.
    """
    if backbone:
        if not hasattr(model.backbone, 'out_channels'):
            kind = type(model.backbone).__name__
            raise ValueError(
                f'model.backbone.type={kind!r} cannot be exported: it does '
                "not tell its levels, as vitdense's backbones do"
            )
        network: nn.Module = Backbone(model)
    elif task == 'segmentation':
        network = Segmentor(model)
    else:
        network = detector_of(model)
    # the exporter would put the whole model back into training else
    return network.eval()
