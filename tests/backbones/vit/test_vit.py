"""Plain ViT: contract, golden outputs, parameter counts, sizes."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from contract import BackboneContract, images
from golden import assert_golden, golden_images
from torch import Tensor, nn

from vitdense.backbones.pyramid import PyramidBackbone
from vitdense.backbones.vit import ViT
from vitdense.backbones.vit.rotary import RotaryQKV
from vitdense.backbones.vit.windows import to_windows
from vitdense.checkpoint import load_backbone
from vitdense.layers.tokens import to_map

SMALL: dict[str, Any] = {
    'dim': 16,
    'depth': 4,
    'heads': 2,
    'mlp_ratio': 2,
    'position_px': 64,
}
DINOV2 = {**SMALL, 'layer_scale': 0.1, 'registers': 2, 'patch': 14}
DINOV3 = {
    **SMALL,
    'layer_scale': 0.1,
    'registers': 2,
    'positions': 'rotary',
    'class_slot': False,
    'mlp': 'swiglu',
}
PARALLEL = {
    **SMALL,
    'blocks': 'parallel',
    'stem': 'hmlp',
    'class_slot': False,
    'layer_scale': 0.1,
}
CCT = {
    **SMALL,
    'blocks': 'cct',
    'stem': 'conv',
    'stem_kernel': 7,
    'class_token': False,
    'class_slot': False,
    'qkv_bias': False,
    'resize': 'bilinear',
}
WINDOWED = {
    **SMALL,
    'window': 3,
    'global_blocks': (3,),
    'patch': 8,
    'positions': 'sinusoid',
}


class PlainContract(BackboneContract):
    """What the pyramids' contract says of columns is of one value here."""

    registered = 'vitdense.ViT'
    strides = (16,) * 4
    stride = 16

    def build(self, **options: Any) -> PyramidBackbone:
        model = super().build(**options)
        # what the contract differentiates, mean squares, would be the same
        # for all that a norm of equal weights may give
        torch.nn.init.normal_(model.norm.weight)
        return model

    def cells(self, size: int) -> list[int]:
        """Patches along an axis, the last of them filled up."""
        return [-(-size // self.stride)] * 4

    # Ten seconds each, and more: not for every one of these classes.

    @pytest.mark.slow
    @pytest.mark.usefixtures('nothing_compiled')
    def test_compile_without_graph_breaks(
        self, sizes: tuple[tuple[int, int], ...] = ((64, 96), (65, 97))
    ) -> None:
        super().test_compile_without_graph_breaks(sizes)

    @pytest.mark.slow
    @pytest.mark.usefixtures('nothing_compiled')
    def test_compiled_training_without_graph_breaks(
        self, dynamic: bool = False
    ) -> None:
        super().test_compiled_training_without_graph_breaks(dynamic)

    @pytest.mark.slow
    def test_export(self) -> None:
        super().test_export()

    @pytest.mark.parametrize(
        ('field', 'value'),
        [
            ('dim', None),
            ('dim', ()),
            ('heads', (3,)),
            ('depth', 2.0),
            ('depth', 0),
        ],
    )
    def test_bad_fields(self, field: str, value: Any) -> None:
        with pytest.raises(ValueError, match=f'{field}='):
            self.build(arch={**self.arch, field: value})

    def test_heads_that_do_not_divide(self) -> None:
        with pytest.raises(ValueError, match='heads=3 must be a divisor'):
            self.build(arch={**self.arch, 'heads': 3})


class TestDINOv2(PlainContract):
    arch = {**DINOV2, 'resize': 'bicubic-offset'}  # noqa: RUF012
    stride = 14
    strides = (14,) * 4


class TestDINOv3(PlainContract):
    arch = DINOV3


class TestParallel(PlainContract):
    arch = PARALLEL


class TestCCT(PlainContract):
    arch = CCT

    def cells(self, size: int) -> list[int]:
        for kernel, stride in ((7, 2), (3, 2)) * 2:
            size = (size + 2 * (kernel // 2) - kernel) // stride + 1
        return [size] * 4


class TestWindowedDINOv3(PlainContract):
    arch = {**DINOV3, 'window': 3, 'global_blocks': (3,)}  # noqa: RUF012


class TestWindowed(PlainContract):
    arch = WINDOWED
    stride = 8
    strides = (8,) * 4


# Files, and the archs that they fill
OFFICIAL: dict[str, Any] = {
    'dinov2_vits14': 'dinov2-s',
    'dinov2_vits14_reg': 'dinov2-s-reg',
    'dinov3_vits16': 'dinov3-s',
    'dinov3_vits16plus': 'dinov3-s+',
    'deit_tiny_patch16_LS': {
        'dim': 192,
        'depth': 12,
        'heads': 3,
        'class_slot': False,
        'layer_scale': 1e-4,
    },
    'deit_small_patch16_18x2_LS': 'small-18x2-ls',
    'vit_small_2x2_hmlp': {
        'dim': 384,
        'depth': 2,
        'heads': 6,
        'stem': 'hmlp',
        'blocks': 'parallel',
        'class_slot': False,
    },
    'cct_7_3x1_32': 'cct-7-3x1',
}


@pytest.mark.parametrize(
    'golden',
    [
        'dinov2_vits14_154x266',
        pytest.param('dinov2_vits14_224x224', marks=pytest.mark.slow),
        'dinov2_vits14_reg_154x266',
        'dinov3_vits16_160x272',
        pytest.param('dinov3_vits16_224x224', marks=pytest.mark.slow),
        pytest.param('dinov3_vits16plus_160x272', marks=pytest.mark.slow),
        'deit_tiny_patch16_LS_224x224',
        pytest.param(
            'deit_small_patch16_18x2_LS_224x224', marks=pytest.mark.slow
        ),
        'vit_small_2x2_hmlp_224x224',
        'cct_7_3x1_32_32x32',
    ],
)
@torch.no_grad()
def test_golden(official_file: Callable[[str], str], golden: str) -> None:
    name, _, size = golden.rpartition('_')
    height, width = map(int, size.split('x'))
    model = ViT(OFFICIAL[name])
    load_backbone(model, official_file(name))
    first: list[Tensor] = []
    before_norm: list[Tensor] = []
    stem: Any = model.stages[0].patch_embed.proj
    last = model.stages[-1]

    def keep_first(module: nn.Module, args: Any, tokens: Tensor) -> None:
        first.append(to_map(tokens, tuple(map(stem.grid, args[1]))))

    def keep_last(module: nn.Module, args: Any, result: Any) -> None:
        before_norm.append(last.level(*result))

    stem.register_forward_hook(keep_first)
    last.register_forward_hook(keep_last)
    levels = model.eval()(golden_images((height, width)))
    if name.startswith('dino'):  # four taps, and the last without norm
        held = [*levels, *before_norm]
    else:  # after the stem, after the blocks, after the norm
        held = [*first, *before_norm, levels[-1]]
    assert_golden(held, golden)


# Millions, by running the official code; with what an official file has
# beyond the backbone: a classifier of 1000 classes, CCT's pooling, DINO's
# token of masked patches, and biases of keys, which DINOv3 masks out
PARAMETERS = {
    'tiny': (5.717, {'head': 1000}),
    'small': (22.051, {'head': 1000}),
    'base': (86.568, {'head': 1000}),
    'small-18x2': (64.637, {'head': 1000}),
    'small-18x2-ls': (64.665, {'head': 1000}),
    'base-18x2': (256.676, {'head': 1000}),
    'cct-7-3x1': (3.760, {'head': 10, 'pool': 1}),
    'cct-14-7x2': (22.367, {'head': 1000, 'pool': 1}),
    'dinov2-s': (22.057, {'mask': 1}),
    'dinov2-s-reg': (22.058, {'mask': 1}),
    'dinov2-b': (86.580, {'mask': 1}),
    'dinov2-b-reg': (86.584, {'mask': 1}),
    'dinov2-l': (304.369, {'mask': 1}),
    'dinov2-l-reg': (304.373, {'mask': 1}),
    'dinov2-g': (1136.481, {'mask': 1}),
    'dinov3-s': (21.601, {'mask': 1, 'keys': 12}),
    'dinov3-s+': (28.697, {'mask': 1, 'keys': 12}),
    'dinov3-b': (85.670, {'mask': 1, 'keys': 12}),
    'dinov3-l': (303.154, {'mask': 1, 'keys': 24}),
    'dinov3-h+': (840.634, {'mask': 1, 'keys': 32}),
}


@pytest.mark.parametrize('arch', PARAMETERS)
def test_parameters(arch: str) -> None:
    millions, beyond = PARAMETERS[arch]
    with torch.device('meta'):
        model = ViT(arch)
    count = sum(p.numel() for p in model.parameters())
    dim = model.out_channels[-1]
    for what, times in beyond.items():
        count += times * (dim + 1 if what in ('head', 'pool') else dim)
    assert round(count / 1e6, 3) == millions


def test_largest_builds_without_memory() -> None:
    with torch.device('meta'):
        model = ViT('dinov3-7b')
    count = sum(p.numel() for p in model.parameters())
    assert count // 10**6 == 6716 or count // 10**6 == 6715
    assert model.out_indices == (9, 19, 29, 39)
    assert all(
        'bias' not in name
        for name, _ in model.named_parameters()
        if 'qkv' in name
    )


@pytest.mark.parametrize('arch', ['tiny', 'dinov2-s', 'dinov3-s', 'cct-7-3x1'])
@pytest.mark.parametrize('hw', [(33, 47), (224, 224), (224, 896), (800, 1344)])
def test_sizes(arch: str, hw: tuple[int, int]) -> None:
    with torch.device('meta'):
        model = ViT(arch)
        levels = model(torch.empty(1, 3, *hw))
    cells = tuple(-(-size // model.out_strides[0]) for size in hw)
    assert len(levels) == 4
    assert {tuple(x.shape) for x in levels} == {
        (1, *model.out_channels[:1], *cells)
    }


@pytest.mark.parametrize('small', [DINOV2, DINOV3, PARALLEL, WINDOWED, CCT])
@pytest.mark.parametrize('hw', [(33, 47), (224, 224), (224, 896), (800, 1344)])
@torch.no_grad()
def test_finite_at_any_size(
    small: dict[str, Any], hw: tuple[int, int]
) -> None:
    levels = ViT(small, out_indices=(0,)).eval()(images(*hw))
    assert levels[0].isfinite().all()


@pytest.mark.parametrize('hw', [(33, 47), (64, 96)])
@torch.no_grad()
def test_stem_gives_its_maps(hw: tuple[int, int]) -> None:
    """Strides 4 and 8, as the stem's own convolutions take them."""
    plain = ViT(PARALLEL, out_indices=(3,)).eval()
    model = ViT(PARALLEL, out_indices=(3,), stem_indices=(0, 1)).eval()
    model.load_state_dict(plain.state_dict())
    assert model.out_channels == (4, 4, 16)
    assert model.out_strides == (4, 8, 16)
    taken: list[Tensor] = []
    stem: Any = model.stages[0].patch_embed.proj
    for conv in stem.convs[1:]:
        conv.register_forward_hook(
            lambda _, given, __: taken.append(to_map(*given))
        )
    batch = images(*hw)
    levels = model(batch)
    assert [tuple(x.shape[1:]) for x in levels] == [
        (c, *(-(-size // 16) * 16 // stride for size in hw))
        for c, stride in zip(
            model.out_channels, model.out_strides, strict=True
        )
    ]
    for level, expected in zip(levels, taken, strict=False):
        assert torch.equal(level, expected)
    torch.testing.assert_close(levels[-1], plain(batch)[0])
    assert stem.take() == []


def test_stem_maps_learn() -> None:
    model = ViT(PARALLEL, out_indices=(0,), stem_indices=(1,))
    model(images(32, 32))[0].square().mean().backward()
    stem: Any = model.stages[0].patch_embed.proj
    assert stem.convs[1].weight.grad.any()
    assert stem.convs[2].weight.grad is None


@pytest.mark.parametrize(
    ('arch', 'stem_indices', 'message'),
    [
        (SMALL, (0,), r"stem_indices=\(0,\) .* out of \(\) with stem='patch'"),
        (PARALLEL, (1, 0), r'must be ascending and out of \(0, 1\)'),
        (PARALLEL, (2,), r"out of \(0, 1\) with stem='hmlp'"),
        (PARALLEL, 0, 'stem_indices=0 must be'),
    ],
)
def test_bad_stem_indices(
    arch: dict[str, Any], stem_indices: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ViT(arch, stem_indices=stem_indices)


@torch.no_grad()
def test_padding_is_below_and_on_the_right() -> None:
    """Cell (i, j) is the patch from pixel (14 i, 14 j) on."""
    model = ViT(DINOV2).eval()
    batch = images(50, 31)
    padded = torch.zeros(1, 3, 56, 42)
    padded[..., :50, :31] = batch
    for one, other in zip(model(batch), model(padded), strict=True):
        assert torch.equal(one, other)


def test_default_levels_are_quarters() -> None:
    for depth, expected in (
        (12, (2, 5, 8, 11)),
        (18, (3, 8, 12, 17)),
        (7, (0, 2, 4, 6)),
        (2, (0, 1)),
        (1, (0,)),
    ):
        model = ViT({**SMALL, 'depth': depth})
        assert model.out_indices == expected
        assert len(model.stages) == depth


def test_all_frozen_with_the_norm() -> None:
    model = ViT(SMALL, frozen_stages=4).train()
    assert not any(p.requires_grad for p in model.parameters())
    assert not model.norm.training
    assert ViT(SMALL, frozen_stages=3).norm.weight.requires_grad


@torch.no_grad()
def test_parallel_block_with_one_branch_is_serial() -> None:
    parallel = ViT(PARALLEL).eval()
    serial = ViT({**PARALLEL, 'blocks': 'serial'}).eval()
    state = parallel.state_dict()
    for name, tensor in state.items():
        if 'branches.1' in name and name.endswith('gamma'):
            tensor.zero_()
    serial.load_state_dict(
        {
            name.replace('branches.0.', ''): tensor
            for name, tensor in state.items()
            if 'branches.1' not in name
        }
    )
    batch = images(64, 80)
    for one, other in zip(parallel(batch), serial(batch), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    'arch', [SMALL, {**SMALL, 'registers': 2}, DINOV3], ids=str
)
@torch.no_grad()
def test_one_window_is_full_attention(arch: dict[str, Any]) -> None:
    full = ViT(arch).eval()
    windowed = ViT({**arch, 'window': 6, 'global_blocks': ()}).eval()
    windowed.load_state_dict(full.state_dict())
    for hw, equal in (((96, 96), True), ((64, 90), True), ((96, 112), False)):
        batch = images(*hw)
        levels = windowed(batch), full(batch)
        close = [
            torch.allclose(one, other, atol=1e-5)
            for one, other in zip(*levels, strict=True)
        ]
        assert all(close) == equal


@torch.no_grad()
def test_rotary_windows_are_turned_by_places_in_the_image() -> None:
    """Queries and keys of cells are those of full attention."""
    full = RotaryQKV(16, 2, bias=True)
    windowed = RotaryQKV(16, 2, bias=True, window=3)
    windowed.load_state_dict(full.state_dict())
    hw = 5, 7
    tokens = torch.randn(2, 35, 16)
    windows = to_windows(tokens.unflatten(1, hw), (3, 3))
    for whole, parts in zip(
        full(tokens, hw), windowed(windows, hw), strict=True
    ):
        expected = to_windows(whole.unflatten(1, hw), (3, 3))
        cells = to_windows(torch.ones(2, *hw, 1), (3, 3))
        torch.testing.assert_close(parts * cells, expected)


@torch.no_grad()
def test_windows_do_not_see_each_other_but_in_global_blocks() -> None:
    arch = {**SMALL, 'class_token': False, 'class_slot': False, 'window': 2}
    batch = images(64, 64)
    changed = batch.clone()
    changed[..., 32:, 32:] = 0  # the last of four windows
    for blocks, seen in (((), False), ((0,), True)):
        model = ViT({**arch, 'global_blocks': blocks}).eval()
        one, other = model(batch)[-1], model(changed)[-1]
        assert torch.equal(one[..., :2, :2], other[..., :2, :2]) != seen
    assert ViT(arch).arch.windowed == ()  # of four blocks each ends a quarter
    assert ViT({**arch, 'depth': 8}).arch.windowed == (0, 2, 4, 6)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'stem': 'hmpl'}, "stem='hmpl' must be one of .*'hmlp'"),
        (
            {'stem': 'hmlp', 'patch': 14},
            'patch=14 must be 16 with stem=',
        ),
        ({'positions': 'rotary'}, 'class_slot=True must be False'),
        ({'class_token': False}, 'class_slot=True .* class_token=False'),
        ({'window': 2, 'global_blocks': (1, 4)}, r'\(1, 4\).* from 0 to 3'),
        ({'global_blocks': (1,)}, 'global_blocks=.* None without window'),
        ({**DINOV3, 'heads': 8}, 'heads=8 .* a multiple of 4 of dim=16'),
        ({'blocks': 'cct2'}, "'serial', 'parallel', 'cct'"),
        ({'mlp': 'glu'}, "'mlp', 'swiglu'"),
        ({'resize': 'nearest'}, 'bicubic-antialias'),
        ({'position_px': 8}, 'position_px=8 must be 16 or more'),
        ({'layer_scale': -1}, 'layer_scale=-1'),
        ({'layerscale': 1}, 'unknown fields .*layerscale'),
    ],
)
def test_bad_mapping(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ViT({**SMALL, **change})
