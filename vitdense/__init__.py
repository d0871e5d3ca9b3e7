"""Hierarchical vision transformers for detection and segmentation.

Importing the package makes the operators of mmcv available without a compiler,
its configs inheritable as ``vitdense::...`` and mmengine's reading of
checkpoints safe; ``vitdense.compat`` has the list. The backbones are here by
name: ``vitdense.PVT('v2-b2')``.
"""

from typing import TYPE_CHECKING, Any

from vitdense import checkpoint as checkpoint
from vitdense import compat

if TYPE_CHECKING:
    from vitdense.backbones.cvt import CvT
    from vitdense.backbones.of_timm import Timm
    from vitdense.backbones.pvt import PVT
    from vitdense.backbones.t2t import T2TViT
    from vitdense.backbones.vit import ViT
    from vitdense.necks import (
        BatchNormNeck,
        NormedPooling,
        SimpleFeaturePyramid,
    )
    from vitdense.predict.predictor import Predictor

__version__ = '0.1.0'
__all__ = [
    'PVT',
    'BatchNormNeck',
    'CvT',
    'NormedPooling',
    'Predictor',
    'SimpleFeaturePyramid',
    'T2TViT',
    'Timm',
    'ViT',
]


def __getattr__(name: str) -> Any:
    # not imported at once, as they need torch and mmengine's models
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    if name == 'Predictor':
        from vitdense.predict import predictor

        return predictor.Predictor
    from vitdense import backbones, necks

    return getattr(necks if name in necks.__all__ else backbones, name)


compat.install()
