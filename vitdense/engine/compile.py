"""torch.compile for the backbone of a detector or segmenter."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from vitdense.registry import HOOKS


@HOOKS.register_module()
class CompileBackboneHook(Hook):
    """Compiles the backbone before the work starts.

    Compiled once for training and once for evaluation, for all image sizes
    that are multiples of 32; again for a batch of one image, for square
    images if they come first, and, where windows of PVT and T2T-ViT leave
    cells over, for other sizes.

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
        backbone.compile(dynamic=True)
