"""A trained model as a function of pictures."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby, islice, starmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from torch import Tensor

from vitdense.datasets.loading import BrokenImageError
from vitdense.predict.building import (
    build_pipeline,
    load_model,
    test_data,
    usable_device,
)
from vitdense.predict.exported import is_exported
from vitdense.predict.exported_model import ExportedModel, load_exported
from vitdense.predict.fitness import (
    check_array,
    coarsest_stride,
    things_of,
    too_small,
)
from vitdense.predict.outputs import to_result
from vitdense.predict.results import Result
from vitdense.predict.tiling import Tiling
from vitdense.preflight.classes import check_num_classes
from vitdense.preflight.cli import nothing_shown
from vitdense.preflight.config import load_config
from vitdense.preflight.fine_tuning import classes_held
from vitdense.preflight.model import check_exists, read_checkpoint
from vitdense.preflight.options import CommonOptions

# by the library that a config is written for
TASKS = {'mmdet': 'detection', 'mmseg': 'segmentation'}
Pixels = npt.NDArray[np.uint8]
Picture = str | Path | Pixels


class Predictor:
    """Runs a trained detector or segmentor on pictures.

    Pictures go through the config's own test pipeline, and results are in
    pixels of the pictures as they were given.

    Args:
        config: A config file, or the one that a training left in its work
            folder.
        checkpoint: What it trained; a folder of parts too, and a file that
            tools/export.py has made of it.
        device: Such as ``'cpu'`` or ``'cuda:1'``; None takes a GPU if there
            is one, but for exported files.
        batch_size: How many pictures go through the model at once. Those of
            a batch are padded to one size by a detector; a segmentor, and an
            exported file, takes those of one size at once.
        amp: Whether to predict in bfloat16.
        cfg_options: Settings that replace the config's, by dotted key.
        tile: Height and width of the tiles, in pixels, that larger pictures
            are cut into; None leaves all whole. See `Tiling`.
        overlap: Of neighbouring tiles, in parts of a tile.

    Attributes:
        classes: Names of the model's classes.
        task: ``'detection'``, ``'segmentation'`` or ``'panoptic'``.
        num_things: How many of the classes are of things, of a panoptic
            model; else None.
        config: The config, with the options in it.
        device: Where the model is.
        model: The detector or segmentor, in evaluation.

    Raises:
        ValueError, TypeError, LookupError, OSError: If anything cannot be
            used, naming it.

    Example:
        >>> predict = vitdense.Predictor('config.py', 'epoch_12.pth')
        >>> for found in predict(['a.jpg', 'b.jpg']):
        ...     print(found.names, found.boxes, found.scores)
    """

    def __init__(
        self,
        config: str | Path,
        checkpoint: str | Path,
        *,
        device: str | None = None,
        batch_size: int = 1,
        amp: bool = False,
        cfg_options: Mapping[str, Any] | None = None,
        tile: int | None = None,
        overlap: float = 0.2,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f'batch_size={batch_size} is not positive')
        if device is None and is_exported(checkpoint):
            device = 'cpu'
        self.device = usable_device(device, amp)
        self._batch_size, self._amp = batch_size, amp
        options = CommonOptions(
            config=str(config), cfg_options=cfg_options or {}
        )
        # what a program around this has as its scope stays so
        with nothing_shown(), DefaultScope.overwrite_default_scope('mmengine'):
            self.config = cfg = load_config(options)
            self.task = TASKS[cfg.default_scope]
            check_exists(str(checkpoint))
            pipeline, told = test_data(cfg)
            if is_exported(checkpoint):
                self.model, self.classes = self._exported(str(checkpoint))
            else:
                self.model, self.classes = self._trained(
                    str(checkpoint), str(config), told
                )
            self.num_things = things_of(self.model)
            if self.num_things is not None:
                self.task = 'panoptic'
            self._tiling = None
            self._faults: dict[tuple[int, ...], str] = {}
            if tile is not None:
                if self.task == 'panoptic':
                    raise ValueError(
                        f'tile={tile}: segments of a panoptic model cannot be '
                        'merged; cfg_options model.test_cfg.panoptic_on=False '
                        'gives objects, where the model has both'
                    )
                coarsest = coarsest_stride(self.model)
                self._tiling = Tiling(tile, overlap, coarsest)
            self._load, self._transform = build_pipeline(pipeline)
            self._to_float32 = bool(pipeline[0].get('to_float32'))

    def _trained(
        self, checkpoint: str, config: str, told: tuple[str, ...]
    ) -> tuple[Any, tuple[str, ...]]:
        """The model of a checkpoint, and its classes."""
        content = read_checkpoint(checkpoint)
        classes = tuple(classes_held(checkpoint, content, None) or told)
        if not classes:
            raise ValueError(
                f'neither {checkpoint!r} nor the test data of {config!r} '
                'name the classes'
            )
        check_num_classes(self.config.model, classes, checkpoint)
        model = load_model(self.config, checkpoint, content, self.device)
        return model, classes

    def _exported(self, path: str) -> tuple[Any, tuple[str, ...]]:
        """The same of an exported file."""
        if self._amp or self.device.type != 'cpu':
            raise ValueError(
                f'{path!r} runs on the CPU in float32; device='
                f'{str(self.device)!r} and amp={self._amp} cannot be had'
            )
        return load_exported(path, self.config, self.task)

    def __call__(self, pictures: Picture | Iterable[Picture]) -> list[Result]:
        """Predict on a picture or several.

        Args:
            pictures: Paths, or ``(H, W, 3)`` uint8 arrays, blue first, as
                OpenCV reads them.

        Returns:
            What is found, a result for each picture: `Detections` of a
            detector, `LabelMap` of a segmentor, `Segments` of a panoptic
            model.

        Raises:
            BrokenImageError: If a file is missing, incomplete or no image.
            ValueError: If an array is no picture, naming which.
        """
        if isinstance(pictures, str | Path | np.ndarray):
            pictures = [pictures]
        return list(self.predict(pictures))

    def predict(self, pictures: Iterable[Picture]) -> Iterator[Result]:
        """The same, as they are made: a batch is read when it is due."""
        read = map(self._pixels, enumerate(pictures))
        if self._tiling is None:
            return self._predict(read)
        return self._tiling.predict(self._predict, read)

    def _predict(self, pictures: Iterable[Pixels]) -> Iterator[Result]:
        inputs = starmap(self._prepare, enumerate(pictures))
        while batch := list(islice(inputs, self._batch_size)):
            for group in self._stackable(batch):
                with torch.no_grad(), self._autocast():
                    samples = self.model.test_step(pseudo_collate(group))
                for each in samples:
                    yield to_result(each, self.classes, self.num_things)

    def _stackable(self, batch: list[Any]) -> list[list[Any]]:
        """What goes through the model at once: mmdet pads to one size, mmseg
        refuses several when it tests, and exported files take one."""
        exported = isinstance(self.model, ExportedModel)
        if self.task != 'segmentation' and not exported:
            return [batch]
        by_size = groupby(batch, lambda each: each['inputs'].shape)
        return [list(group) for _, group in by_size]

    def read(self, path: str | Path) -> Pixels:
        """Read a picture as the config's test pipeline does.

        Args:
            path: Of the file.

        Returns:
            ``(H, W, 3)``, blue first, to be predicted on.

        Raises:
            BrokenImageError: If it is missing, incomplete, no image or too
                small for the model.
        """
        picture = np.asarray(self._load({'img_path': str(path)})['img'])
        self.check(picture, path)
        return picture

    def check(self, picture: Pixels, path: str | Path) -> None:
        """See that a picture is not too small for the model.

        Args:
            picture: ``(H, W, 3)``.
            path: Where it is from.

        Raises:
            BrokenImageError: If it is.
        """
        if fault := self._fault(picture):
            raise BrokenImageError(f'{path}: {fault}')

    def given(self, picture: Pixels) -> tuple[Tensor, tuple[int, int]]:
        """What the model is given of a picture.

        Args:
            picture: As `read` gives it.

        Returns:
            ``(1, 3, H, W)``, normalised and padded; and rows and columns of
            the picture in it, from the upper left on.
        """
        batch = pseudo_collate([self._prepare(0, picture)])
        made = self.model.data_preprocessor(batch, training=False)
        (sample,) = made['data_samples']
        return made['inputs'], tuple(sample.img_shape[:2])

    def _pixels(self, numbered: tuple[int, Picture]) -> Pixels:
        number, picture = numbered
        if not isinstance(picture, np.ndarray):
            return self.read(picture)
        check_array(number, picture)
        if fault := self._fault(picture):
            raise ValueError(f'picture {number}: {fault}')
        return picture

    def _fault(self, picture: Pixels) -> str:
        """Why it is too small for the model; empty if it is not."""
        parts = [picture]
        if self._tiling is not None:
            parts = self._tiling.parts(picture)[:2]  # tiles are of one size
        return next(filter(None, map(self._too_small, parts)), '')

    def _too_small(self, picture: Pixels) -> str:
        # what pipeline and padding make of a size is the same for all of it
        size = picture.shape[:2]
        if size not in self._faults:
            self._faults[size] = too_small(
                self.model, lambda: self._prepare(0, picture), size
            )
        return self._faults[size]

    def _autocast(self) -> AbstractContextManager[Any]:
        if not self._amp:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _prepare(self, number: int, picture: Pixels) -> Any:
        """A picture as the model's input."""
        return self._transform(
            {
                'img': picture.astype(np.float32)
                if self._to_float32
                else picture,
                'img_id': number,
                'img_path': None,
                'img_shape': picture.shape[:2],
                'ori_shape': picture.shape[:2],
            }
        )
