"""Whether somebody has attached something to a module.

A module is more than its weights: users register hooks on it, parametrize it
(``torch.nn.utils.parametrize``) or put an adapter in its place (LoRA). A
shortcut past the module may be taken only where nothing of that is there.
"""

from torch import nn
from torch.nn.modules import module as torch_module

_GLOBAL_HOOKS = (
    '_global_forward_hooks',
    '_global_forward_pre_hooks',
    '_global_backward_hooks',
    '_global_backward_pre_hooks',
)
_HOOKS = (
    '_forward_hooks',
    '_forward_pre_hooks',
    '_backward_hooks',
    '_backward_pre_hooks',
)


def hooked(*modules: nn.Module) -> bool:
    """Whether hooks see what goes through any part of the modules, or back."""
    if any(getattr(torch_module, name) for name in _GLOBAL_HOOKS):
        return True
    return any(
        any(getattr(part, name) for name in _HOOKS)
        # those of a parameter would act on each part of its gradient
        or any(p._backward_hooks for p in part.parameters(recurse=False))
        for module in modules
        for part in module.modules()
    )


def untouched(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Whether a module is exactly of one of these kinds, nothing attached.

    Then its weights are all there is to it.
    """
    replaced = 'forward' in vars(module)
    return type(module) in kinds and not replaced and not hooked(module)
