"""T2T-ViT: contract, golden outputs, parameter counts, sizes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from contract import BackboneContract, images
from golden import assert_golden, golden_images
from torch import Tensor

from vitdense.backbones.pvt import PVT
from vitdense.backbones.t2t import T2TViT
from vitdense.backbones.t2t.archs import ARCHS
from vitdense.layers.tokens import to_map

SMALL = {
    'dims': (8, 8, 16, 16),
    'depths': (1, 1, 2, 1),
    'heads': (1, 1, 2, 2),
    'mlp_ratios': (1, 1, 2, 2),
}


class TestPerformer(BackboneContract):
    registered = 'vitdense.T2TViT'
    arch = {'design': 'performer', **SMALL}  # noqa: RUF012
    strides = (4, 8, 16, 32)
    kernels = ((7, 4, 2), (3, 2, 1), (3, 2, 1), (3, 2, 1))


class TestTransformer(TestPerformer):
    arch = {  # noqa: RUF012
        'design': 'transformer',
        **SMALL,
        'se_reduction': 4,
    }


class TestPyramid(TestPerformer):
    arch = {  # noqa: RUF012
        'design': 'pyramid',
        **SMALL,
        'depths': (2, 1, 1, 1),
        'reductions': (4, 2, 1, 1),
    }


@pytest.mark.slow
class TestGhost(TestPerformer):
    arch = {  # noqa: RUF012
        'design': 'performer',
        **SMALL,
        'blocks': 'ghost',
    }


@pytest.mark.slow
class TestDense(TestPerformer):
    arch = {  # noqa: RUF012
        'design': 'performer',
        **SMALL,
        'blocks': 'dense',
        'growth': 8,
        'groups': (1, 1),
    }


OFFICIAL = {
    't2t_vit_7': '7',
    't2t_vit_t_14': 't-14',
    't2t_vit_16_ghost': '16-ghost',
    't2t_vit_dense': 'dense',
}


@pytest.fixture(scope='module', params=OFFICIAL)
def official(
    request: pytest.FixtureRequest, official_file: Callable[[str], str]
) -> tuple[T2TViT, str]:
    """An arch with the documented weights, and the name of its file."""
    name = request.param
    config = {'type': 'Pretrained', 'checkpoint': official_file(name)}
    model = T2TViT(OFFICIAL[name], drop_path_rate=0.0, init_cfg=config)
    model.init_weights()
    return model, name


@pytest.mark.parametrize('train', [False, True])
def test_golden(official: tuple[T2TViT, str], train: bool) -> None:
    model, name = official
    carried: list[Tensor] = []
    hook = model.stages[2].register_forward_hook(
        lambda module, args, output: carried.append(to_map(*output))
    )
    with hook, torch.set_grad_enabled(train):
        levels = model.train(train)(golden_images((224, 224)))
    before_norm = carried[0]
    assert_golden(
        (levels[0], levels[1], before_norm, levels[2]), f'{name}_224x224'
    )


# Official classifiers in millions: all parameters, and those that train
# where both were counted
PARAMETERS = {
    '7': (4.310, 4.256),
    '10': (5.889, 5.835),
    '12': (6.942, 6.887),
    '14': (21.546, 21.466),
    '19': (39.177, 39.085),
    '24': (64.106, 64.001),
    't-14': (21.541, None),
    't-19': (39.173, None),
    't-24': (64.101, None),
    '14-se': (21.804, None),
    '14-resnext': (21.546, None),
    '14-wide': (25.156, None),
    '16-ghost': (16.253, None),
    'dense': (23.647, None),
}


@pytest.mark.parametrize('arch', sorted(PARAMETERS))
def test_parameters(arch: str) -> None:
    with torch.device('meta'):
        model = T2TViT(arch, out_indices=(0, 1, 2))
    dim = model.out_channels[-1]
    learned = sum(p.numel() for p in model.parameters()) + 1000 * (dim + 1)
    # the official code counts position table and random features as fixed
    # parameters
    fixed = sum(b.numel() for b in model.buffers())
    total, trainable = PARAMETERS[arch]
    assert round((learned + fixed) / 1e6, 3) == total
    if trainable is not None:
        assert round(learned / 1e6, 3) == trainable


@pytest.mark.parametrize(
    ('ours', 'theirs'), [('pyramid-t', 'tiny'), ('pyramid-s', 'small')]
)
def test_pyramids_keep_to_the_budget_of_pvt(ours: str, theirs: str) -> None:
    with torch.device('meta'):
        counts = [
            sum(p.numel() for p in model.parameters())
            for model in (T2TViT(ours), PVT(theirs))
        ]
    assert 0.9 < counts[0] / counts[1] < 1.1
    assert sum(ARCHS[ours].depths) > len(PVT(theirs).stages) * 4


@pytest.mark.parametrize('arch', ['7', 't-14', 'pyramid-t'])
@pytest.mark.parametrize(
    'hw',
    [
        *((224, 224), (448, 448), (896, 896), (224, 896)),
        *((500, 333), (250, 333), (33, 47), (256, 320)),
    ],
)
def test_sizes(arch: str, hw: tuple[int, int]) -> None:
    with torch.device('meta'):
        levels = T2TViT(arch)(torch.empty(1, 3, *hw))
    cells = tuple((size - 3) // 4 + 1 for size in hw)
    for level in levels:
        assert tuple(level.shape[2:]) == cells
        cells = tuple((size - 1) // 2 + 1 for size in cells)


def test_published_sizes_of_33_pixels() -> None:
    with torch.no_grad():
        levels = T2TViT('7').eval()(images(33, 33))
    assert [level.shape[-1] for level in levels] == [8, 4, 2, 1]


def test_stride_32_goes_on_from_before_the_norm() -> None:
    model = T2TViT({'design': 'performer', **SMALL}).eval()
    batch = images(64, 64)
    with torch.no_grad():
        before = model(batch)
        model.stages[2].norm.weight.mul_(2)
        after = model(batch)
    assert not torch.equal(before[2], after[2])
    assert torch.equal(before[3], after[3])


def test_a_norm_that_nothing_reads_is_not_waited_for() -> None:
    model = T2TViT({'design': 'performer', **SMALL}, out_indices=(0, 1, 3))
    sum(level.mean() for level in model(images(64, 64))).backward()
    assert all(
        p.grad is not None for p in model.parameters() if p.requires_grad
    )


def test_position_table_is_the_published_one() -> None:
    stage: Any = T2TViT('7').stages[2]
    table = stage.pos_embed[0].numpy()
    for position, channel in ((0, 0), (3, 1), (100, 36), (196, 255)):
        angle = position / np.power(10000, 2 * (channel // 2) / 256)
        value = np.cos(angle) if channel % 2 else np.sin(angle)
        assert table[position, channel] == pytest.approx(value, abs=1e-6)


def test_positions_are_resized_as_class_slot_and_grid() -> None:
    """At the table's own grid they are exact; elsewhere the slot stays."""
    model = T2TViT({'design': 'performer', **SMALL, 'position_px': 64}).eval()
    stage = model.stages[2]
    seen: list[Tensor] = []
    stage.blocks[0].register_forward_pre_hook(
        lambda module, args: seen.append(args[0])
    )
    torch.nn.init.zeros_(stage.patch_embed.proj.weight)
    torch.nn.init.zeros_(stage.cls_token)
    with torch.no_grad():
        model(images(64, 64))
        model(images(32, 128))
    torch.testing.assert_close(seen[0], stage.pos_embed)
    assert seen[1].shape[1] == 1 + 2 * 8
    assert torch.equal(seen[1][:, 0], stage.pos_embed[:, 0])
    # as many cells, on another grid: not the same positions
    assert not torch.allclose(seen[1][:, 1:], stage.pos_embed[:, 1:])


