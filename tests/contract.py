"""The backbone contract, tested once for every family.

A family's test class derives from ``BackboneContract`` and gives a small
arch; ``tests/backbones`` holds them.
"""

from typing import Any

import pytest
import torch
from mmengine.registry import MODELS
from torch import Tensor, nn

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
        # PVT adds keys' biases to all scores of a softmax alike: their
        # gradient is zero but for rounding, so only None is at fault there
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
            ({'frozen_stages': 7}, ValueError),
            ({'frozen_stages': -2}, ValueError),
            ({'init_cfg': {'type': 'NoSuchInit'}}, ValueError),
            ({'pretrain': 'typo'}, TypeError),
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
        model = self.build(in_channels=5).eval()
        with torch.no_grad():
            assert len(model(images(64, 64, channels=5))) == len(self.strides)

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

    @pytest.mark.usefixtures('nothing_compiled')
    def test_compile_without_graph_breaks(self) -> None:
        model = self.build().eval()
        compiled = torch.compile(
            model, fullgraph=True, dynamic=True, backend='eager'
        )
        with torch.no_grad():
            for hw in ((64, 64), (65, 97)):
                batch = images(*hw)
                for one, other in zip(
                    compiled(batch), model(batch), strict=True
                ):
                    torch.testing.assert_close(
                        one, other, rtol=1e-4, atol=1e-5
                    )

    @pytest.mark.usefixtures('nothing_compiled')
    def test_compiled_training_without_graph_breaks(self) -> None:
        model = self.build(drop_path_rate=0.0, with_cp=True).train()
        compiled = torch.compile(
            model, fullgraph=True, dynamic=True, backend='aot_eager'
        )
        batch = images(64, 96)
        grads = []
        for run in (model, compiled):
            model.zero_grad()
            sum(level.square().mean() for level in run(batch)).backward()
            grads.append([p.grad.clone() for p in model.parameters()])
        for one, other in zip(*grads, strict=True):
            scale = other.abs().max() + 1e-6
            assert (one - other).abs().max() < 1e-2 * scale

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
