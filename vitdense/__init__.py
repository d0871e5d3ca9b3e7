"""Hierarchical vision transformers for detection and segmentation.

Importing the package makes the operators of mmcv available without a compiler
(see ``vitdense.ops``), its configs inheritable as ``vitdense::...`` and
mmengine's reading of checkpoints safe (see ``vitdense.checkpoint``).
"""

from mmengine.config.utils import MODULE2PACKAGE

from vitdense import checkpoint, ops

__version__ = '0.1.0'

MODULE2PACKAGE['vitdense'] = 'vitdense'
ops.install()
ops.rebind_stubs()
checkpoint.install()
