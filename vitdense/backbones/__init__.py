"""The backbones: a folder for each family, found by being here.

Importing this package imports every family, which registers its class in
``vitdense.registry.MODELS``.
"""

from importlib import import_module
from pkgutil import iter_modules

for _entry in iter_modules(__path__):
    if _entry.ispkg:
        _family = import_module(f'{__name__}.{_entry.name}')
        globals().update({n: getattr(_family, n) for n in _family.__all__})
