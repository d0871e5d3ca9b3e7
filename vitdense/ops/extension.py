"""The module that stands in for mmcv's compiled one, ``mmcv._ext``.

It has the names and the arguments of mmcv's bindings for what the detectors
and segmentors of this project call. Any other operator can be imported, as
``mmcv.ops`` does with all of them, but says on its first call what to install.
"""

from collections.abc import Callable
from typing import NoReturn

from vitdense.ops.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
)
from vitdense.ops.nms import nms, softnms
from vitdense.ops.roi_align import roi_align_backward, roi_align_forward

__all__ = [
    'get_compiler_version',
    'get_compiling_cuda_version',
    'nms',
    'roi_align_backward',
    'roi_align_forward',
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softnms',
]


def get_compiler_version() -> str:
    """For mmcv's environment report."""
    return 'not compiled'


def get_compiling_cuda_version() -> str:
    """For mmcv's environment report."""
    return 'not compiled'


def __getattr__(name: str) -> Callable[..., NoReturn]:
    """An operator that vitdense has no stand-in for.

    Raises:
        AttributeError: A private name, which Python and its tools probe for.
    """
    if name.startswith('_'):
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

    def missing(*args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError(
            f'mmcv operator {name!r} needs a compiled mmcv. Replace '
            'onedl-mmcv by one built from source with a compiler '
            '(MMCV_WITH_OPS=1 pip install --no-binary onedl-mmcv '
            '--force-reinstall --no-deps onedl-mmcv), or mmcv-lite by mmcv '
            '(pip uninstall mmcv-lite; mim install mmcv). Without one '
            'vitdense provides '
            + ', '.join(op for op in __all__ if not op.startswith('get_'))
        )

    return missing
