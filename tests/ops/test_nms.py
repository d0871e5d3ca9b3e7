"""NMS and soft NMS equal the compiled operators, in both implementations."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmcv.ops import batched_nms, nms, nms_match, soft_nms
from mmdet.structures.bbox import bbox_overlaps as box_iou
from torch.testing import assert_close

from vitdense.ops import backend as backends
from vitdense.ops import nms as ours


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('iou', [0.3, 0.5, 0.7])
def test_nms_equals_compiled(backend, golden, iou, offset):
    _, keep = nms(golden['boxes'], golden['scores'], iou, offset)
    assert torch.equal(keep, golden[f'nms_{iou}_{offset}_keep'])


def test_nms_with_limits_equals_compiled(backend, golden):
    dets, keep = nms(
        golden['boxes'],
        golden['scores'],
        0.5,
        score_threshold=0.4,
        max_num=50,
    )
    assert torch.equal(keep, golden['nms_score0.4_max50_keep'])
    assert torch.equal(dets[:, :4], golden['boxes'][keep])


@pytest.mark.parametrize('agnostic', [True, False])
def test_batched_nms_equals_compiled(backend, golden, agnostic):
    _, keep = batched_nms(
        golden['boxes'],
        golden['scores'],
        golden['ids'],
        dict(type='nms', iou_threshold=0.5),
        class_agnostic=agnostic,
    )
    assert torch.equal(keep, golden[f'batched_nms_agnostic{agnostic}_keep'])


@pytest.mark.parametrize('method', ['naive', 'linear', 'gaussian'])
def test_soft_nms_equals_compiled(golden, method):
    dets, keep = soft_nms(golden['boxes'], golden['scores'], method=method)
    assert torch.equal(keep, golden[f'soft_nms_{method}_keep'])
    expected = golden[f'soft_nms_{method}_dets']
    assert_close(dets, expected, rtol=1e-5, atol=1e-5)


def test_no_boxes(backend):
    boxes, scores = torch.zeros(0, 4), torch.zeros(0)
    assert ours.nms(boxes, scores, 0.5, 0).tolist() == []
    dets, keep = soft_nms(boxes, scores)
    assert (len(dets), len(keep)) == (0, 0)


def test_tied_scores_come_in_the_order_of_sort(backend):
    boxes = torch.arange(600.0)[:, None] * 20 + torch.tensor([0, 0, 9, 9])
    scores = torch.full((600,), 0.5)
    order = scores.sort(0, descending=True)[1]
    assert torch.equal(ours.nms(boxes, scores, 0.5, 0), order)


def test_a_dropped_box_drops_no_other(backend):
    # each overlaps the next by 0.6: every second one stays, across blocks
    step = torch.arange(1300.0)[:, None] * 25
    boxes = step * torch.tensor([1, 0, 1, 0]) + torch.tensor([0, 0, 100, 9])
    scores = torch.linspace(1, 0, 1300)
    keep = ours.nms(boxes, scores, 0.55, 0)
    assert keep.tolist() == list(range(0, 1300, 2))


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_boxes(backend, golden, dtype):
    boxes, scores = golden['boxes'].to(dtype), golden['scores'].to(dtype)
    keep = ours.nms(boxes, scores, 0.5, 0)
    order = scores.sort(0, descending=True)[1]
    single = ours.nms(boxes[order].float(), -torch.arange(300.0), 0.5, 0)
    assert torch.equal(keep, order[single])


@given(
    st.integers(1, 700),
    st.integers(0, 2**31),
    st.sampled_from([0.0, 0.3, 0.7, 1.0]),
)
def test_implementations_agree(count, seed, iou):
    if backends.load_kernels() is None:
        return  # there is only one, held against the golden file
    generator = torch.Generator().manual_seed(seed)
    # coarse values: many ties, duplicates and boxes without area
    corner = torch.randint(0, 12, (count, 2), generator=generator)
    size = torch.randint(0, 6, (count, 2), generator=generator)
    boxes = torch.cat([corner, corner + size], 1).float()
    scores = torch.randint(0, 9, (count,), generator=generator) / 8
    fast = ours.nms(boxes, scores, iou, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backends, 'load_kernels', lambda: None)
        assert torch.equal(ours.nms(boxes, scores, iou, 0), fast)


@pytest.mark.parametrize('iou', [0.3, 0.5, 0.7])
def test_groups_are_those_of_nms(golden, iou):
    """Kept boxes lead; a group holds whom its leader is first to suppress."""
    dets = torch.cat([golden['boxes'], golden['scores'][:, None]], 1)
    groups = [group.tolist() for group in nms_match(dets, iou)]
    leaders = [group[0] for group in groups]
    assert leaders == golden[f'nms_{iou}_0_keep'].tolist()
    assert sorted(i for group in groups for i in group) == [*range(len(dets))]
    overlaps = box_iou(dets[:, :4], dets[:, :4])
    for place, (leader, *rest) in enumerate(groups):
        assert overlaps[leader, rest].ge(iou).all()
        assert overlaps[leaders[:place]][:, rest].lt(iou).all()
        assert dets[rest, 4].diff().le(0).all()


def test_a_group_for_each_of_boxes_without_area():
    dets = torch.tensor([[3.0, 3, 3, 3, 0.5], [3.0, 3, 3, 3, 0.9]])
    found = [group.tolist() for group in nms_match(dets, 0.5)]
    assert found == [[1], [0]]
    assert nms_match(dets[:0], 0.5) == []
