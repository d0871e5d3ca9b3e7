"""What a model is given of a data set: pictures and labels as pixels."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import set_random_seed

from vitdense.predict.results import Detections, LabelMap, Result
from vitdense.preflight.cli import named
from vitdense.preflight.config import leaf_datasets, type_name
from vitdense.preflight.data import check_files, check_folders, open_sources
from vitdense.preflight.safeguards import set_whole_images

Pixels = npt.NDArray[np.uint8]
# where no class is; drawn as one more
NO_CLASS = 'no class'


class Given(NamedTuple):
    """A picture as the model is given it.

    Attributes:
        path: Of the file that it was made of.
        pixels: ``(H, W, 3)``, blue first; normalisation is undone.
        labels: Of that picture. Scores are NaN: nobody has given any.
    """

    path: str
    pixels: Pixels
    labels: Result


def read_given(
    cfg: Config, split: str, count: int, seed: int
) -> Iterator[Given]:
    """Pass pictures through the pipeline and the data preprocessor.

    Which pictures, and what is drawn at random in the making of each, depend
    on the seed alone: a larger count adds pictures to the same first ones.

    Args:
        cfg: Of mmdet or mmseg; is changed.
        split: ``'train'``, ``'val'`` or ``'test'``.
        count: How many pictures; as many as there are, at most.
        seed: Not negative.

    Raises:
        ValueError: If the config has no such data, or what is made of it is
            no picture with objects or a label map.
        FileNotFoundError: If a file or folder is not there.
    """
    place = f'{split}_dataloader'
    leaves = leaf_datasets(cfg, split)
    if not leaves:
        raise ValueError(f'the config has no {place}.dataset')
    sources = open_sources(cfg, [split])
    check_folders(sources)
    check_files(cfg, [split], sources)
    if split == 'train':
        set_whole_images(cfg)
    else:
        for settings in leaves.values():
            _read_labels_first(settings)
    settings = cfg.model.get('data_preprocessor') or cfg.get(
        'data_preprocessor'
    )
    if settings is None:
        raise ValueError('the config has no model.data_preprocessor')
    with named('model.data_preprocessor'):
        preprocessor: Any = MODELS.build(settings)
    with named(f'{place}.dataset'):
        dataset = DATASETS.build(cfg[place].dataset)
    classes = tuple(dataset.metainfo['classes'])
    order = np.random.default_rng(seed).permutation(len(dataset))[:count]
    for number, index in enumerate(order.tolist()):
        set_random_seed(seed + number)
        with named(f'{place}.dataset: picture {index}'), torch.no_grad():
            batch = pseudo_collate([dataset[index]])
            made = preprocessor(batch, training=split == 'train')
            pixels = _pixels(made['inputs'], preprocessor, settings)
            (sample,) = made['data_samples']
            labels = _labels(sample, pixels, classes)
        yield Given(sample.img_path, pixels, labels)


def _read_labels_first(settings: Any) -> None:
    """Read labels before the picture is resized, so that they lie over it.

    Pipelines of evaluation read them later: scores are taken in the sizes of
    the files.
    """
    steps = list(settings.get('pipeline') or ())
    labels = [step for step in steps if 'Annotations' in type_name(step.type)]
    others = [step for step in steps if step not in labels]
    settings.pipeline = [*others[:1], *labels, *others[1:]]


def _pixels(
    inputs: Any, preprocessor: torch.nn.Module, settings: Mapping[str, Any]
) -> Pixels:
    """A batch of one picture ``(1, 3, H, W)`` as it was before it was
    normalised."""
    if (
        not isinstance(inputs, torch.Tensor)
        or inputs.ndim != 4
        or inputs.shape[:2] != (1, 3)
    ):
        shape = tuple(getattr(inputs, 'shape', ()))
        raise ValueError(
            f'the data preprocessor gives {type(inputs).__name__} {shape}; '
            'a tensor (1, 3, H, W) can be shown'
        )
    picture = inputs[0].float()
    norm = dict(preprocessor.named_buffers())
    if 'mean' in norm and 'std' in norm:
        picture = picture * norm['std'] + norm['mean']
    if settings.get('bgr_to_rgb'):
        picture = picture.flip(0)
    whole = picture.round().clamp(0, 255).byte().permute(1, 2, 0)
    return np.ascontiguousarray(whole.cpu().numpy())


def _labels(sample: Any, pixels: Pixels, classes: tuple[str, ...]) -> Result:
    height, width = pixels.shape[:2]
    if 'gt_sem_seg' in sample:
        found = sample.gt_sem_seg.data.squeeze(0).cpu().numpy()
        labels = np.full((height, width), len(classes), np.int64)
        found = found[:height, :width]
        # no class has the number that is ignored
        labels[: found.shape[0], : found.shape[1]] = np.where(
            found < len(classes), found, len(classes)
        )
        return LabelMap(labels, (*classes, NO_CLASS))
    if 'gt_instances' not in sample:
        raise ValueError(
            f'it has {sorted(sample.keys())}; choose a pipeline that gives '
            "any of ['gt_instances', 'gt_sem_seg']"
        )
    found = sample.gt_instances
    if 'bboxes' not in found:
        raise ValueError('its pipeline reads no boxes; add LoadAnnotations')
    boxes = getattr(found.bboxes, 'tensor', found.bboxes)
    masks = None
    if 'masks' in found:
        masks = np.zeros((len(found), height, width), np.bool_)
        made = np.asarray(found.masks.to_ndarray(), np.bool_)
        made = made[:, :height, :width]
        masks[:, : made.shape[1], : made.shape[2]] = made
    return Detections(
        boxes.float().cpu().numpy(),
        np.full(len(found), np.nan, np.float32),
        found.labels.cpu().numpy().astype(np.int64),
        masks,
        classes,
    )
