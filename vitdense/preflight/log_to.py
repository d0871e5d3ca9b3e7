"""TensorBoard and the like: named by one option, or by a config."""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mmengine.config import Config, ConfigDict

from vitdense.preflight.config import default_hooks, type_name

RESUMABLE = 'ResumableTensorboardVisBackend'
# what `--log-to` may name, and mmengine's backends
CHOICES = ('tensorboard', 'wandb', 'mlflow')
# by the module that a backend imports when it writes first
PACKAGES = MappingProxyType(
    {
        RESUMABLE: 'tensorboard',
        'TensorboardVisBackend': 'tensorboard',
        'WandbVisBackend': 'wandb',
        'MLflowVisBackend': 'mlflow',
        'ClearMLVisBackend': 'clearml',
        'NeptuneVisBackend': 'neptune',
        'DVCLiveVisBackend': 'dvclive',
        'AimVisBackend': 'aim',
    }
)


def set_log_to(cfg: Config, chosen: Sequence[str]) -> None:
    """Log a training there too, and see that this is possible.

    Args:
        cfg: Changed in place. Its own ``visualizer.vis_backends`` stay, and
            are checked too.
        chosen: Of ``CHOICES``.

    Raises:
        ModuleNotFoundError: If a package is missing, with what installs it.
    """
    name = Path(cfg.work_dir).resolve().name
    settings: dict[str, dict[str, Any]] = {
        'tensorboard': {'type': f'vitdense.{RESUMABLE}'},
        # each start is a run of its own, in one group
        'wandb': {
            'type': 'WandbVisBackend',
            'init_kwargs': {'project': 'vitdense', 'group': name},
        },
        'mlflow': {
            'type': 'MLflowVisBackend',
            'exp_name': name,
            **_mlflow_store(Path(cfg.work_dir).resolve().parent),
        },
    }
    there = {_kind(each) for each in _backends(cfg)}
    added = [
        ConfigDict(settings[each])
        for each in dict.fromkeys(chosen)
        if _kind(settings[each]) not in there
    ]
    if added:
        cfg.visualizer.vis_backends = [*_backends(cfg), *added]
    kinds = {_kind(each) for each in _backends(cfg)}
    for kind in kinds & PACKAGES.keys():
        _check_installed(PACKAGES[kind], kind)
    if RESUMABLE in kinds:
        default_hooks(cfg).tensorboard = ConfigDict(
            type='vitdense.ResumableTensorboardHook'
        )


def drop_loggers(cfg: Config) -> None:
    """Leave what a training was logged to: a test has nothing for it."""
    if 'visualizer' in cfg:
        cfg.visualizer.vis_backends = [
            each for each in _backends(cfg) if _kind(each) not in PACKAGES
        ]
    default_hooks(cfg).pop('tensorboard', None)


def _mlflow_store(folder: Path) -> dict[str, str]:
    """Where MLflow keeps runs: as its variable says, or in a database.

    mmengine would take its store of plain files, which MLflow has given up.
    """
    named = os.environ.get('MLFLOW_TRACKING_URI')
    if named:
        return {'tracking_uri': named}
    return {
        'tracking_uri': f'sqlite:///{folder}/mlflow.db',
        'artifact_location': str(folder / 'mlruns' / 'artifacts'),
    }


def _backends(cfg: Config) -> list[ConfigDict]:
    found = (cfg.get('visualizer') or {}).get('vis_backends') or []
    return [found] if isinstance(found, dict) else list(found)


def _kind(backend: Mapping[str, Any]) -> str:
    return type_name(backend['type']).rpartition('.')[2]


def _check_installed(package: str, backend: str) -> None:
    try:
        import_module(package)
    except ImportError as error:
        raise ModuleNotFoundError(
            f'{backend} (visualizer.vis_backends, or --log-to) cannot import '
            f'{package!r}: pip install {package} ({error})'
        ) from error
