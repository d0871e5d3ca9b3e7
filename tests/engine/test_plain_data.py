"""Batches as plain data, and back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData, PixelData
from mmseg.structures import SegDataSample

from vitdense.checkpoint.reading.safe import read_file
from vitdense.engine.plain_data import from_plain, to_plain


def through_a_file(value: Any, path: Path) -> Any:
    torch.save(to_plain(value), path)
    return from_plain(read_file(path))


def detection(masks: Any) -> DetDataSample:
    count = len(masks)
    sample = DetDataSample(
        metainfo={
            'img_id': 7,
            'img_path': Path('a.jpg'),
            'scale_factor': (0.5, np.float64(0.5)),
            'homography_matrix': np.eye(3, dtype=np.float32),
            'flip_direction': None,
        }
    )
    sample.gt_instances = InstanceData(
        bboxes=HorizontalBoxes(torch.rand(count, 4)),
        labels=torch.arange(count),
        masks=masks,
    )
    return sample


@pytest.mark.parametrize('count', [0, 2])
def test_masks(tmp_path: Path, count: int) -> None:
    before = detection(BitmapMasks(np.ones((count, 3, 4), np.uint8), 3, 4))
    after = through_a_file(before, tmp_path / 'a.pth')
    assert isinstance(after, DetDataSample)
    assert after.metainfo['img_path'] == 'a.jpg'
    assert after.metainfo['scale_factor'] == (0.5, 0.5)
    assert isinstance(after.gt_instances.bboxes, HorizontalBoxes)
    assert torch.equal(
        after.gt_instances.bboxes.tensor, before.gt_instances.bboxes.tensor
    )
    masks = after.gt_instances.masks
    assert isinstance(masks, BitmapMasks)
    assert masks.masks.dtype == np.uint8
    np.testing.assert_array_equal(masks.masks, before.gt_instances.masks.masks)


def test_polygons_and_label_maps(tmp_path: Path) -> None:
    polygons = PolygonMasks([[np.array([0.0, 0, 3, 0, 3, 3])]], 4, 4)
    segments = SegDataSample(
        gt_sem_seg=PixelData(data=torch.randint(0, 9, (1, 4, 4)))
    )
    batch = {'inputs': [torch.rand(3, 4, 4)], 'data_samples': [segments]}
    after = through_a_file([detection(polygons), batch], tmp_path / 'a.pth')
    np.testing.assert_array_equal(
        after[0].gt_instances.masks.masks[0][0], polygons.masks[0][0]
    )
    assert torch.equal(after[1]['inputs'][0], batch['inputs'][0])
    found = after[1]['data_samples'][0].gt_sem_seg.data
    assert torch.equal(found, segments.gt_sem_seg.data)


def test_classes_as_a_config_names_them() -> None:
    assert to_plain({'type': Path}) == {'type': 'pathlib.Path'}


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(TypeError, match='a object cannot be kept as plain'):
        to_plain({'a': [object()]})
    with pytest.raises(ValueError, match=r"names a class 'os\.system'"):
        from_plain({'__class__': 'os.system'})
