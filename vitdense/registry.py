"""vitdense's registries: children of mmengine's roots, in scope 'vitdense'.

A config names our parts by scope (``type='vitdense.PVT'``). mmengine imports
the package a scope names, so no ``custom_imports`` is needed; ``locations``
keeps that import cheap, because a module is loaded when first looked up.
"""

from typing import Any

from mmengine import registry as roots
from mmengine.registry import Registry

from vitdense.compat.mmengine_default_scope import innermost_scope_but

SCOPE = 'vitdense'


class ScopedRegistry(Registry):
    """A registry that leaves names which are not its own to the config's.

    All that a config inherits as ``vitdense::...`` is built in our scope, the
    classes of mmdet and mmseg too. Their plain names mean what they mean
    in the config's ``default_scope``, as they do without inheritance.
    """

    def get(self, key: str) -> Any:
        """The class of that name, from here or from the default scope."""
        self.import_from_location()
        scope = innermost_scope_but(SCOPE)
        if '.' in key or key in self.module_dict or scope is None:
            return super().get(key)
        with self.switch_scope_and_registry(scope) as registry:
            if registry is not self:
                return registry.get(key)
        return super().get(key)


def _child(root: Registry, *locations: str) -> ScopedRegistry:
    return ScopedRegistry(
        root.name,
        parent=root,
        scope=SCOPE,
        locations=list(locations or [SCOPE]),
    )


MODELS = _child(roots.MODELS, 'vitdense.backbones', 'vitdense.necks')
DATASETS = _child(roots.DATASETS, 'vitdense.datasets.registered')
HOOKS = _child(roots.HOOKS, 'vitdense.engine')
METRICS = _child(roots.METRICS, 'vitdense.datasets.registered')
LOOPS = _child(roots.LOOPS, 'vitdense.engine')
MODEL_WRAPPERS = _child(roots.MODEL_WRAPPERS, 'vitdense.engine')
OPTIM_WRAPPERS = _child(roots.OPTIM_WRAPPERS, 'vitdense.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    roots.OPTIM_WRAPPER_CONSTRUCTORS, 'vitdense.engine'
)
VISBACKENDS = _child(roots.VISBACKENDS, 'vitdense.engine')
TRANSFORMS = _child(roots.TRANSFORMS, 'vitdense.datasets.registered')

# No parts of ours yet, but names to find for inherited configs.
for _root in (
    roots.DATA_SAMPLERS,
    roots.EVALUATOR,
    roots.LOG_PROCESSORS,
    roots.OPTIMIZERS,
    roots.PARAM_SCHEDULERS,
    roots.TASK_UTILS,
    roots.VISUALIZERS,
    roots.WEIGHT_INITIALIZERS,
):
    _child(_root)
