"""Stand-ins for mmcv's compiled operators, where mmcv came without them.

Nothing here is called directly: ``mmcv.ops`` finds the stand-ins as
``mmcv._ext`` (see ``vitdense.compat``). A compiled mmcv, when installed, is
used and nothing of this.
"""
