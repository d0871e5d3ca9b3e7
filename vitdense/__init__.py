"""Hierarchical vision transformers for detection and segmentation.

Importing the package makes the operators of mmcv available without a compiler
(see ``vitdense.ops``), its configs inheritable as ``vitdense::...`` and
mmengine's reading of checkpoints safe (see ``vitdense.checkpoint``).
"""

from vitdense import checkpoint, inherit, ops

__version__ = '0.1.0'

inherit.install()
ops.install()
ops.rebind_stubs()
checkpoint.install()
