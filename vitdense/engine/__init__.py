"""Training and testing: settings, their checks, mixed precision, loading."""

from vitdense.engine.amp import BFloat16OptimWrapper
from vitdense.engine.compile import CompileBackboneHook

__all__ = ['BFloat16OptimWrapper', 'CompileBackboneHook']
