"""mmengine's loop of testing that keeps predictions and scores nothing."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from mmengine.dist import (
    barrier,
    broadcast_object_list,
    get_dist_info,
    is_main_process,
)
from mmengine.runner import TestLoop
from mmengine.runner.amp import autocast
from torch import Tensor
from torch.utils.data import DataLoader

from vitdense.benchmark.accuracy.described import TestData
from vitdense.benchmark.accuracy.kept import Parts, open_parts

# said after each batch, with the number of images
PREDICTED = 'predicted '


class PredictLoop(TestLoop):
    """Predicts what is not kept yet, its share of the processes' work.

    Args:
        runner: The run.
        dataloader: Its data are cut into batches of its size, in order.
        evaluator: Not used.
        path: Where predictions are kept, as `open_parts` takes it.
        data: Of that loader.
        fp16: Whether to predict in mixed precision.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        evaluator: Any,
        path: Path,
        data: TestData,
        fp16: bool = False,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, fp16)
        self.path = path
        self.data = data

    @torch.no_grad()
    def run(self) -> dict[str, float]:
        """Predict; there are no scores."""
        loader = self.dataloader
        size, count = loader.batch_size or 1, len(loader.dataset)
        batches = [
            list(range(start, min(start + size, count)))
            for start in range(0, count, size)
        ]
        maps = self.data.label_maps()
        names = [[maps[i] for i in batch] for batch in batches] if maps else ()
        parts = open_parts(self.path, names)
        parts.folder.mkdir(parents=True, exist_ok=True)
        left, mine = share_batches(parts, len(batches))
        if is_main_process():
            _tell(count - sum(len(batches[number]) for number in left))
        convert: Callable[[Any, Any], Iterator[Any]] = (
            _detections if self.data.is_detection else _label_maps
        )
        self.runner.model.eval()
        read = _loader(loader, [batches[number] for number in mine])
        for number, batch in zip(mine, read, strict=True):
            with autocast(enabled=self.fp16):
                samples = self.runner.model.test_step(batch)
            parts.write(number, convert(samples, loader.dataset))
            _tell(len(batches[number]))
        barrier()
        if is_main_process():
            parts.finish(len(batches))
        return {}


def share_batches(parts: Parts, count: int) -> tuple[list[int], list[int]]:
    """Batches that are left, and those of them that this process predicts.

    The first process says what is left, for all: another one that begins
    later would find batches kept that were shared out already, and so take
    others than it is to.

    Args:
        parts: What is kept.
        count: How many batches there are.
    """
    kept = parts.done()
    agreed = [[n for n in range(count) if n not in kept]]
    broadcast_object_list(agreed)
    (left,) = agreed
    rank, processes = get_dist_info()
    return left, left[rank::processes]


def _tell(images: int) -> None:
    """Count for who has started this; ends it where nobody listens.

    In one piece, as `print` would not: processes share the output.
    """
    sys.stdout.write(f'{PREDICTED}{images}\n')
    sys.stdout.flush()


def _loader(loader: DataLoader[Any], batches: list[list[int]]) -> Any:
    """The same data in other batches."""
    return DataLoader(
        loader.dataset,
        batch_sampler=batches,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        worker_init_fn=loader.worker_init_fn,
    )


def _detections(
    samples: Sequence[Any], dataset: Any
) -> Iterator[dict[str, Any]]:
    """As COCO has results submitted; ``mask_score`` where masks have theirs.

    Boxes and scores are mmdet's single precision to the bit.
    """
    for sample in samples:
        found = sample.pred_instances
        boxes, scores = found.bboxes.tolist(), found.scores.tolist()
        labels = found.labels.tolist()
        masks = _run_lengths(found.masks) if 'masks' in found else None
        for index, (left, top, right, bottom) in enumerate(boxes):
            detection = {
                'image_id': sample.img_id,
                'category_id': dataset.cat_ids[labels[index]],
                'bbox': [left, top, right - left, bottom - top],
                'score': scores[index],
            }
            if masks is not None:
                detection['segmentation'] = masks[index]
            if 'mask_scores' in found:
                detection['mask_score'] = float(found.mask_scores[index])
            yield detection


def _run_lengths(masks: Any) -> list[dict[str, Any]]:
    """Masks ``(N, H, W)`` as COCO's run lengths, which some models give."""
    if isinstance(masks, Tensor):
        from pycocotools.mask import encode

        masks = masks.detach().cpu().numpy().astype(np.uint8)
        masks = [encode(np.asfortranarray(each)) for each in masks]
    return [
        {
            'size': [int(length) for length in each['size']],
            'counts': (
                each['counts'].decode()
                if isinstance(each['counts'], bytes)
                else each['counts']
            ),
        }
        for each in masks
    ]


def _label_maps(
    samples: Sequence[Any], dataset: Any
) -> Iterator[npt.NDArray[np.uint8]]:
    """Labels ``(H, W)`` as the truth's PNGs have them."""
    shift = int(bool(dataset.reduce_zero_label))
    for sample in samples:
        labels = sample.pred_sem_seg.data.squeeze(0).cpu().numpy()
        yield (labels + shift).astype(np.uint8)
