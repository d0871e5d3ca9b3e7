"""torch.compile for the backbone of a detector or segmenter."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from vitdense.registry import HOOKS


@HOOKS.register_module()
class CompileBackboneHook(Hook):
    """Compiles the backbone before the work starts.

    Each image size is compiled for itself when it first comes, in training
    and in evaluation; after ``torch._dynamo.config.recompile_limit`` of them
    (8) others run uncompiled. The backbones trace without graph breaks for
    sizes that are not known, but what Inductor of torch 2.13 makes of
    convolutions on maps of tokens needs the sizes: it fails on timm's PVTv2
    too.

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
