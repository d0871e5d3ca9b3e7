"""What is known of one run of a model beside its figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ModelRun:
    """One run: a training and the predictions of its checkpoint.

    Several seeds of one model are several runs of the same name, in the order
    in which they were named. Of results of another framework only the name,
    the predictions and the truth are known.

    Attributes:
        name: Of the model, as `Comparison` has it.
        predictions: COCO results, with boxes and masks in one file; of
            segmentation a folder of label PNGs, named as the truth's.
        annotations: The truth: COCO's file, or a folder of label PNGs.
        images: The folder that file names of images begin from (COCO's
            ``file_name``; of segmentation ``<stem of the label PNG>.jpg`` or
            another suffix); None if not known.
        classes: Names of the classes, by label; empty if not known.
        reduce_zero_label: Of segmentation: whether a label PNG, of truth and
            prediction alike, has 0 for what does not count and c + 1 for
            class c; else it has c for class c and 255 for what does not.
        label_maps: Of segmentation: the names of those label PNGs, inside
            either folder, that count; empty for all.
        config: Text of the config, all that it inherits in it.
        work_dir: Of the training, if there was one here.
        checkpoint: Whose predictions these are.
        sha256: Hexadecimal digest of the checkpoint.
        versions: Of Python, PyTorch and the libraries, by name.
        curves: Step (iterations done), name and value of what was logged in
            training, such as ``(600, 'loss', 0.7)`` or
            ``(600, 'coco/bbox_mAP', 0.31)``; by step.
    """

    name: str
    predictions: Path
    annotations: Path
    images: Path | None = None
    classes: tuple[str, ...] = ()
    reduce_zero_label: bool = False
    label_maps: tuple[str, ...] = ()
    config: str = ''
    work_dir: Path | None = None
    checkpoint: Path | None = None
    sha256: str = ''
    versions: Mapping[str, str] = field(default_factory=dict)
    curves: tuple[tuple[int, str, float], ...] = ()
