"""What reads the keys of a config's mappings.

What is built from a mapping takes its keys as parameters; what a class hands
on as ``**kwargs`` is followed to its base classes. A mapping that nothing is
built from (``test_cfg``, ``filter_cfg``, ``data_prefix``) is an argument of
what stands around it, whose code reads it key by key.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Set
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mmengine import registry as registries
from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import LogProcessor, Runner, ValLoop
from mmengine.runner.loops import EpochBasedTrainLoop, IterBasedTrainLoop
from mmengine.utils.dl_utils import set_multi_processing
from torch.distributed import init_process_group
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

# Read at any place, or at the top level by our tools and by mmengine's.
ANYWHERE = {'type', '_delete_', '_scope_'}
TOOLS = {'custom_imports', 'runner_type', 'tta_model', 'tta_pipeline'}
PACKAGES = {'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain', 'vitdense'}
LOADER = {
    *('dataset', 'num_batch_per_epoch', 'disable_subprocess_warning'),
    *('worker_init_fn', 'collate_fn', 'sampler', 'batch_sampler'),
}


def _environment(
    *,
    cudnn_benchmark: bool,
    mp_cfg: Mapping[str, Any],
    dist_cfg: Mapping[str, Any],
    resource_limit: int,
) -> None:
    """What ``Runner.setup_env`` reads of its one argument."""


def _of_parameters(*, lr_mult: float, decay_mult: float) -> None:
    """What optimizer constructors read for the parameters of one name."""


def _scaling(*, base_batch_size: int, enable: bool) -> None:
    """What ``Runner.scale_lr`` reads of its one argument."""


def _other_hooks() -> None:
    """Of hooks that a config has not yet, it takes whole ones alone."""


# Places whose reader no ``type`` tells, or takes more than its parameters:
# a pattern of the place, what reads it, and further names.
READERS: tuple[tuple[str, tuple[Callable[..., Any], ...], set[str]], ...] = (
    (r'(train|val|test)_dataloader', (DataLoader,), LOADER),
    (r'train_cfg', (EpochBasedTrainLoop, IterBasedTrainLoop), {'by_epoch'}),
    (r'(val|test)_cfg', (ValLoop,), set()),
    (
        r'optim_wrapper',
        (OptimWrapper,),
        {'constructor', 'paramwise_cfg', 'optimizer'},
    ),
    (r'optim_wrapper\.clip_grad', (clip_grad_norm_, clip_grad_value_), set()),
    (r'param_scheduler(\.\d+)?', (), {'convert_to_iter_based'}),
    (r'default_hooks', (_other_hooks,), set()),
    (r'(default_hooks|custom_hooks)\.\w+', (), {'priority'}),
    (r'auto_scale_lr', (_scaling,), set()),
    (r'log_processor', (LogProcessor,), set()),
    (r'randomness', (Runner.set_randomness,), set()),
    (r'env_cfg', (_environment,), set()),
    (r'env_cfg\.mp_cfg', (set_multi_processing,), set()),
    (r'env_cfg\.dist_cfg', (init_dist, init_process_group), set()),
    (r'.*\bcustom_keys\..+', (_of_parameters,), set()),
    # taken out before the rest is built
    (r'.*\bloss_cls', (), {'bg_cls_weight'}),
    (r'.*\bdcn', (), {'fallback_on_stride'}),
    (r'.*\bnorm_cfg', (), {'requires_grad', 'num_groups'}),
    (r'.*\binit_cfg(\.\d+)?', (), {'override'}),
)
# From what is built to a function that is given a part of its mapping.
STEPS = 2
ROOTS = [v for v in vars(registries).values() if isinstance(v, Registry)]


@cache
def top_level() -> set[str]:
    """What mmengine's Runner and our tools read at a config's top level."""
    source = inspect.getsource(sys.modules[Runner.__module__])
    return {
        *TOOLS,
        *parameters(Runner)[0],
        *re.findall(r"(?<!\w)cfg\.get\(\s*'(\w+)'", source),
    } - {'cfg'}


def read_at_top(key: str, cfg: Config) -> bool:
    """Whether the Runner takes it, or any code asks ``runner.cfg`` for it."""
    packages = frozenset({*PACKAGES, *_imported(cfg)})
    return key in top_level() or key in _asked_of_runner(packages)


@cache
def _asked_of_runner(packages: frozenset[str]) -> set[str]:
    asked = re.compile(r'runner\.cfg(?:\.get\(\s*[\'"]|\.|\[[\'"])(\w+)')
    return {
        key for path in _paths(packages) for key in asked.findall(_text(path))
    }


def unread(cfg: Config) -> list[str]:
    """Names at the top level that nothing reads any more."""
    return [key for key in cfg if not read_at_top(key, cfg)]


def _imported(cfg: Config) -> set[str]:
    names = (cfg.get('custom_imports') or {}).get('imports', [])
    several = [names] if isinstance(names, str) else names
    return {name.partition('.')[0] for name in several}


class Readers(NamedTuple):
    """What reads a mapping.

    Attributes:
        names: Keys that are read for certain.
        closed: Whether no others are.
    """

    names: set[str]
    closed: bool


def readers(place: str, node: Mapping[str, Any]) -> Readers:
    """What reads the mapping at a place of a config."""
    names = {
        name
        for pattern, _, more in READERS
        if re.fullmatch(pattern, place)
        for name in more
    }
    targets = targets_at(place, node)
    closed = bool(targets)
    for target in targets:
        own, whole = parameters(target)
        names |= own
        closed &= whole
    return Readers(names, closed)


def targets_at(place: str, node: Mapping[str, Any]) -> list[Any]:
    """The classes and functions that take keys of a mapping as parameters."""
    # the type of clip_grad is the name of a norm
    if 'type' in node and place != 'optim_wrapper.clip_grad':
        return resolve(node['type'])
    return [
        target
        for pattern, known, _ in READERS
        if re.fullmatch(pattern, place)
        for target in known
    ]


def resolve(kind: Any) -> list[Any]:
    """The classes or functions that a ``type`` may mean."""
    if not isinstance(kind, str):
        return [kind]
    found = []
    for root in ROOTS:
        try:
            with root.switch_scope_and_registry(None) as registry:
                target = registry.get(kind)
        except (RuntimeError, KeyError):  # mmengine's way to say: not here
            continue
        if target is not None and target not in found:
            found.append(target)
    return found


def parameters(target: Any) -> tuple[set[str], bool]:
    """Names that a class or function takes, and whether it takes no others."""
    inits = [target]
    if inspect.isclass(target):
        # all of them: super() may be asked to pass some over
        own = [vars(kind) for kind in target.__mro__]
        inits = [each['__init__'] for each in own if '__init__' in each]
    names: set[str] = set()
    whole = False
    for index, init in enumerate(inits):
        if init is object.__init__:
            whole |= index == 0
            break
        kinds = inspect.signature(init).parameters.values()
        names |= {
            each.name
            for each in kinds
            if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        } - {'self'}
        whole |= not any(each.kind is each.VAR_KEYWORD for each in kinds)
        if index == 0 and whole:
            break
    return names, whole


def may_read(key: str, place: str, cfg: Config) -> bool:
    """Whether any code that is given a mapping has a word for such a key.

    Asked for mappings whose readers no signature tells. They are handed on
    within their section of the config: what is built there reads them, or
    what its modules import.
    """
    types = list(_types(cfg.get(place.partition('.')[0])))
    # what makes the optimizer where no other constructor is named
    kinds: list[Any] = [DefaultOptimWrapperConstructor]
    kinds += (kind for each in types for kind in resolve(each))
    lineage = [m for kind in kinds for m in getattr(kind, '__mro__', [kind])]
    near = {str(kind.__module__) for kind in lineage}
    # packages of users may read it anywhere
    known = {*PACKAGES, *sys.stdlib_module_names, 'torch'}
    theirs = {name.partition('.')[0] for name in near} - known
    # where nothing is built, nothing tells where it goes
    whole = frozenset({*_imported(cfg), *(theirs if types else PACKAGES)})
    for _ in range(STEPS):
        near |= {n for name in near for n in _imported_by(name)}
    paths = _paths(whole, near)
    return any(key in _words(path) for path in paths)


def _imported_by(name: str) -> Iterator[str]:
    """Modules of the libraries that the names of a module come from."""
    for value in vars(sys.modules.get(name, object)).values():
        inside = '__name__' if inspect.ismodule(value) else '__module__'
        home = getattr(value, inside, None)
        if isinstance(home, str) and home.partition('.')[0] in PACKAGES:
            yield home


def _types(node: Any) -> Iterator[Any]:
    """Every ``type`` and ``constructor`` in a part of a config."""
    if isinstance(node, Mapping):
        yield from (node[k] for k in ('type', 'constructor') if k in node)
        node = node.values()
    elif not isinstance(node, list | tuple):
        return
    for each in node:
        yield from _types(each)


def _paths(
    packages: Set[str], modules: Set[str] = frozenset()
) -> Iterator[str]:
    """Code of packages and of single modules, as far as it is imported."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, '__file__', None) or ''
        wanted = name in modules or name.partition('.')[0] in packages
        if wanted and path.endswith('.py'):
            yield path


def _text(path: str) -> str:
    return Path(path).read_text(encoding='utf-8', errors='replace')


@cache
def _words(path: str) -> frozenset[str]:
    """Words of a file that may be keys: quoted, attributes, parameters."""
    forms = r'[\'"](\w+)[\'"]|\.(\w+)|\b(\w+)\s*[:=]'
    return frozenset(
        word for found in re.findall(forms, _text(path)) for word in found
    )
