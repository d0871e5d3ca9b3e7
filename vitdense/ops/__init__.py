"""Stand-ins for mmcv's compiled operators, where mmcv came without them.

Nothing here is called directly: ``mmcv.ops`` finds the stand-ins as
``mmcv._ext``. A compiled mmcv, when installed, is used and nothing of this.
"""

from vitdense.ops.finder import install
from vitdense.ops.rebind import rebind_stubs

__all__ = ['install', 'rebind_stubs']
