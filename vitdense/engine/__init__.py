"""What training registers: mixed precision, compiled backbones, the run."""

from vitdense.engine.amp import BFloat16OptimWrapper
from vitdense.engine.compile import CompileBackboneHook

__all__ = ['BFloat16OptimWrapper', 'CompileBackboneHook']
