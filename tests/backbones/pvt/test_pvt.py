"""PVT: contract, golden outputs, parameter counts, sizes."""

from collections.abc import Callable

import pytest
import torch
from contract import BackboneContract, images
from golden import assert_golden, golden_images

from vitdense.backbones.pvt import PVT
from vitdense.backbones.pvt.archs import ARCHS

SMALL = {
    'dims': (8, 16, 16, 24),
    'depths': (2, 1, 1, 1),
    'heads': (1, 2, 2, 3),
    'mlp_ratios': (4, 4, 2, 2),
}


class TestPVTv1(BackboneContract):
    registered = 'vitdense.PVT'
    arch = {'design': 'v1', **SMALL}  # noqa: RUF012
    strides = (4, 8, 16, 32)
    kernels = ((4, 4, 0), (2, 2, 0), (2, 2, 0), (2, 2, 0))


class TestPVTv2(BackboneContract):
    registered = 'vitdense.PVT'
    arch = {'design': 'v2', **SMALL}  # noqa: RUF012
    strides = (4, 8, 16, 32)
    kernels = ((7, 4, 3), (3, 2, 1), (3, 2, 1), (3, 2, 1))


class TestPVTv2Linear(TestPVTv2):
    arch = {'design': 'v2-li', **SMALL}  # noqa: RUF012


OFFICIAL = {
    'pvt_tiny': 'tiny',
    'pvt_v2_b0': 'v2-b0',
    'pvt_v2_b2_li': 'v2-b2-li',
}


@pytest.fixture(scope='module')
def official(
    request: pytest.FixtureRequest, official_file: Callable[[str], str]
) -> PVT:
    """The arch of an official file, with the documented weights."""
    config = {
        'type': 'Pretrained',
        'checkpoint': official_file(request.param),
    }
    model = PVT(OFFICIAL[request.param], drop_path_rate=0.0, init_cfg=config)
    model.init_weights()
    return model


@pytest.mark.parametrize(
    ('official', 'golden'),
    [
        ('pvt_tiny', 'pvt_tiny_224x224'),
        ('pvt_tiny', 'pvt_tiny_96x128'),
        ('pvt_v2_b0', 'pvt_v2_b0_96x128'),
        ('pvt_v2_b0', 'pvt_v2_b0_97x131'),
        ('pvt_v2_b2_li', 'pvt_v2_b2_li_256x320'),
    ],
    indirect=['official'],
)
@pytest.mark.parametrize('train', [False, True])
def test_golden(official: PVT, golden: str, train: bool) -> None:
    height, width = golden.rpartition('_')[2].split('x')
    with torch.set_grad_enabled(train):
        levels = official.train(train)(
            golden_images((int(height), int(width)))
        )
    assert_golden(levels, golden)


# Detection backbones in millions, by running the official code
PARAMETERS = {
    'tiny': 12.715,
    'small': 23.971,
    'medium': 43.694,
    'large': 60.855,
    'v2-b0': 3.410,
    'v2-b1': 13.496,
    'v2-b2': 24.850,
    'v2-b2-li': 22.041,
    'v2-b3': 44.726,
    'v2-b4': 62.043,
    'v2-b5': 81.443,
}


@pytest.mark.parametrize('arch', sorted(ARCHS))
def test_parameters(arch: str) -> None:
    with torch.device('meta'):
        model = PVT(arch)
    count = sum(p.numel() for p in model.parameters())
    if ARCHS[arch].design == 'v1':
        # the class token's slot in the official last position embedding
        count += model.out_channels[-1]
    assert round(count / 1e6, 3) == PARAMETERS[arch]


@pytest.mark.parametrize('arch', ['tiny', 'v2-b0'])
@pytest.mark.parametrize(
    'hw', [(448, 448), (896, 896), (224, 896), (500, 333), (250, 333)]
)
def test_sizes(arch: str, hw: tuple[int, int]) -> None:
    with torch.device('meta'):
        levels = PVT(arch)(torch.empty(1, 3, *hw))
    rounded = (hw[0] // 4, hw[1] // 4)
    if arch == 'v2-b0':
        rounded = (-(-hw[0] // 4), -(-hw[1] // 4))
    assert tuple(levels[0].shape[2:]) == rounded
    assert len(levels) == 4


def test_published_sizes_of_33_pixels() -> None:
    for arch, cells in (('tiny', [8, 4, 2, 1]), ('v2-b0', [9, 5, 3, 2])):
        with torch.no_grad():
            levels = PVT(arch).eval()(images(33, 33))
        assert [level.shape[-1] for level in levels] == cells


def test_drop_path_ramps_across_stages() -> None:
    model = PVT('v2-b2', drop_path_rate=0.3, out_indices=(0, 1))
    rates = [
        block.drop_path.rate
        for stage in model.stages
        for block in stage.blocks
    ]
    # 16 blocks in the whole arch, whichever stages are built
    assert rates == pytest.approx([0.3 * i / 15 for i in range(7)])


def test_detection_drop_path() -> None:
    for arch, rate in (('small', 0.1), ('medium', 0.0), ('v2-b5', 0.1)):
        with torch.device('meta'):
            model = PVT(arch)
        assert model.stages[-1].blocks[-1].drop_path.rate == rate


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'design': 'v3'}, "'v3'.*'v2-li'"),
        ({'dims': (8, 16)}, 'depths'),
        ({'heads': (3, 2, 2, 3)}, r'heads=\(3, .* must divide dims'),
        ({'depths': (2, 1, 0, 1)}, 'depths'),
        ({'dephts': (1, 1, 1, 1)}, 'dephts'),
        ({'position_px': 8}, 'position_px=8.*32'),
        ({'position_px': 224.0}, 'position_px=224.0'),
    ],
)
def test_bad_mapping(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PVT({'design': 'v1', **SMALL, **change})
