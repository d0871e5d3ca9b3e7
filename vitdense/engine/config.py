"""From a config file and options to what mmengine's Runner is given."""

import os.path
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import RUNNERS, init_default_scope
from mmengine.runner import Runner, find_latest_checkpoint

# The visualization hook of each library that a config may be written for.
VISUALIZATION_HOOKS = {
    'mmdet': 'DetVisualizationHook',
    'mmseg': 'SegVisualizationHook',
}


def load_config(
    path: str,
    work_dir: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    launcher: str = 'none',
) -> Config:
    """Read a config and what the command line changes in it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is written for neither mmdet nor mmseg.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'no config at {path!r}')
    cfg = Config.fromfile(path)
    if cfg_options:
        cfg.merge_from_dict(dict(cfg_options))
    scope = cfg.get('default_scope')
    if scope not in VISUALIZATION_HOOKS:
        raise ValueError(
            f'{path}: default_scope={scope!r} tells no task; choose from '
            f'{sorted(VISUALIZATION_HOOKS)}'
        )
    init_default_scope(scope)
    cfg.launcher = launcher
    if work_dir is not None:
        cfg.work_dir = work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(path).stem)
    return cfg


def set_resume(cfg: Config, resume: str | None) -> None:
    """Resume from a path, or with ``'auto'`` from the latest checkpoint.

    Raises:
        FileNotFoundError: If there is nothing to resume from.
    """
    if resume is None:
        return
    if resume == 'auto':
        found = None
        if Path(cfg.work_dir, 'last_checkpoint').is_file():
            found = find_latest_checkpoint(cfg.work_dir)
        if found is None:
            raise FileNotFoundError(
                f'--resume: no checkpoint in work_dir {cfg.work_dir!r}; '
                'name one with --resume PATH, or leave --resume out'
            )
        resume = found
    if not Path(resume).is_file():
        raise FileNotFoundError(f'--resume: no checkpoint at {resume!r}')
    cfg.resume = True
    cfg.load_from = resume


def set_auto_scale_lr(cfg: Config) -> None:
    """Scale the learning rate by the batch size that training really has.

    Raises:
        ValueError: If the config does not say which batch size it is for.
    """
    settings = cfg.get('auto_scale_lr') or {}
    if 'base_batch_size' not in settings:
        raise ValueError(
            '--auto-scale-lr: the config has no auto_scale_lr.base_batch_size'
        )
    settings['enable'] = True


def set_compile(cfg: Config) -> None:
    """Compile the backbone before training or testing starts."""
    hook = ConfigDict(type='vitdense.CompileBackboneHook')
    cfg.custom_hooks = [*cfg.get('custom_hooks', []), hook]


def set_visualization(
    cfg: Config, show: bool, show_dir: str | None, wait_time: float
) -> None:
    """Draw predictions: in a window, or to files under ``show_dir``."""
    hooks = cfg.setdefault('default_hooks', ConfigDict())
    kind = VISUALIZATION_HOOKS[cfg.default_scope]
    hook = hooks.setdefault('visualization', ConfigDict(type=kind))
    hook.draw = True
    if show:
        hook.show = True
        hook.wait_time = wait_time
    if show_dir is not None and cfg.default_scope == 'mmdet':
        hook.test_out_dir = show_dir
    elif show_dir is not None:
        cfg.visualizer.save_dir = show_dir


def set_out(cfg: Config, out: str) -> None:
    """Keep predictions: mmdet's in a pickle, mmseg's as label PNGs.

    Raises:
        ValueError: If ``out`` is not the name of such a file or folder.
    """
    if cfg.default_scope == 'mmdet':
        if not out.endswith(('.pkl', '.pickle')):
            raise ValueError(
                f'--out {out!r}: for detection, name a file that ends in one '
                "of ['.pickle', '.pkl']"
            )
        dump = ConfigDict(type='DumpDetResults', out_file_path=out)
        cfg.test_evaluator = [*evaluators(cfg, 'test'), dump]
        return
    if Path(out).is_file():
        raise ValueError(
            f'--out {out!r}: for segmentation, name a folder; this is a file'
        )
    for evaluator in evaluators(cfg, 'test'):
        evaluator.output_dir = out


def set_tta(cfg: Config) -> None:
    """Test each image several times, as ``tta_model`` and its pipeline say.

    Raises:
        ValueError: If the config has none, or its metric needs masks, which
            mmdet does not merge.
    """
    missing = [key for key in ('tta_model', 'tta_pipeline') if key not in cfg]
    if missing:
        raise ValueError(
            f'--tta: the config has no {" and no ".join(missing)}'
        )
    metrics = [
        evaluator.get('metric') for evaluator in evaluators(cfg, 'test')
    ]
    if cfg.tta_model.type == 'DetTTAModel' and 'segm' in str(metrics):
        raise ValueError(
            "--tta: mmdet's DetTTAModel merges boxes, not masks, and "
            f"test_evaluator.metric is {metrics}; choose 'bbox'"
        )
    for dataset in leaf_datasets(cfg, 'test').values():
        dataset.pipeline = cfg.tta_pipeline
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def evaluators(cfg: Config, split: str) -> list[ConfigDict]:
    """The evaluators of a split, however the config writes them."""
    found = cfg.get(f'{split}_evaluator') or []
    return [found] if isinstance(found, dict) else list(found)


def leaf_datasets(cfg: Config, split: str) -> dict[str, ConfigDict]:
    """Where in the config a split's data sets are, inside any wrappers."""
    loader = cfg.get(f'{split}_dataloader') or {}
    found: dict[str, ConfigDict] = {}

    def walk(node: ConfigDict, place: str) -> None:
        inner = node.get('datasets') or node.get('dataset')
        if inner is None:
            found[place] = node
        elif isinstance(inner, dict):
            walk(inner, f'{place}.dataset')
        else:
            for index, each in enumerate(inner):
                walk(each, f'{place}.datasets.{index}')

    if 'dataset' in loader:
        walk(loader['dataset'], f'{split}_dataloader.dataset')
    return found


def build_runner(cfg: Config) -> Runner:
    """Build mmengine's Runner; this makes the work folder."""
    if 'runner_type' in cfg:
        runner: Runner = RUNNERS.build(cfg)
        return runner
    return Runner.from_cfg(cfg)
