"""Everything of this package that configs can name, for the registries.

Detection needs mmdet and segmentation mmseg; what is not installed is left
out. They take seconds to import, so nothing else imports this.
"""

from importlib.util import find_spec

if find_spec('mmcv') is not None:
    from vitdense.datasets import loading as loading
if find_spec('mmdet') is not None:
    from vitdense.datasets import detection as detection
if find_spec('mmseg') is not None:
    from vitdense.datasets import segmentation as segmentation