def test_drop_path_ramps_over_the_published_blocks() -> None:
    model = T2TViT('7', drop_path_rate=0.3)
    rates = [block.drop_path.rate for block in model.stages[2].blocks]
    assert rates == pytest.approx([0.3 * i / 6 for i in range(7)])
    rates = [block.drop_path.rate for block in model.stages[3].blocks]
    assert rates == [0.3, 0.3]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'design': 'linear'}, "'linear'.*'performer'"),
        ({'dims': (8, 16)}, 'depths'),
        ({'dims': (8, 8, 15, 16)}, r'must divide dims=\(8, 8, 15, '),
        ({'depths': (2, 1, 1, 1)}, r'depths=\(2, 1, 1, 1\)'),
        ({'heads': (1, 2, 2, 2)}, r'heads=\(1, 2, 2, 2\)'),
        ({'position_px': 8}, 'position_px=8'),
        ({'se_reduction': -1}, 'se_reduction=-1'),
        ({'se_reduction': 32}, 'se_reduction=32'),
        ({'dephts': (1, 1, 1, 1)}, 'dephts'),
        ({'dims': (8, 1, 16, 16)}, r'dims=\(8, 1, 16, 16\)'),
        ({'reductions': (1, 1, 2, 1)}, r'reductions=\(1, 1, 2, 1\)'),
        ({'blocks': 'gost'}, "blocks='gost' is not one of"),
        ({'blocks': 'ghost', 'se_reduction': 4}, "blocks='ghost' goes with"),
        ({'growth': 8}, "growth=8 .* of blocks='dense' alone"),
        (
            {'blocks': 'ghost', 'dims': (8, 8, 15, 16), 'heads': (1, 1, 3, 2)},
            'third must be even',
        ),
        ({'blocks': 'dense'}, r'growth=0 and groups=\(\) must be positive'),
        ({'blocks': 'dense', 'growth': 8, 'groups': (1, 2)}, 'sum to 2'),
        ({'blocks': 'dense', 'growth': 5, 'groups': (2,)}, '2 heads divide'),
        ({'blocks': 'dense', 'growth': 8, 'groups': 2}, 'groups=2 must be'),
        ({'design': 'pyramid', 'blocks': 'ghost'}, "blocks='ghost' goes with"),
    ],
)
def test_bad_mapping(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        T2TViT({'design': 'performer', **SMALL, **change})


def test_bad_number_of_stages() -> None:
    columns = {name: values[:3] for name, values in SMALL.items()}
    with pytest.raises(ValueError, match='has 4 stages'):
        T2TViT({'design': 'performer', **columns, 'reductions': (1, 1, 1)})
