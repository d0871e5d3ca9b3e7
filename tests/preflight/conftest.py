"""Trainings prepared as the tool prepares them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_runs import DETECTOR, small_shapes, where

from vitdense.preflight.options import TrainOptions
from vitdense.preflight.prepare import prepare_training
from vitdense.preflight.prepared import Prepared

__all__ = ['small_shapes']


@pytest.fixture
def prepare(small_shapes: Path, tmp_path: Path) -> Callable[..., Prepared]:
    """Prepare a training on the small data set; writes nothing."""
    work_dir = tmp_path / 'work'

    def run(config: Path = DETECTOR, /, **settings: Any) -> Prepared:
        """Args: a config, and settings with ``__`` in place of dots."""
        given = where(small_shapes, config)
        given |= {k.replace('__', '.'): v for k, v in settings.items()}
        given = {k: v for k, v in given.items() if v != 'left out'}
        options = TrainOptions(
            config=str(config), work_dir=str(work_dir), cfg_options=given
        )
        try:
            return prepare_training(options)
        finally:
            assert not work_dir.exists()

    return run
