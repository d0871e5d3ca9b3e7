"""Where broken images are noted, and what is said of them."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from vitdense.engine import BrokenImagesHook
from vitdense.engine.broken_images import NAME, summary, transforms


def test_summary_counts_each(tmp_path: Path) -> None:
    path = tmp_path / NAME
    assert summary(path) == 'no broken images were met'
    faults = ['a.jpg: cut', 'b.png: empty', 'a.jpg: cut']
    lines = [json.dumps({'path': f[:5], 'fault': f}) for f in faults]
    path.write_text('\n'.join(lines) + '\n')
    assert summary(path).splitlines() == [
        '2 broken images were left out:',
        '  a.jpg: cut (2 times)',
        '  b.png: empty (1 times)',
    ]


def nested() -> tuple[Any, list[Any]]:
    """Data sets inside of others, and their loading transforms."""
    loads = [SimpleNamespace(broken_list=None) for _ in range(2)]
    leaves = [
        SimpleNamespace(pipeline=SimpleNamespace(transforms=[load, object()]))
        for load in loads
    ]
    joined = SimpleNamespace(datasets=leaves)
    return SimpleNamespace(dataset=joined, pipeline=[object()]), loads


def test_transforms_of_nested_data_sets() -> None:
    dataset, loads = nested()
    found = list(transforms(dataset))
    assert len(found) == 5
    assert all(load in found for load in loads)


def test_a_new_run_forgets_what_an_old_one_met(tmp_path: Path) -> None:
    dataset, loads = nested()
    runner = SimpleNamespace(
        work_dir=str(tmp_path),
        train_dataloader=SimpleNamespace(dataset=dataset),
        _resume=True,
    )
    (tmp_path / NAME).write_text('')
    BrokenImagesHook().before_train(cast(Any, runner))
    assert (tmp_path / NAME).exists()
    runner._resume = False
    BrokenImagesHook().before_train(cast(Any, runner))
    assert not (tmp_path / NAME).exists()
    assert {load.broken_list for load in loads} == {str(tmp_path / NAME)}
