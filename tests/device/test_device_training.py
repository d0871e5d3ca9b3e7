"""One step of training, and a prediction, of each task on the device."""

from pathlib import Path
from typing import Any

import pytest
import torch
from designs import DESIGNS
from devices import CUDA, Device, PlainCPU
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config, ConfigDict
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
MODEL_BASES = CONFIGS / '_base_' / 'models'
HW = (64, 96)
CLASSES = 4
NARROW = {'channels': 16, 'num_classes': CLASSES}
HEADS: dict[str, dict[str, Any]] = {
    # nothing is learned, so no score is high
    'mask-rcnn_fpn_small': {'test_cfg': {'rcnn': {'score_thr': 0.0}}},
    'retinanet_fpn': {
        'neck': {'out_channels': 16},
        'bbox_head': {
            'in_channels': 16,
            'feat_channels': 16,
            'num_classes': CLASSES,
        },
        'test_cfg': {'score_thr': 0.0},
    },
    'semantic-fpn_small': {
        'data_preprocessor': {'size': HW},
        'decode_head': {'num_classes': CLASSES},
    },
    'upernet': {
        'data_preprocessor': {'size': HW},
        'decode_head': NARROW,
        'auxiliary_head': NARROW,
    },
}
TASKS = [
    ('mask-rcnn_fpn_small', 'like-pvt-v2-b0'),
    ('mask-rcnn_fpn_small', 'like-cvt-13'),
    ('retinanet_fpn', 'like-t2t-7'),
    ('semantic-fpn_small', 'like-t2t-pyramid-t'),
    ('upernet', 'like-pvt-tiny'),
]
SCALED = {'type': 'AmpOptimWrapper', 'loss_scale': {'init_scale': 256.0}}
BFLOAT16 = {'type': 'vitdense.BFloat16OptimWrapper'}
WRAPPERS: list[tuple[str, Device, dict[str, Any]]] = [
    ('float32', PlainCPU(), {'type': 'OptimWrapper'}),
    ('bfloat16', PlainCPU(), BFLOAT16),
    ('cuda-float32', CUDA(), {'type': 'OptimWrapper'}),
    ('cuda-bfloat16', CUDA(), BFLOAT16),
    ('cuda-float16-scaled', CUDA(), {**SCALED, 'dtype': 'float16'}),
    ('cuda-bfloat16-scaled', CUDA(), {**SCALED, 'dtype': 'bfloat16'}),
]


def build(task: str, design: str) -> Any:  # untyped, of the libraries
    torch.manual_seed(0)
    base = Config.fromfile(MODEL_BASES / f'{task}.py')
    base.merge_from_dict({'model': HEADS[task]})
    cfg = base.model
    channels = list(DESIGNS[design].build().out_channels)
    cfg.backbone = DESIGNS[design].config
    if 'neck' in cfg:
        cfg.neck.in_channels = channels
        if len(channels) < 4:
            cfg.neck.add_extra_convs = 'on_input'
    else:
        cfg.decode_head.in_channels = channels
        cfg.auxiliary_head.in_channels = channels[2]
    scope = 'mmseg' if 'decode_head' in cfg else 'mmdet'
    with DefaultScope.overwrite_default_scope(scope):
        return MODELS.build(cfg)


def data(task: str) -> Any:
    """Two pictures and what is on them, on the CPU as loaders give them."""
    if 'rcnn' in task or 'retina' in task:
        return demo_mm_inputs(
            2, [[3, *HW]] * 2, [3, 1], CLASSES, with_mask=True
        )
    samples = []
    for _ in range(2):
        truth = torch.randint(0, CLASSES, (1, *HW))
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=truth)))
        samples[-1].set_metainfo({'img_shape': HW, 'ori_shape': HW})
    inputs = list(torch.randint(0, 256, (2, 3, *HW), dtype=torch.uint8))
    return {'inputs': inputs, 'data_samples': samples}


@pytest.mark.parametrize(
    ('device', 'wrapper'),
    [
        pytest.param(
            device,
            wrapper,
            marks=pytest.mark.gpu if device.type == 'cuda' else (),
            id=name,
        )
        for name, device, wrapper in WRAPPERS
    ],
    indirect=['device'],
)
@pytest.mark.parametrize(('task', 'design'), TASKS)
def test_a_step_and_a_prediction(
    task: str, design: str, device: Device, wrapper: dict[str, Any]
) -> None:
    model = device.model(build(task, design)).train()
    optimizer = {'type': 'AdamW', 'lr': 1e-3}
    optim_wrapper = build_optim_wrapper(
        model, ConfigDict({**wrapper, 'optimizer': optimizer})
    )
    learned = dict(model.backbone.named_parameters())
    before = {name: p.detach().clone() for name, p in learned.items()}
    grads: dict[str, Tensor] = {}
    for name, parameter in learned.items():
        parameter.register_post_accumulate_grad_hook(
            lambda p, name=name: grads.update({name: p.grad.clone()})
        )
    log = model.train_step(data(task), optim_wrapper)
    assert all(value.isfinite().all() for value in log.values())
    assert grads.keys() == learned.keys()
    assert all(grad.isfinite().all() for grad in grads.values())
    assert all(p.device.type == device.type for p in learned.values())
    assert not any(torch.equal(p, before[name]) for name, p in learned.items())
    model.eval()
    with torch.no_grad():
        first, _ = model.test_step(data(task))
    if 'pred_sem_seg' in first:
        predicted = first.pred_sem_seg.data
        assert predicted.shape == (1, *HW)
    else:
        predicted = first.pred_instances.scores
        assert len(predicted) > 0
        assert predicted.isfinite().all()
    assert predicted.device.type == device.type
