"""Data sets for mmseg."""

from typing import Any, ClassVar

from mmseg.datasets import BaseSegDataset

from vitdense.datasets.shapes import CLASSES, PALETTE, ensure_shapes
from vitdense.registry import DATASETS


@DATASETS.register_module()
class ShapesSegments(BaseSegDataset):
    """Label maps of the generated shapes, made at first use.

    As in ADE20K, labels begin at 1; here 1 is the ground, so use it with
    ``reduce_zero_label=True``.
    """

    METAINFO: ClassVar = {
        'classes': ('ground', *CLASSES),
        'palette': [(60, 60, 60), *PALETTE],
    }

    def prepare(self) -> None:
        """Make the data set if it is absent."""
        ensure_shapes(self.data_root)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Make the data set if it is absent, then list it."""
        self.prepare()
        data_list: list[dict[str, Any]] = super().load_data_list()
        return data_list
