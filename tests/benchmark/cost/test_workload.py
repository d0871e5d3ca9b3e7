"""What a worker runs: compiled parts, and comparisons with a plain form."""

from typing import Any

import pytest
import torch
from interpreter import check
from torch import Tensor, nn

from vitdense.benchmark.cost import workload
from vitdense.benchmark.cost.settings import Settings
from vitdense.benchmark.cost.workload import BackboneWorkload, StepWorkload

SMALL = Settings(height=8, width=8, batch=3)


class Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 2, 3)


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Options of ``torch.compile``, which leaves functions as they are."""
    calls: list[dict[str, Any]] = []

    def pretend(function: Any, **options: Any) -> Any:
        calls.append(options)
        return function

    monkeypatch.setattr(torch, 'compile', pretend)
    return calls


@pytest.fixture(autouse=True)
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        workload, 'build_backbone', lambda _: nn.Conv2d(3, 2, 3)
    )
    monkeypatch.setattr(workload, 'build_detector', lambda _: Detector())
    monkeypatch.setattr(workload, 'parse_detector', lambda _: None)
    monkeypatch.setattr(StepWorkload, '_sample', lambda _: None)


def test_backbone_is_compiled_and_still_counted(
    compiled: list[dict[str, Any]],
) -> None:
    work = BackboneWorkload('a.B', Settings(height=8, width=8, compiled=True))
    assert compiled == [dict(dynamic=False)]
    work.forward()
    assert work.macs() == 6 * 6 * 2 * 3 * 9


def test_of_a_detector_the_backbone_is_compiled(
    compiled: list[dict[str, Any]],
) -> None:
    work = StepWorkload('a.py', Settings(height=8, width=8, compiled=True))
    assert compiled == [dict(dynamic=False)]
    assert work.model._compiled_call_impl is None
    assert work.model.backbone._compiled_call_impl is not None


def test_deviation_is_that_of_every_image_in_full_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', True)
    seen: list[int] = []

    def plain(image: Tensor) -> tuple[Tensor]:
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
        seen.append(len(image))
        level = work.model(image)[0]
        # the last image alone deviates, in one value
        level.view(-1)[0] += 0.5 * (len(seen) == 3)
        return (level,)

    monkeypatch.setattr(workload, 'plain_form', lambda _: plain)
    work = BackboneWorkload('a.B', SMALL)
    work.model = nn.Sequential(work.model, Level())
    assert work.deviation() > 0.1
    assert seen == [1, 1, 1]
    assert torch.backends.cudnn.allow_tf32


def test_without_a_plain_form_nothing_deviates() -> None:
    assert BackboneWorkload('a.B', SMALL).deviation() is None


class Level(nn.Module):
    """A tuple of one level, as backbones give."""

    def forward(self, level: Tensor) -> tuple[Tensor]:
        return (level,)


def test_rows_of_others_do_not_hold_our_backbones() -> None:
    """What a row imports is part of the memory that it is measured by."""
    check(
        'import sys, vitdense.benchmark.cost.workload;'
        'held = {"vitdense.backbones", "vitdense.reference"};'
        'assert not held & set(sys.modules), held & set(sys.modules)'
    )
