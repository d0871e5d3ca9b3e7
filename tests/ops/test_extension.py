"""The stand-in for ``mmcv._ext``: what it offers and what it refuses."""

import sys
import warnings

import pytest
import torch
from mmengine.utils.dl_utils import collect_env

from vitdense.ops import backend as backends


def test_another_operator_says_what_to_install():
    from mmcv.ops import BorderAlign

    with pytest.raises(NotImplementedError) as caught:
        BorderAlign(2)(torch.zeros(1, 8, 4, 4), torch.zeros(1, 16, 4))
    message = str(caught.value)
    assert "'border_align_forward' needs a compiled mmcv" in message
    # tried by hand: another option less, and pip takes a wheel without
    # operators or builds where no torch is
    assert (
        '`pip install --no-build-isolation --no-cache-dir --force-reinstall '
        '--no-deps --no-binary onedl-mmcv onedl-mmcv`'
    ) in message
    assert '--no-deps --no-binary mmcv mmcv==2.1.0`' in message
    assert 'MMCV_WITH_OPS' not in message


def test_private_names_are_absent():
    from mmcv import _ext

    assert not hasattr(_ext, '__path__')
    assert not hasattr(_ext, '_anything')


def test_environment_report():
    from mmcv.ops import get_compiler_version, get_compiling_cuda_version

    assert get_compiler_version() == 'not compiled'
    assert get_compiling_cuda_version() == 'not compiled'
    from mmdet.utils import collect_env as mmdet_env

    assert 'MMDetection' in mmdet_env()
    assert 'Python' in collect_env()


def test_one_warning_without_numba(monkeypatch):
    monkeypatch.setitem(sys.modules, 'vitdense.ops.kernels', None)
    backends.load_kernels.cache_clear()
    try:
        with pytest.warns(UserWarning, match='pip install numba'):
            backends.load_kernels()
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            assert backends.load_kernels() is None
    finally:
        backends.load_kernels.cache_clear()
