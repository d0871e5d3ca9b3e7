"""The convolution of tokens, plain and as an operator for compilers."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitdense.layers import convolve as module
from vitdense.layers.token_conv import PatchConv, TokenConv
from vitdense.layers.tokens import to_map, to_tokens

HW = (9, 7)
# kernel, stride, padding, groups
CASES = pytest.mark.parametrize(
    'case', [(3, 1, 1, 4), (3, 2, 1, 1), (7, 4, 2, 1), (7, 4, 3, 1)]
)


@pytest.fixture(autouse=True)
def nothing_compiled() -> Iterator[None]:
    """Compilations count against PyTorch's limit."""
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch.compiler.reset()


def build(case: tuple[int, int, int, int], bias: bool = True) -> TokenConv:
    torch.manual_seed(0)
    kernel, stride, padding, groups = case
    return TokenConv(4, 8, kernel, stride, padding, groups, bias)


def tokens_of(hw: tuple[int, int] = HW, images: int = 2) -> Tensor:
    return torch.randn(images, hw[0] * hw[1], 4, requires_grad=True)


def reference(conv: TokenConv, tokens: Tensor, hw: tuple[int, int]) -> Tensor:
    return to_tokens(nn.Conv2d.forward(conv, to_map(tokens, hw)))


def compare(conv: nn.Module, run, tokens: Tensor, hw: tuple[int, int]) -> None:
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


@CASES
def test_compiled_at_symbolic_sizes(case: tuple[int, int, int, int]) -> None:
    conv = build(case)
    compiled = torch.compile(
        conv, fullgraph=True, dynamic=True, backend='aot_eager'
    )
    for hw in ((9, 7), (8, 12), (11, 5)):
        compare(conv, compiled, tokens_of(hw), hw)
    stats = torch._dynamo.utils.counters['stats']
    assert stats['unique_graphs'] == 1


@CASES
def test_operator_is_sound(case: tuple[int, int, int, int]) -> None:
    """Schema, shapes without data, and autograd, as PyTorch checks them."""
    conv = build(case)
    torch.library.opcheck(
        module._operator, (tokens_of(), HW, conv.weight, *case[1:])
    )


@pytest.mark.parametrize('frozen', ['tokens', 'weight'])
def test_only_the_gradients_asked_for(
    frozen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    conv, tokens = build((3, 1, 1, 4)), tokens_of()
    (tokens if frozen == 'tokens' else conv.weight).requires_grad_(False)
    asked = []
    backward = module._backward
    monkeypatch.setattr(
        module,
        '_backward',
        lambda *args: asked.append(args[-1]) or backward(*args),
    )
    result = module._operator(tokens, HW, conv.weight, 1, 1, 4)
    result.sum().backward()
    assert asked == [frozen == 'weight']  # whether it was that of the tokens


def test_compiled_under_autocast() -> None:
    conv, tokens = build((3, 1, 1, 4)), tokens_of()
    compiled = torch.compile(conv, fullgraph=True, backend='aot_eager')
    with torch.autocast('cpu', torch.bfloat16):
        result, expected = compiled(tokens, HW), conv(tokens, HW)
    assert result.dtype == expected.dtype == torch.bfloat16
    torch.testing.assert_close(result, expected, rtol=0.02, atol=0.02)
    result.float().sum().backward()
    assert tokens.grad.dtype == conv.weight.grad.dtype == torch.float32


@pytest.mark.parametrize('strict', [True, False])
def test_exported_as_a_plain_convolution(strict: bool) -> None:
    """A program for elsewhere must not need our operator."""
    conv = build((3, 1, 1, 4))
    program = torch.export.export(conv, (tokens_of(), HW), strict=strict)
    called = {str(node.target) for node in program.graph.nodes}
    assert any('conv' in name for name in called)
    assert not any('vitdense' in name for name in called)


@pytest.mark.parametrize('hw', [(8, 8), (9, 13), (4, 4)])
def test_patch_conv_is_a_convolution(hw: tuple[int, int]) -> None:
    conv = PatchConv(3, 5, 4)
    x = torch.randn(2, 3, *hw)
    expected = F.conv2d(x, conv.weight, conv.bias, stride=4)
    tokens = conv(to_tokens(x), hw)
    grid = conv.grid(hw[0]), conv.grid(hw[1])
    torch.testing.assert_close(to_map(tokens, grid), expected)
