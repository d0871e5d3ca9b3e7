"""The generated shapes data set, COCO's figures, and loading of images.

Detection needs mmdet and segmentation mmseg; what is not installed is left
out of the registries.
"""

from importlib.util import find_spec

if find_spec('mmcv') is not None:
    from vitdense.datasets import loading as loading
if find_spec('mmdet') is not None:
    from vitdense.datasets import detection as detection
if find_spec('mmseg') is not None:
    from vitdense.datasets import segmentation as segmentation
