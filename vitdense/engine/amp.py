"""Mixed precision in bfloat16, which a CPU can do too."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.runner import TestLoop
from mmengine.structures import BaseDataElement
from torch import nn

from vitdense.registry import LOOPS, OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Trains under bfloat16 autocast, on any device.

    bfloat16 has float32's range, so the loss needs no scaling. mmengine's
    ``AmpOptimWrapper`` refuses to be built without a GPU.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Run the forward pass of ``model`` under autocast."""
        device = next(model.parameters()).device.type
        autocast = torch.autocast(device, dtype=torch.bfloat16)
        with super().optim_context(model), autocast:
            yield


@LOOPS.register_module()
class BFloat16TestLoop(TestLoop):
    """Tests under bfloat16 autocast, on any device.

    Predictions are float32, as evaluators and files have them. mmengine's
    ``fp16`` is float16 on a GPU, and leaves predictions as they are.
    """

    runner: Any
    evaluator: Any

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Predict on a batch."""
        hook, model = self.runner.call_hook, self.runner.model
        hook('before_test_iter', batch_idx=idx, data_batch=data_batch)
        device = next(model.parameters()).device.type
        with torch.autocast(device, dtype=torch.bfloat16):
            outputs = model.test_step(data_batch)
        for sample in outputs:
            make_float32(sample)
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        hook(
            'after_test_iter',
            batch_idx=idx,
            data_batch=data_batch,
            outputs=outputs,
        )


def make_float32(sample: BaseDataElement) -> None:
    """Replace all that is bfloat16 in a sample, at any depth."""
    for name, value in sample.items():
        if isinstance(value, BaseDataElement):
            make_float32(value)
        elif getattr(value, 'dtype', None) == torch.bfloat16:
            setattr(sample, name, value.float())
