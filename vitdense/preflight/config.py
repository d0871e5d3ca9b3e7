"""What options make of a config file."""

import copy
import os.path
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope

from vitdense.preflight.classification import check_installed
from vitdense.preflight.cli import named
from vitdense.preflight.keys import check_keys
from vitdense.preflight.kinds import (
    check_place,
    check_replaced,
    check_types,
)
from vitdense.preflight.options import CommonOptions
from vitdense.preflight.ready_configs import find_config
from vitdense.preflight.values import check_values

# What reads pictures densely: detection and segmentation.
DENSE = ('mmdet', 'mmseg')
# The visualization hook of each library that can be trained.
VISUALIZATION_HOOKS = {
    'mmdet': 'DetVisualizationHook',
    'mmseg': 'SegVisualizationHook',
    'mmpretrain': 'VisualizationHook',
}
# What keeps predictions in a pickle.
DUMPS = {'mmdet': 'DumpDetResults', 'mmpretrain': 'DumpResults'}
# What its Runner registers of itself.
MMENGINE_HOOKS = {
    *('runtime_info', 'timer', 'sampler_seed', 'logger'),
    *('param_scheduler', 'checkpoint'),
}


def load_config(
    options: CommonOptions, scopes: Iterable[str] = DENSE
) -> Config:
    """Read a config and what the options change in it.

    Args:
        options: The file and what is changed.
        scopes: Libraries that it may be written for.

    Raises:
        FileNotFoundError: If there is no such file, and no ready config of
            that name.
        ValueError: If it is written for none of them or for one that is not
            installed, or an option names a key that nothing reads.
    """
    path = str(find_config(options.config))
    before = Config.fromfile(path)
    cfg = copy.deepcopy(before)
    for key, value in options.cfg_options.items():
        with named(f'--cfg-options {key}'):
            check_place(cfg, key, value)
            _make_room(cfg, key, value)
            cfg.merge_from_dict({key: value})
    scope = cfg.get('default_scope')
    if scope not in scopes:
        raise ValueError(
            f'{path}: default_scope={scope!r} tells no task that is known '
            f'here; choose from {sorted(scopes)}'
        )
    if scope == 'mmpretrain':
        check_installed(path)
    init_default_scope(scope)
    check_replaced(before, cfg, options.cfg_options)
    check_types(cfg)
    check_keys(before, cfg, options.cfg_options)
    check_values(before, cfg, options.cfg_options)
    hooks = default_hooks(cfg)
    for name in set(hooks) - MMENGINE_HOOKS:
        if hooks[name] is None:  # mmengine lets only its own be taken away
            hooks.pop(name)
    cfg.launcher = options.launcher
    if options.work_dir is not None:
        cfg.work_dir = options.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = os.path.join('work_dirs', Path(path).stem)
    if options.compile:
        hook = ConfigDict(type='vitdense.CompileBackboneHook')
        cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), hook]
    return cfg


def _make_room(cfg: Config, key: str, value: Any) -> None:
    """Replace a None by a mapping where an option goes inside of it."""
    node: Any = cfg._cfg_dict
    parts = key.split('.')
    for part in parts if isinstance(value, Mapping) else parts[:-1]:
        if isinstance(node, dict):
            if node.get(part, 0) is None:
                node[part] = ConfigDict()
            node = node.get(part)
        elif isinstance(node, list | tuple) and part.isdigit():
            node = node[int(part)] if int(part) < len(node) else None
        else:
            break  # no such place: merging says so


def default_hooks(cfg: Config) -> ConfigDict:
    """The mapping of mmengine's own hooks, made if a config has none."""
    if cfg.get('default_hooks') is None:
        cfg.default_hooks = ConfigDict()
    return cfg.default_hooks


def type_name(kind: Any) -> str:
    """The name of a ``type``, which may be a class too."""
    return kind if isinstance(kind, str) else str(kind.__name__)


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


def set_visualization(
    cfg: Config, show: bool, show_dir: str | None, wait_time: float
) -> None:
    """Draw predictions: in a window, or to files under ``show_dir``."""
    hooks = default_hooks(cfg)
    kind = VISUALIZATION_HOOKS[cfg.default_scope]
    hook = hooks.setdefault('visualization', ConfigDict(type=kind))
    hook['enable' if kind == 'VisualizationHook' else 'draw'] = True
    if show:
        hook.show = True
        hook.wait_time = wait_time
    if show_dir is not None and cfg.default_scope == 'mmdet':
        # of a relative one it makes a folder of each run
        hook.test_out_dir = str(Path(show_dir).absolute())
    elif show_dir is not None and cfg.default_scope == 'mmpretrain':
        hook.out_dir = show_dir
    elif show_dir is not None:
        cfg.visualizer.save_dir = show_dir


def set_out(cfg: Config, out: str) -> None:
    """Keep predictions: mmseg's as label PNGs, others in a pickle.

    Raises:
        ValueError: If ``out`` is not the name of such a file or folder.
    """
    if cfg.default_scope in DUMPS:
        if not out.endswith(('.pkl', '.pickle')):
            raise ValueError(
                f'--out {out!r}: only for segmentation is it a folder; name '
                "a file that ends in one of ['.pickle', '.pkl']"
            )
        dump = ConfigDict(type=DUMPS[cfg.default_scope], out_file_path=out)
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
    if type_name(cfg.tta_model.type) == 'DetTTAModel' and 'segm' in str(
        metrics
    ):
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


def check_numbers(cfg: Config, splits: Sequence[str]) -> None:
    """See that there is something to do, for which mmengine does not ask.

    Raises:
        ValueError: If a batch, a run or an interval has no length.
    """
    counts = {
        f'train_cfg.{key}': (cfg.get('train_cfg') or {}).get(key)
        for key in ('max_epochs', 'max_iters', 'val_interval')
        if 'train' in splits
    }
    for split in splits:
        key = f'{split}_dataloader'
        counts[f'{key}.batch_size'] = (cfg.get(key) or {}).get('batch_size')
    for place, count in counts.items():
        if count is not None and not (isinstance(count, int) and count > 0):
            raise ValueError(f'{place}={count!r} is not a positive integer')
