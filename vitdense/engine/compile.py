"""torch.compile for the backbone of a detector or segmenter."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from vitdense.registry import HOOKS


@HOOKS.register_module()
class CompileBackboneHook(Hook):
    """Compiles the backbone before the work starts.

    Each image size is compiled for itself when it first comes, for training
    and for evaluation. PyTorch keeps up to
    ``torch._dynamo.config.recompile_limit`` of these (8) and runs what comes
    after them uncompiled: use few sizes. The backbones trace without graph
    breaks at symbolic sizes too, but Inductor of torch 2.13 fails on them,
    as it does on those of timm's PVTv2.

    Only the backbone: heads choose boxes by their scores, which no compiler
    follows. Names in checkpoints stay as they are.
    """

    priority = 'VERY_LOW'

    def before_run(self, runner: Runner) -> None:
        """Compile in place.

        Raises:
            ValueError: If the model has no backbone.
        """
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        # a model for test-time augmentation wraps the one it repeats
        model = getattr(model, 'module', model)
        backbone = getattr(model, 'backbone', None)
        if backbone is None:
            raise ValueError(
                f'--compile: {type(model).__name__} has no backbone'
            )
        backbone.compile(dynamic=False)
