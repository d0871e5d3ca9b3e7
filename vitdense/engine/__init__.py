"""What training registers: loops, hooks, optimizers, the run."""

from vitdense.engine.amp import BFloat16OptimWrapper, BFloat16TestLoop
from vitdense.engine.broken_images import BrokenImagesHook
from vitdense.engine.checkpoint_hook import SafeCheckpointHook
from vitdense.engine.compile import CompileBackboneHook
from vitdense.engine.finite import StopOnNonFiniteHook
from vitdense.engine.layer_decay import LayerDecayOptimWrapperConstructor
from vitdense.engine.loops import ResumableEpochLoop, ResumableIterLoop
from vitdense.engine.preemption import PreemptionHook
from vitdense.engine.sharding import FullyShard
from vitdense.engine.tensorboard import (
    ResumableTensorboardHook,
    ResumableTensorboardVisBackend,
)

__all__ = [
    'BFloat16OptimWrapper',
    'BFloat16TestLoop',
    'BrokenImagesHook',
    'CompileBackboneHook',
    'FullyShard',
    'LayerDecayOptimWrapperConstructor',
    'PreemptionHook',
    'ResumableEpochLoop',
    'ResumableIterLoop',
    'ResumableTensorboardHook',
    'ResumableTensorboardVisBackend',
    'SafeCheckpointHook',
    'StopOnNonFiniteHook',
]
