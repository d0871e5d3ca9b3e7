"""Beginning from checkpoints of other classes, in models of both tasks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope, init_default_scope
from small_runs import DETECTOR, SEGMENTER
from torch import Tensor, nn

from vitdense.preflight.classes import class_heads, set_num_classes
from vitdense.preflight.fine_tuning import Beginning, begin_from

OLD = ('circle', 'square', 'star')
NEW = ('Star', 'roof', 'circle', 'ring')
HEADS = {
    'cls': 'roi_head.bbox_head.fc_cls',
    'reg': 'roi_head.bbox_head.fc_reg',
    'mask': 'roi_head.mask_head.conv_logits',
}
CONFIGS = DETECTOR.parents[1]
Begin = Callable[..., tuple[Beginning, dict[str, Tensor], dict[str, Tensor]]]


@pytest.fixture(autouse=True)
def _own_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DefaultScope, '_instance_dict', {})


def settings_of(path: Path, classes: int, **changes: Any) -> Any:
    """A model's settings for a number of classes."""
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    cfg.model.backbone.arch = 'v2-b0'
    cfg.model.backbone.init_cfg = None
    for head in class_heads(cfg.model):
        set_num_classes(head, classes)
    cfg.merge_from_dict({'model': changes})
    return cfg.model


def checkpoint(
    model: nn.Module, classes: tuple[object, ...] | None
) -> dict[str, Any]:
    """As a training writes it, with no two values alike."""
    state = model.state_dict()
    torch.manual_seed(1)
    state = {
        name: torch.rand(tensor.shape).to(tensor.dtype)
        for name, tensor in state.items()
    }
    told = {} if classes is None else {'dataset_meta': {'classes': classes}}
    return {'state_dict': state, 'meta': told}


@pytest.fixture
def begin() -> Begin:
    """Begin training of a config's model from a checkpoint of the same."""

    def run(
        path: Path,
        old: tuple[str, ...] = OLD,
        new: tuple[str, ...] = NEW,
        **changes: Any,
    ) -> tuple[Beginning, dict[str, Tensor], dict[str, Tensor]]:
        content = checkpoint(
            MODELS.build(settings_of(path, len(old), **changes)), old
        )
        settings = settings_of(path, len(new), **changes)
        model = MODELS.build(settings)
        initial = {n: t.clone() for n, t in model.state_dict().items()}
        begun = begin_from(model, settings, 'old.pth', content, new)
        return begun, content['state_dict'], initial

    return run


def same(got: Tensor, want: Tensor) -> bool:
    return bool(torch.equal(got, want))


def dependent(begun: Beginning) -> list[str]:
    """Tensors that were not taken exactly."""
    return [
        line.split()[0]
        for line in begun.lines[1:]
        if not line.endswith(': exact')
    ]


def test_mask_rcnn(begin: Begin) -> None:
    begun, held, initial = begin(
        DETECTOR,
        roi_head=dict(
            bbox_head=dict(reg_class_agnostic=False),
            mask_head=dict(class_agnostic=False),
        ),
    )
    parts = [f'{n}.{p}' for n in HEADS.values() for p in ('weight', 'bias')]
    assert sorted(dependent(begun)) == sorted(parts)
    for name, tensor in held.items():
        if name not in parts:
            assert same(begun.weights[name], tensor), name
    # star, roof, circle, ring, background from circle, square, star, ...
    got, was = (s[f'{HEADS["cls"]}.weight'] for s in (begun.weights, held))
    assert same(got[[0, 2, 4]], was[[2, 0, 3]])
    assert same(got[[1, 3]], initial[f'{HEADS["cls"]}.weight'][[1, 3]])
    got, was = (s[f'{HEADS["reg"]}.bias'] for s in (begun.weights, held))
    assert same(got.view(4, 4)[[0, 2]], was.view(3, 4)[[2, 0]])
    assert same(got[4:8], initial[f'{HEADS["reg"]}.bias'][4:8])
    got, was = (s[f'{HEADS["mask"]}.weight'] for s in (begun.weights, held))
    assert same(got[[0, 2]], was[[2, 0]])
    assert begun.summary == '2 of 3 classes kept, 2 new (roof, ring)'


def test_retinanet_has_priors_before_classes(begin: Begin) -> None:
    path = CONFIGS / 'pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py'
    begun, held, initial = begin(path)
    name = 'bbox_head.retina_cls.weight'
    assert sorted(dependent(begun)) == [name[:-6] + 'bias', name]
    got = begun.weights[name].unflatten(0, (9, 4))
    assert same(got[:, [0, 2]], held[name].unflatten(0, (9, 3))[:, [2, 0]])
    assert same(got[:, [1, 3]], initial[name].unflatten(0, (9, 4))[:, [1, 3]])


def test_both_heads_of_a_segmenter(begin: Begin) -> None:
    path = CONFIGS / 'pvt/upernet_pvt-v2-b0_8xb2-160k_ade20k-512x512.py'
    begun, held, _ = begin(path)
    heads = ['auxiliary_head.conv_seg', 'decode_head.conv_seg']
    assert sorted(dependent(begun)) == [
        f'{head}.{part}' for head in heads for part in ('bias', 'weight')
    ]
    for head in heads:
        got = begun.weights[f'{head}.weight'][[0, 2]]
        assert same(got, held[f'{head}.weight'][[2, 0]])


