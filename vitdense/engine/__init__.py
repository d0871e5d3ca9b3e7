"""What training registers: mixed precision, compiled backbones, the run."""

from vitdense.engine.amp import BFloat16OptimWrapper
from vitdense.engine.broken_images import BrokenImagesHook
from vitdense.engine.compile import CompileBackboneHook
from vitdense.engine.finite import StopOnNonFiniteHook

__all__ = [
    'BFloat16OptimWrapper',
    'BrokenImagesHook',
    'CompileBackboneHook',
    'StopOnNonFiniteHook',
]
