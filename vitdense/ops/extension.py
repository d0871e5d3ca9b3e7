"""The module that stands in for mmcv's compiled one, ``mmcv._ext``.

It has the names and the arguments of mmcv's bindings for what mmdet's and
mmseg's own configs call: ``docs/operators.md``. Any other operator can be
imported, as ``mmcv.ops`` does with all of them, but says on its first call
what to install.
"""

from collections.abc import Callable
from typing import NoReturn

from vitdense.ops.carafe import carafe_backward, carafe_forward
from vitdense.ops.deform_conv_binding import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from vitdense.ops.deform_roi_pool import (
    deform_roi_pool_backward,
    deform_roi_pool_forward,
)
from vitdense.ops.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
)
from vitdense.ops.masked_conv import (
    masked_col2im_forward,
    masked_im2col_forward,
)
from vitdense.ops.ms_deform_attn import (
    ms_deform_attn_backward,
    ms_deform_attn_forward,
)
from vitdense.ops.nms import nms, nms_match, softnms
from vitdense.ops.psa_mask import psamask_backward, psamask_forward
from vitdense.ops.roi_align import roi_align_backward, roi_align_forward
from vitdense.ops.roi_pool import roi_pool_backward, roi_pool_forward

__all__ = [
    'carafe_backward',
    'carafe_forward',
    'deform_conv_backward_input',
    'deform_conv_backward_parameters',
    'deform_conv_forward',
    'deform_roi_pool_backward',
    'deform_roi_pool_forward',
    'get_compiler_version',
    'get_compiling_cuda_version',
    'masked_col2im_forward',
    'masked_im2col_forward',
    'modulated_deform_conv_backward',
    'modulated_deform_conv_forward',
    'ms_deform_attn_backward',
    'ms_deform_attn_forward',
    'nms',
    'nms_match',
    'psamask_backward',
    'psamask_forward',
    'roi_align_backward',
    'roi_align_forward',
    'roi_pool_backward',
    'roi_pool_forward',
    'sigmoid_focal_loss_backward',
    'sigmoid_focal_loss_forward',
    'softnms',
]

# pip must neither take a wheel that it has (without operators) nor build
# where torch, whose headers the operators need, is not installed.
_COMPILE = (
    'pip install --no-build-isolation --no-cache-dir --force-reinstall '
    '--no-deps --no-binary'
)


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
            f'mmcv operator {name!r} needs a compiled mmcv. With a C++ '
            'compiler and setuptools 77 or newer, in over half an hour: '
            f'`{_COMPILE} onedl-mmcv onedl-mmcv`; or, where mmcv-lite is '
            'installed, `pip uninstall mmcv-lite` and then '
            f'`{_COMPILE} mmcv mmcv==2.1.0`. Without it vitdense provides '
            + ', '.join(op for op in __all__ if not op.startswith('get_'))
        )

    return missing
