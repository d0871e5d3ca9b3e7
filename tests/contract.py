"""The backbone contract, tested once for every family.

A family's test class derives from ``BackboneContract`` and gives a small
arch; ``tests/backbones`` holds them.
"""

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.utils import parametrize

import vitdense  # noqa: F401
from vitdense.backbones.pyramid import PyramidBackbone

# Sizes at which existing implementations fail, and odd ones.
SIZES = (
    (64, 64),
    (65, 97),
    (33, 47),
    (32, 224),
    (125, 83),
)


class Adapter(nn.Module):
    """A Linear and a low-rank change beside it, as LoRA puts in its place."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(2, base.in_features) / 8)
        self.up = nn.Parameter(torch.randn(base.out_features, 2) / 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + F.linear(F.linear(x, self.down), self.up)


class Doubled(nn.Module):
    """A parametrization: twice the weight."""

    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


def linears(model: nn.Module) -> dict[str, nn.Linear]:
    """Every Linear, by name."""
    return {
        name: part
        for name, part in model.named_modules()
        if type(part) is nn.Linear
    }


def images(*hw: int, batch: int = 1, channels: int = 3) -> Tensor:
    """Random images of H x W pixels."""
    return torch.randn(batch, channels, *hw)


class BackboneContract:
    """Tests that any ``PyramidBackbone`` must pass.

    Attributes:
        registered: Registered name, with scope.
        arch: A mapping of a small arch, with every kind of part in it.
        strides: Strides of its levels.
        kernels: (kernel, stride, padding) of its patch embeddings.
    """

    registered: str
    arch: dict[str, Any]
    strides: tuple[int, ...]
    kernels: tuple[tuple[int, int, int], ...]

    def build(self, **options: Any) -> PyramidBackbone:
        torch.manual_seed(0)
        config = {'type': self.registered, 'arch': self.arch, **options}
        return MODELS.build(config)

    def cells(self, size: int) -> list[int]:
        """Cells of the levels along an axis, by convolution arithmetic."""
        cells = []
        for kernel, stride, padding in self.kernels:
            size = (size + 2 * padding - kernel) // stride + 1
            cells.append(size)
        return cells

    @pytest.mark.parametrize('hw', SIZES)
    def test_levels(self, hw: tuple[int, int]) -> None:
        model = self.build().eval()
        assert model.out_strides == self.strides
        with torch.no_grad():
            levels = model(images(*hw, batch=2))
        assert isinstance(levels, tuple)
        expected = [
            (2, channels, rows, cols)
            for channels, rows, cols in zip(
                model.out_channels,
                self.cells(hw[0]),
                self.cells(hw[1]),
                strict=True,
            )
        ]
        assert [tuple(level.shape) for level in levels] == expected
        assert all(level.isfinite().all() for level in levels)

    def test_min_size(self) -> None:
        model = self.build().eval()
        least = model.min_size
        with torch.no_grad():
            model(images(least, least))
            with pytest.raises(ValueError, match=f'{least} x {least}'):
                model(images(least - 1, 64))
            with pytest.raises(ValueError, match=f'{least} x {least}'):
                model(images(64, least - 1))

    def test_every_parameter_learns(self) -> None:
        model = self.build(drop_path_rate=0.0).train()
        sum(
            level.square().mean() for level in model(images(65, 97))
        ).backward()
        idle = [
            name
            for name, p in model.named_parameters()
            if p.requires_grad and (p.grad is None or not p.grad.any())
        ]
        # the bias of keys shifts all scores of a softmax alike: its gradient
        # is nothing but rounding, which is not zero in every channel
        assert not idle

    def test_samples_do_not_mix(self) -> None:
        model = self.build().eval()
        batch = images(64, 96, batch=3)
        with torch.no_grad():
            together = model(batch)
            alone = model(batch[1:2])
        for one, other in zip(together, alone, strict=True):
            torch.testing.assert_close(one[1:2], other, rtol=1e-4, atol=1e-5)

    def test_out_indices(self) -> None:
        full = self.build().eval()
        last = len(self.strides) - 2
        cut = self.build(out_indices=(0, last)).eval()
        assert len(cut.stages) == last + 1
        assert cut.out_channels == tuple(
            full.out_channels[i] for i in (0, last)
        )
        assert cut.out_strides == (self.strides[0], self.strides[last])
        cut.load_state_dict(
            {
                k: v
                for k, v in full.state_dict().items()
                if k in cut.state_dict()
            }
        )
        batch = images(64, 64)
        with torch.no_grad():
            expected, levels = full(batch), cut(batch)
        for index, level in zip((0, last), levels, strict=True):
            torch.testing.assert_close(level, expected[index])

    @pytest.mark.parametrize(
        ('option', 'error'),
        [
            ({'out_indices': (0, 9)}, ValueError),
            ({'out_indices': (-1,)}, ValueError),
            ({'out_indices': ()}, ValueError),
            ({'out_indices': (1, 0)}, ValueError),
            ({'out_indices': (1, 1)}, ValueError),
            ({'out_indices': 2}, TypeError),
            ({'arch': 'no-such-arch'}, ValueError),
            ({'arch': {'width': 3}}, ValueError),
            ({'arch': 3}, TypeError),
            ({'in_channels': 0}, ValueError),
            ({'drop_path_rate': 1.5}, ValueError),
            ({'drop_path_rate': '0.1'}, ValueError),
            ({'frozen_stages': 7}, ValueError),
            ({'frozen_stages': -2}, ValueError),
            ({'init_cfg': {'type': 'NoSuchInit'}}, ValueError),
            ({'pretrain': 'typo'}, TypeError),
            ({'in_channels': True}, ValueError),
            ({'frozen_stages': True}, ValueError),
            ({'out_indices': 2.5}, TypeError),
            ({'out_indices': (0.0, 1)}, ValueError),
            ({'norm_eval': 'False'}, TypeError),
            ({'with_cp': 1}, TypeError),
            ({'init_cfg': 3}, ValueError),
            ({'init_cfg': {'type': 'Pretrained'}}, ValueError),
        ],
    )
    def test_bad_arguments(
        self, option: dict[str, Any], error: type[Exception]
    ) -> None:
        name, value = next(iter(option.items()))
        named = repr(value) if not isinstance(value, dict) else ''
        with pytest.raises(error) as caught:
            self.build(**option).init_weights()
        message = str(caught.value)
        assert name in message or named in message

    def test_in_channels(self) -> None:
        model = self.build(in_channels=5).train()
        batch = images(64, 64, channels=5).requires_grad_()
        levels = model(batch)
        sum(level.square().mean() for level in levels).backward()
        # every channel is read
        assert batch.grad.abs().sum((0, 2, 3)).gt(0).all()
        assert model.out_channels == self.build().out_channels
        for batch in (images(64, 64), images(64, 64, channels=5)[0]):
            with pytest.raises(ValueError, match=r'takes \(B, 5, H, W\)'):
                model(batch)

    @pytest.mark.parametrize(
        ('field', 'value'),
        [
            ('dims', None),
            ('dims', ()),
            ('heads', (3,)),
            ('depths', 2),
            ('drop_path_rate', 2.5),
        ],
    )
    def test_bad_fields(self, field: str, value: Any) -> None:
        with pytest.raises(ValueError, match=f'{field}='):
            self.build(arch={**self.arch, field: value}, drop_path_rate=None)

    def test_heads_that_do_not_divide(self) -> None:
        heads = tuple(dim + 1 for dim in self.arch['dims'])
        arch = {**self.arch, 'heads': heads}
        with pytest.raises(ValueError, match='heads'):
            self.build(arch=arch)

    @pytest.mark.parametrize('frozen', [0, 1, 2])
    def test_frozen_stays_frozen(self, frozen: int) -> None:
        model = self.build(frozen_stages=frozen).eval().train()
        parts = [model.stages[0].patch_embed, *model.stages[:frozen]]
        held = {id(p) for part in parts for p in part.parameters()}
        learned = [p for p in model.parameters() if p.requires_grad]
        assert held
        assert learned
        assert held.isdisjoint(id(p) for p in learned)
        assert not any(m.training for part in parts for m in part.modules())
        before = [p.clone() for part in parts for p in part.parameters()]
        statistics = [b.clone() for part in parts for b in part.buffers()]
        sum(
            level.mean() for level in model(images(64, 64, batch=2))
        ).backward()
        torch.optim.SGD(learned, 1.0).step()
        after = [p for part in parts for p in part.parameters()]
        assert all(map(torch.equal, before, after))
        after = [b for part in parts for b in part.buffers()]
        assert all(map(torch.equal, statistics, after))

    def test_norm_eval(self) -> None:
        model = self.build(norm_eval=True).train()
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        assert not any(norm.training for norm in norms)
        assert model.stages[-1].training

    @pytest.mark.parametrize('norm_eval', [False, True])
    @pytest.mark.parametrize('with_cp', [False, True])
    @pytest.mark.parametrize('banded', [False, True])
    def test_gradients_are_laid_out_as_weights(
        self,
        banded: bool,
        with_cp: bool,
        norm_eval: bool,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Else DDP warns, of axes of size 1 too."""
        if banded:
            monkeypatch.setattr('vitdense.layers.bands.BAND_VALUES', 2000)
            monkeypatch.setattr('vitdense.layers.bands.KEPT_VALUES', 0)
        model = self.build(with_cp=with_cp, norm_eval=norm_eval).train()
        levels = model(images(64, 64, batch=2))
        sum(level.square().mean() for level in levels).backward()
        strides = {
            name: (p.grad.stride(), p.stride())
            for name, p in model.named_parameters()
            if p.grad is not None
        }
        assert strides
        assert not [n for n, (one, other) in strides.items() if one != other]

    @pytest.fixture(params=[False, True], ids=['eval', 'train'])
    def in_bands(
        self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> PyramidBackbone:
        """A backbone whose maps all run in bands of a few rows."""
        monkeypatch.setattr('vitdense.layers.bands.BAND_VALUES', 2000)
        monkeypatch.setattr('vitdense.layers.bands.KEPT_VALUES', 0)
        model = self.build(drop_path_rate=0.0, norm_eval=True)
        return model.double().train(request.param)

    def test_hooks_see_every_linear(self, in_bands: PyramidBackbone) -> None:
        seen: dict[str, Tensor] = {}

        def listen(name: str) -> Any:
            def hook(module: nn.Module, args: Any, output: Tensor) -> None:
                assert name not in seen  # once, as a whole
                seen[name] = output

            return hook

        for name, part in linears(in_bands).items():
            part.register_forward_hook(listen(name))
        torch.manual_seed(3)
        batch = images(64, 96).double()
        watched = in_bands(batch)
        assert seen.keys() == linears(in_bands).keys()
        kept = {name: output.clone() for name, output in seen.items()}
        for part in linears(in_bands).values():
            part._forward_hooks.clear()
        for one, other in zip(watched, in_bands(batch), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        # nobody has written over what a hook was given
        assert all(torch.equal(seen[name], kept[name]) for name in seen)

    def test_adapters_act_on_every_linear(
        self, in_bands: PyramidBackbone
    ) -> None:
        batch = images(64, 96).double()
        merged = copy.deepcopy(in_bands)
        adapters = {}
        for name, part in linears(in_bands).items():
            adapters[name] = Adapter(part).double()
            parent, _, own = name.rpartition('.')
            setattr(in_bands.get_submodule(parent), own, adapters[name])
            with torch.no_grad():
                change = adapters[name].up @ adapters[name].down
                merged.get_submodule(name).weight += change
        results = []
        for model in (in_bands, merged):
            levels = model(batch)
            sum(level.square().mean() for level in levels).backward()
            results.append(levels)
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
        for name, adapter in adapters.items():
            grad = merged.get_submodule(name).weight.grad
            scale = grad.abs().max() + 1e-6
            for got, wanted in (
                (adapter.base.weight.grad, grad),
                (adapter.up.grad, grad @ adapter.down.T),
                (adapter.down.grad, adapter.up.T @ grad),
            ):
                assert (got - wanted).abs().max() < 1e-3 * scale, name

    def test_parametrizations_act_on_every_linear(
        self, in_bands: PyramidBackbone
    ) -> None:
        batch = images(64, 96).double()
        expected = copy.deepcopy(in_bands)
        for name, part in linears(in_bands).items():
            with torch.no_grad():
                expected.get_submodule(name).weight *= 2
            parametrize.register_parametrization(part, 'weight', Doubled())
        results = []
        for model in (in_bands, expected):
            levels = model(batch)
            sum(level.square().mean() for level in levels).backward()
            results.append(levels)
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
        for name in linears(expected):
            grad = expected.get_submodule(name).weight.grad
            part = in_bands.get_submodule(name)
            got = part.parametrizations.weight.original.grad
            assert (
                got - 2 * grad
            ).abs().max() < 1e-3 * grad.abs().max() + 1e-6

    def test_checkpointing_gives_the_same_numbers(self) -> None:
        plain, saving = self.build(), self.build(with_cp=True)
        batch = images(64, 96, batch=2)
        results = []
        for model in (plain.train(), saving.train()):
            torch.manual_seed(1)
            levels = model(batch)
            sum(level.square().mean() for level in levels).backward()
            results.append(levels)
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other)
        for one, other in zip(
            plain.parameters(), saving.parameters(), strict=True
        ):
            if one.requires_grad:
                torch.testing.assert_close(one.grad, other.grad)

    def test_autocast(self) -> None:
        model = self.build(drop_path_rate=0.0).train()
        batch = images(65, 97)
        exact = model(batch)
        with torch.autocast('cpu', torch.bfloat16):
            levels = model(batch)
            loss = sum(level.float().square().mean() for level in levels)
        loss.backward()
        for one, other in zip(levels, exact, strict=True):
            assert (one - other).abs().mean() < 0.1 * other.std()
        assert all(
            p.grad is not None and p.grad.isfinite().all()
            for p in model.parameters()
            if p.requires_grad
        )

    # A square comes first in one: its sides are one symbol, so that other
    # images need a second graph. Training below is compiled in `make test`.
    @pytest.mark.slow
    @pytest.mark.usefixtures('nothing_compiled')
    @pytest.mark.parametrize(
        'sizes',
        [
            ((64, 96), (65, 97), (64, 64)),
            pytest.param(((64, 64), (65, 97)), marks=pytest.mark.soak),
        ],
    )
    def test_compile_without_graph_breaks(
        self, sizes: tuple[tuple[int, int], ...]
    ) -> None:
        model = self.build().eval()
        compiled = torch.compile(
            model, fullgraph=True, dynamic=True, backend='eager'
        )
        with torch.no_grad():
            for hw in sizes:
                batch = images(*hw)
                for one, other in zip(
                    compiled(batch), model(batch), strict=True
                ):
                    torch.testing.assert_close(
                        one, other, rtol=1e-4, atol=1e-5
                    )
        assert torch._dynamo.utils.counters['stats']['unique_graphs'] <= 2

    # Tracing the backward pass at symbolic sizes takes half a minute.
    @pytest.mark.usefixtures('nothing_compiled')
    @pytest.mark.parametrize(
        'dynamic', [False, pytest.param(True, marks=pytest.mark.soak)]
    )
    def test_compiled_training_without_graph_breaks(
        self, dynamic: bool
    ) -> None:
        # twice the precision: of a bias before a BatchNorm the gradient is 0,
        # or what rounding leaves of it
        model = self.build(drop_path_rate=0.0, with_cp=True).train().double()
        compiled = torch.compile(
            model, fullgraph=True, dynamic=dynamic, backend='aot_eager'
        )
        batch = images(64, 96).double()
        grads = []
        for run in (model, compiled):
            model.zero_grad()
            sum(level.square().mean() for level in run(batch)).backward()
            grads.append([p.grad.clone() for p in model.parameters()])
        for one, other in zip(*grads, strict=True):
            scale = other.abs().max() + 1e-6
            assert (one - other).abs().max() < 1e-6 * scale

    def test_export(self) -> None:
        model = self.build().eval()
        batch = images(64, 96)
        program = torch.export.export(model, (batch,))
        for one, other in zip(
            program.module()(batch), model(batch), strict=True
        ):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)

    def test_state_dict_round_trip(self) -> None:
        model, other = self.build().eval(), self.build().eval()
        for p in other.parameters():
            p.data.normal_()
        other.load_state_dict(model.state_dict())
        batch = images(64, 64)
        with torch.no_grad():
            for one, two in zip(model(batch), other(batch), strict=True):
                assert torch.equal(one, two)
