"""The convolution of tokens, plain and as an operator for compilers."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vitdense.layers import convolve as module
from vitdense.layers.token_conv import TokenConv
from vitdense.layers.tokens import to_map, to_tokens

HW = (9, 7)
pytestmark = pytest.mark.usefixtures('nothing_compiled')

# kernel, stride, padding, groups
CASES = pytest.mark.parametrize(
    'case', [(3, 1, 1, 4), (3, 2, 1, 1), (7, 4, 2, 1), (7, 4, 3, 1)]
)


def build(case: tuple[int, int, int, int], bias: bool = True) -> TokenConv:
    torch.manual_seed(0)
    kernel, stride, padding, groups = case
    return TokenConv(4, 8, kernel, stride, padding, groups, bias)


def tokens_of(hw: tuple[int, int] = HW, images: int = 2) -> Tensor:
    return torch.randn(images, hw[0] * hw[1], 4, requires_grad=True)


def reference(conv: TokenConv, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
    return to_tokens(nn.Conv2d.forward(conv, to_map(tokens, hw)))


def compare(
    conv: TokenConv, run: Any, tokens: Tensor, hw: tuple[int, int]
) -> None:
    """Values and gradients of ``run`` against those of ``nn.Conv2d``."""
    learned = [tokens, *conv.parameters()]
    results = []
    for result in (run(tokens, hw), reference(conv, tokens, hw)):
        grads = torch.autograd.grad(result.sin().sum(), learned)
        results.append((result, *grads))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@CASES
@pytest.mark.parametrize('bias', [True, False])
def test_is_a_convolution(case: tuple[int, int, int, int], bias: bool) -> None:
    conv = build(case, bias)
    compare(conv, conv, tokens_of(), HW)
    cells = conv.grid(HW[0]) * conv.grid(HW[1])
    assert conv(tokens_of(), HW).shape == (2, cells, 8)


class Recorder:
    """A backend that runs graphs as they are and keeps what they call."""

    def __init__(self) -> None:
        self.graphs: list[set[str]] = []

    def __call__(self, graph: torch.fx.GraphModule, _: list[Tensor]):
        self.graphs.append({str(n.target) for n in graph.graph.nodes})
        return graph


@CASES
@pytest.mark.parametrize('bias', [True, False])
def test_compiled_at_symbolic_sizes(
    case: tuple[int, int, int, int], bias: bool
) -> None:
    conv = build(case, bias)
    recorder = Recorder()
    compiled = torch.compile(
        conv, fullgraph=True, dynamic=True, backend=recorder
    )
    lowered = torch.compile(
        conv, fullgraph=True, dynamic=True, backend='aot_eager'
    )
    for hw in ((9, 7), (8, 12), (11, 5)):
        compare(conv, compiled, tokens_of(hw), hw)
        compare(conv, lowered, tokens_of(hw), hw)
    assert len(recorder.graphs) == 1
    assert any('vitdense.convolve' in name for name in recorder.graphs[0])


@CASES
def test_operator_is_sound(case: tuple[int, int, int, int]) -> None:
    """Schema, shapes without data, and autograd, as PyTorch checks them."""
    conv = build(case)
    torch.library.opcheck(
        module._operator, (tokens_of(), *HW, conv.weight, *case[1:])
    )


@pytest.mark.parametrize('frozen', ['tokens', 'weight'])
def test_only_the_gradients_asked_for(
    frozen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv, tokens = build((3, 1, 1, 4)), tokens_of()
    (tokens if frozen == 'tokens' else conv.weight).requires_grad_(False)
    asked: list[bool] = []
    backward = module._backward

    def watched(*args: Any, of_tokens: bool) -> Any:
        asked.append(of_tokens)
        return backward(*args, of_tokens)

    monkeypatch.setattr(module, '_backward', watched)
    result = module._operator(tokens, *HW, conv.weight, 1, 1, 4)
    result.sum().backward()
    assert asked == [frozen == 'weight']  # whether it was that of the tokens


def test_compiled_under_autocast() -> None:
    conv, tokens = build((3, 1, 1, 4)), tokens_of()
    compiled = torch.compile(conv, fullgraph=True, backend='aot_eager')
    with torch.autocast('cpu', torch.bfloat16):
        result, expected = compiled(tokens, HW), conv(tokens, HW)
    assert result.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(result, expected, rtol=0.02, atol=0.02)
    learned = [tokens, conv.weight]
    for one, other in zip(
        torch.autograd.grad(result.float().square().mean(), learned),
        torch.autograd.grad(expected.float().square().mean(), learned),
        strict=True,
    ):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.005)


@pytest.mark.parametrize('strict', [True, False])
def test_exported_as_a_plain_convolution(strict: bool) -> None:
    """A program for elsewhere must not need our operator."""
    conv = build((3, 1, 1, 4))
    program = torch.export.export(conv, (tokens_of(), HW), strict=strict)
    called = {str(node.target) for node in program.graph.nodes}
    assert any('conv' in name for name in called)
    assert not any('vitdense' in name for name in called)