def test_as_many_classes_of_other_names(begin: Begin) -> None:
    """Shapes alone would load: rows go by name all the same."""
    begun, held, initial = begin(SEGMENTER, OLD, ('star', 'roof', 'circle'))
    name = 'decode_head.conv_seg.weight'
    assert same(begun.weights[name][[0, 2]], held[name][[2, 0]])
    assert same(begun.weights[name][1], initial[name][1])


def test_one_channel_for_two_classes(begin: Begin) -> None:
    """Its row is of both, so it is of no use to others."""
    begun, held, initial = begin(
        SEGMENTER,
        ('ground', 'circle'),
        ('ground', 'star'),
        decode_head=dict(num_classes=2, out_channels=1, threshold=0.3),
    )
    name = 'decode_head.conv_seg.weight'
    assert held[name].shape[0] == initial[name].shape[0]
    assert same(begun.weights[name], initial[name])
    assert f'{name} (' in '\n'.join(begun.lines)


def test_the_same_classes_are_taken_exactly(begin: Begin) -> None:
    begun, held, _ = begin(DETECTOR, NEW, NEW)
    assert begun.weights.keys() == held.keys()
    assert all(same(begun.weights[n], t) for n, t in held.items())
    assert (begun.summary, begun.lines) == ('', [])


@pytest.mark.parametrize('library', ['mmdet', 'mmseg'])
def test_files_of_the_libraries(library: str) -> None:
    """mmdet's PVTv2 below the same heads; mmseg's MiT has other names."""
    path = CONFIGS / 'pvt/retinanet_pvt-v2-b0_fpn_1x_coco.py'
    settings = settings_of(path, len(NEW))
    theirs = settings_of(path, len(OLD))
    pytest.importorskip('mmdet')
    if library == 'mmdet':
        theirs.backbone = dict(
            type='PyramidVisionTransformerV2',
            embed_dims=32,
            num_layers=[2, 2, 2, 2],
        )
    else:
        theirs.backbone = dict(
            type='mmseg.MixVisionTransformer', embed_dims=32
        )
    model = MODELS.build(settings)
    content = checkpoint(MODELS.build(theirs), OLD)
    if library == 'mmseg':
        with pytest.raises(ValueError, match=r'^mit.pth'):
            begin_from(model, settings, 'mit.pth', content, NEW)
        return
    begun = begin_from(model, settings, 'pvt.pth', content, NEW)
    model.load_state_dict(begun.weights)
    held = content['state_dict']
    got = begun.weights['backbone.stages.0.patch_embed.proj.weight']
    assert same(got, held['backbone.layers.0.0.projection.weight'])
    assert same(
        begun.weights['bbox_head.retina_reg.weight'],
        held['bbox_head.retina_reg.weight'],
    )


@pytest.fixture
def refused(tmp_path: Path) -> Callable[..., str]:
    """What is said of a checkpoint that cannot be begun from."""
    settings = settings_of(SEGMENTER, len(NEW))
    model = MODELS.build(settings)

    def run(
        content: Any, classes_file: Path | None = None, new: Any = NEW
    ) -> str:
        given = None if classes_file is None else str(classes_file)
        with pytest.raises((ValueError, FileNotFoundError)) as told:
            begin_from(model, settings, 'old.pth', content, new, given)
        return str(told.value)

    return run


def test_what_is_refused(refused: Callable, tmp_path: Path) -> None:
    old = MODELS.build(settings_of(SEGMENTER, len(OLD)))
    unnamed = checkpoint(old, None)
    said = refused(unnamed)
    assert 'no dataset_meta, so --classes-of-checkpoint FILE' in said
    named = tmp_path / 'names.txt'
    assert f'no file {str(named)!r}' in refused(unnamed, named)
    named.write_text(' \n')
    assert 'has no names' in refused(unnamed, named)
    named.write_text('a\nb\n')
    said = refused(unnamed, named)
    assert 'does not fit the model, built for its 2 classes' in said
    assert 'decode_head.conv_seg' in said
    said = refused(checkpoint(old, ('circle', 'star', 'Circle')))
    assert "['circle', 'Circle'] are one name" in said
    said = refused(checkpoint(old, OLD), new=('a', 'b', 'c', 'A'))
    assert said.startswith('the classes of train_dataloader: ')
    assert 'are no names' in refused(checkpoint(old, (1, 2, 3)))
    other = checkpoint(nn.Linear(2, 2), OLD)
    assert '2 unexpected (bias, weight)' in refused(other)


def test_classes_from_a_file(tmp_path: Path) -> None:
    settings = settings_of(SEGMENTER, len(NEW))
    content = checkpoint(MODELS.build(settings_of(SEGMENTER, 3)), None)
    named = tmp_path / 'names.txt'
    named.write_text('\n'.join(OLD))
    begun = begin_from(
        MODELS.build(settings), settings, 'o.pth', content, NEW, str(named)
    )
    assert begun.summary == '2 of 3 classes kept, 2 new (roof, ring)'
    # of as many classes, what is not named is taken to be the data set's
    content = checkpoint(MODELS.build(settings), None)
    begun = begin_from(MODELS.build(settings), settings, 'o.pth', content, NEW)
    assert 'names no classes' in begun.lines[0]
