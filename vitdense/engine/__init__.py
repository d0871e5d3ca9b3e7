"""Training and testing: settings, their checks, mixed precision, loading."""

from vitdense.engine.amp import BFloat16OptimWrapper

__all__ = ['BFloat16OptimWrapper']
