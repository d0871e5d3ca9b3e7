"""vitdense's registries: children of mmengine's roots, in scope 'vitdense'.

A config names our parts by scope (``type='vitdense.PVT'``). mmengine imports
the package a scope names, so no ``custom_imports`` is needed; ``locations``
keeps that import cheap, because a module is loaded when first looked up.
"""

from mmengine.registry import DATASETS as ROOT_DATASETS
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import METRICS as ROOT_METRICS
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import OPTIM_WRAPPERS as ROOT_OPTIM_WRAPPERS
from mmengine.registry import Registry

MODELS = Registry(
    'model',
    parent=ROOT_MODELS,
    scope='vitdense',
    locations=['vitdense.backbones'],
)
DATASETS = Registry(
    'dataset',
    parent=ROOT_DATASETS,
    scope='vitdense',
    locations=['vitdense.datasets'],
)
HOOKS = Registry(
    'hook',
    parent=ROOT_HOOKS,
    scope='vitdense',
    locations=['vitdense.engine'],
)
METRICS = Registry(
    'metric',
    parent=ROOT_METRICS,
    scope='vitdense',
    locations=['vitdense.datasets'],
)
OPTIM_WRAPPERS = Registry(
    'optim_wrapper',
    parent=ROOT_OPTIM_WRAPPERS,
    scope='vitdense',
    locations=['vitdense.engine'],
)
