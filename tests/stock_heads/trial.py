"""A stock model with a backbone of ours: built, a step, a prediction."""

from typing import Any

import torch
from mmdet.testing import demo_mm_inputs, demo_mm_proposals
from mmengine.config import Config
from mmengine.registry import DefaultScope
from stock_heads.fit import exchange
from stock_heads.kinds import folder
from stock_heads.levels import UnfitError
from stock_heads.parts import parts, types_of
from stock_heads.reasons import beforehand, of_error
from whole_models import SEGMENTED_HW, backward, built, labelled, predict

WORKS = 'works'
HW = (96, 128)
SSD_HW = (320, 320)  # its last levels are not padded
FEW = {
    'num_queries': 50,
    'max_per_img': 20,
    'nms_pre': 100,
}


def _without_weights(part: Any) -> None:
    """Nothing is loaded, and no other process is waited for."""
    if 'checkpoint' in str(part.get('init_cfg')):
        part['init_cfg'] = None
    for name in ('pretrained', 'teacher_ckpt'):
        if name in part:
            part[name] = None
    if part.get('type') in ('SyncBN', 'MMSyncBN'):
        part['type'] = 'BN'


def _smaller(part: Any) -> None:
    """Fewer boxes to learn from, and what is unsure shown too."""
    if 'score_thr' in part:
        part['score_thr'] = 0.0
    if str(part.get('type')).endswith('Sampler') and 'num' in part:
        part['num'] = min(part['num'], 32)


def _fewer(part: Any) -> None:
    for name, most in FEW.items():
        if isinstance(part.get(name), int):
            part[name] = min(part[name], most)


def prepare(library: str, model: Any) -> None:
    """Makes a model quick to try; what it is made of stays."""
    types = types_of(model)
    for part in parts(model):
        _without_weights(part)
        _smaller(part)
        # of these as many have to be kept as are proposed
        if 'EmbeddingRPNHead' not in types:
            _fewer(part)
    if 'teacher_config' in model:  # a path below mmdet's own folder
        name = model.teacher_config.removeprefix('configs/')
        model.teacher_config = str(folder(library) / name)
    # not every picture padded to the size of training
    if 'data_preprocessor' in model:
        model.data_preprocessor.pop('batch_augments', None)
    if library == 'mmseg':
        model.data_preprocessor.size = SEGMENTED_HW


def classes_of(model: Any) -> int:
    """The fewest that a part of the model tells apart."""
    counts = [
        part[name]
        for part in parts(model)
        for name in ('num_classes', 'num_things_classes')
        if isinstance(part.get(name), int)
    ]
    return max(min(counts, default=1), 1)


def pictures(model: Any, count: int) -> Any:
    """Two boxes in each, their masks, labels of pixels, and proposals."""
    types = types_of(model)
    hw = SSD_HW if 'SSDNeck' in types else HW
    data = demo_mm_inputs(
        count,
        [[3, *hw]] * count,
        num_items=[2] * count,
        num_classes=80,
        use_box_type=True,
        with_mask='RTMDetSepBNHead' not in types,
        with_semantic=True,
        sem_seg_output_strides=8 if 'FusedSemanticHead' in types else 1,
    )
    classes = classes_of(model)
    samples = data['data_samples']
    for sample in samples:
        sample.gt_instances.labels %= classes
        sample.gt_sem_seg.sem_seg = sample.gt_sem_seg.sem_seg.long() % classes
    if model.type == 'FastRCNN':
        proposals = demo_mm_proposals([[3, *hw]] * count, 50)
        for sample, proposed in zip(samples, proposals, strict=True):
            sample.proposals = proposed
    return data


def segmented(model: Any) -> Any:
    """Two pictures with labels of what the model tells apart."""
    data = labelled(2)
    for sample in data['data_samples']:
        sample.gt_sem_seg.data %= classes_of(model)
    return data


def step(model: Any, data: Any) -> None:
    """One backward pass reaches every parameter of the backbone."""
    loss = backward(model, data)
    if not loss.isfinite():
        raise UnfitError(f'its loss is {loss.item()}')
    for name, parameter in model.backbone.named_parameters():
        if not parameter.requires_grad:
            continue
        if parameter.grad is None:
            raise UnfitError(f'{name} of the backbone gets no gradient')
        if not parameter.grad.isfinite().all():
            raise UnfitError(f'the gradient of {name} is not finite')
        if not parameter.grad.any():
            raise UnfitError(f'the gradient of {name} is 0')


def look_at(found: Any) -> None:
    """What was predicted is there, and finite."""
    shown = [name for name in found.all_keys() if name.startswith('pred_')]
    if not shown:
        raise UnfitError('predicts nothing')
    for name in shown:
        for value in getattr(found, name).values():
            value = getattr(value, 'tensor', value)
            if isinstance(value, torch.Tensor) and not value.isfinite().all():
                raise UnfitError(f'{name} is not finite')


def load(library: str, name: str) -> Any:
    """The model of a config that is shipped."""
    path = folder(library) / f'{name}.py'
    return Config.fromfile(path, import_custom_modules=False).model


def run(library: str, model: Any, family: str) -> None:
    """Raises whatever keeps it from a step and a prediction."""
    torch.manual_seed(0)
    prepare(library, model)
    if library == 'mmseg':
        data = again = segmented(model)
    else:
        data, again = pictures(model, 2), pictures(model, 1)
    lacks = ''
    try:
        with DefaultScope.overwrite_default_scope(library):
            lacks = exchange(library, model, family)
        with built(library, model) as network:
            step(network, data)
            look_at(predict(network, again))
    except UnfitError:
        raise
    except Exception as error:
        raise UnfitError(of_error(error, lacks)) from error


def attempt(library: str, name: str, family: str) -> str:
    """WORKS, or why a config does not with a backbone of this family."""
    model = load(library, name)
    why = beforehand(types_of(model))
    if why is None:
        try:
            run(library, model, family)
        except UnfitError as error:
            why = str(error)
    return why or WORKS
