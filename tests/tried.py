"""Properties over many cases: a few in every run, many in the slow one."""

import functools
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis.strategies import SearchStrategy

# Another number in the environment tries other cases.
SEED = int(os.environ.get('TRIED_SEED', '1'))
Check = Callable[..., None]


def few(check: Check, cases: SearchStrategy[Any], count: int) -> Check:
    """A test of always the same cases.

    The check takes the case as ``case``, and fixtures wider than a test.
    """
    return _settings(count, derandomize=True)(given(case=cases)(check))


def many(check: Check, cases: SearchStrategy[Any], count: int) -> Check:
    """A test, marked slow, of cases that the seed determines."""

    @functools.wraps(check)
    def telling(*args: Any, **fixtures: Any) -> None:
        note(f'TRIED_SEED={SEED} pytest -m slow repeats this')
        check(*args, **fixtures)

    test = _settings(count, database=None)(given(case=cases)(telling))
    return pytest.mark.slow(seed(SEED)(test))


def _settings(count: int, **more: Any) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        **more,
    )
