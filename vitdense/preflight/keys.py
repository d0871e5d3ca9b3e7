"""Refuses options that name a key which no part of the config reads.

A key is read if the config file has it already, inside of something that is
built; or if what is built from that place takes it as a parameter. What a
class hands on as ``**kwargs`` is followed to its base classes. Where that
leads nowhere, or a plain mapping is read key by key, the key must at least be
a word in the code of the libraries (a word that is not there is read nowhere)
and not almost another key of that place.

At the top level only what the Runner and our tools take is read. The other
names there (``data_root``, ``train_pipeline``) did their work while the file
was read, and to change them afterwards changes nothing.
"""

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from mmengine import registry as registries
from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.optim import OptimWrapper
from mmengine.registry import Registry
from mmengine.runner import Runner, ValLoop
from mmengine.runner.loops import EpochBasedTrainLoop, IterBasedTrainLoop
from mmengine.utils.dl_utils import set_multi_processing
from torch.distributed import init_process_group
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

# Read at any place, or at the top level by our tools and by mmengine's.
ANYWHERE = {'type', '_delete_', '_scope_'}
TOOLS = {'custom_imports', 'runner_type', 'tta_model', 'tta_pipeline'}
PACKAGES = {'mmengine', 'mmcv', 'mmdet', 'mmseg', 'vitdense'}
LOADER = {
    *('dataset', 'num_batch_per_epoch', 'disable_subprocess_warning'),
    *('worker_init_fn', 'collate_fn', 'sampler', 'batch_sampler'),
}


def _environment(
    *, cudnn_benchmark: bool, mp_cfg: Any, dist_cfg: Any, resource_limit: int
) -> None:
    """What ``Runner.setup_env`` reads of its one argument."""


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
    (r'default_hooks', (), set()),
    (r'(default_hooks|custom_hooks)\.\w+', (), {'priority'}),
    (r'randomness', (Runner.set_randomness,), set()),
    (r'env_cfg', (_environment,), set()),
    (r'env_cfg\.mp_cfg', (set_multi_processing,), set()),
    (r'env_cfg\.dist_cfg', (init_dist, init_process_group), set()),
    (r'.*\bnorm_cfg', (), {'requires_grad', 'num_groups'}),
    (r'.*\binit_cfg(\.\d+)?', (), {'override'}),
)
# So similar to a key beside it that it is a slip of the pen, not another key.
SLIP = 0.85
# Mappings whose keys are names of the user's own.
FREE = r'.*\b(backend_args|file_client_args|metainfo|custom_keys)(\..*)?'
ROOTS = [v for v in vars(registries).values() if isinstance(v, Registry)]


def check_keys(
    before: Config, after: Config, options: Mapping[str, Any]
) -> None:
    """See that every option changes something.

    Args:
        before: The config as its file has it.
        after: The same with the options merged in.
        options: Values by dotted key, as ``--cfg-options`` gives them.

    Raises:
        ValueError: If a key is read by no part of the config, naming it and
            the nearest that is read.
    """
    for option in options:
        first = option.partition('.')[0]
        if not _read_at_top(first, after):
            others = _same_elsewhere(before, first)
            _refuse(option, first, others or _near(first, '', top_level()))
    for option, value in options.items():
        node_before, node_after = before._cfg_dict, after._cfg_dict
        parts = option.split('.')
        for index, key in enumerate(parts):
            place = '.'.join(parts[:index])
            if index:
                _check_key(option, key, place, node_before, node_after)
            node_before = _child(node_before, key)
            node_after = _child(node_after, key)
        _check_inside(option, option, value, node_before, node_after)


def _check_inside(
    option: str, place: str, value: Any, before: Any, after: Any
) -> None:
    """Check the keys of a value that is a mapping itself."""
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        _check_key(option, key, place, before, after)
        inside = (_child(before, key), _child(after, key))
        _check_inside(option, f'{place}.{key}', inner, *inside)


def _check_key(
    option: str, key: str, place: str, before: Any, after: Any
) -> None:
    known = isinstance(before, Mapping) and key in before
    if known or key in ANYWHERE or not isinstance(after, Mapping):
        return
    child = after.get(key)
    named = isinstance(child, Mapping) and 'type' in child
    if place == 'default_hooks' and (named or child is None):
        return  # a hook of any name, or one taken away
    if re.fullmatch(FREE, place):
        return
    names, closed, packages = _readers(place, after)
    siblings = {*names, *(before if isinstance(before, Mapping) else ())}
    slip = get_close_matches(key, siblings, n=1, cutoff=SLIP)
    if key not in names and (closed or slip or not _mentioned(key, packages)):
        _refuse(option, key, _near(key, place, siblings))


def _refuse(option: str, key: str, nearest: Sequence[str]) -> None:
    """Raise, with the rest of the option put behind what is nearest."""
    rest = option.partition(f'{key}.')[2]
    full = [f'{each}.{rest}' if rest else each for each in nearest]
    raise ValueError(
        f'--cfg-options {option}: no part of the config reads {key!r} there; '
        f'the nearest that is read: {", ".join(full)}'
    )


def _near(key: str, place: str, names: set[str]) -> list[str]:
    """The most similar of some names at a place, or all of the few there."""
    public = sorted(n for n in names if not n.startswith('_'))
    found = get_close_matches(key, public, n=1, cutoff=0.5) or public[:8]
    return ['.'.join(filter(None, (place, name))) for name in found] or ['-']


def _same_elsewhere(cfg: Config, key: str) -> list[str]:
    """Places that are read and have this name, or else this value."""
    value = cfg.get(key)
    named, equal = [], []
    for name in cfg:
        if _read_at_top(name, cfg):
            for place, leaf, inner in _walk(name, cfg[name]):
                if leaf == key:
                    named.append(place)
                elif value and type(inner) is type(value) and inner == value:
                    equal.append(place)
    return (named or equal)[:4]


def _walk(place: str, node: Any) -> Iterator[tuple[str, str, Any]]:
    yield place, place.rpartition('.')[2], node
    if isinstance(node, Mapping):
        for key in node:
            yield from _walk(f'{place}.{key}', node[key])


def _child(node: Any, key: str) -> Any:
    if isinstance(node, Mapping):
        return node.get(key)
    if isinstance(node, list | tuple) and key.isdigit():
        return node[int(key)] if int(key) < len(node) else None
    return None


@cache
def top_level() -> set[str]:
    """What mmengine's Runner and our tools read at a config's top level."""
    source = inspect.getsource(sys.modules[Runner.__module__])
    return {
        *TOOLS,
        *parameters(Runner)[0],
        *re.findall(r"(?<!\w)cfg\.get\(\s*'(\w+)'", source),
    } - {'cfg'}


def _read_at_top(key: str, cfg: Config) -> bool:
    """Whether the Runner takes it, or any code asks ``runner.cfg`` for it."""
    packages = frozenset({*PACKAGES, *_imported(cfg)})
    return key in top_level() or key in _asked_of_runner(packages)


@cache
def _asked_of_runner(packages: frozenset[str]) -> set[str]:
    asked = re.compile(r'runner\.cfg(?:\.get\(\s*[\'"]|\.|\[[\'"])(\w+)')
    return {key for text in _sources(packages) for key in asked.findall(text)}


def unread(cfg: Config) -> list[str]:
    """Names at the top level that nothing reads any more."""
    return [key for key in cfg if not _read_at_top(key, cfg)]


def _imported(cfg: Config) -> set[str]:
    names = (cfg.get('custom_imports') or {}).get('imports', [])
    several = [names] if isinstance(names, str) else names
    return {name.partition('.')[0] for name in several}


def _readers(
    place: str, node: Mapping[str, Any]
) -> tuple[set[str], bool, set[str]]:
    """What reads a mapping: names, whether no others, packages of the code."""
    targets: list[Any] = []
    names: set[str] = set()
    for pattern, readers, more in READERS:
        if re.fullmatch(pattern, place):
            built = 'type' in node and place != 'optim_wrapper.clip_grad'
            targets += () if built else readers
            names |= more
    # the type of clip_grad is the name of a norm
    if 'type' in node and place != 'optim_wrapper.clip_grad':
        targets += resolve(node['type'])
    closed = bool(targets)
    for target in targets:
        own, whole = parameters(target)
        names |= own
        closed &= whole
    packages = {str(t.__module__).partition('.')[0] for t in targets}
    return names, closed, {*PACKAGES, *packages}


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
        own = [vars(kind) for kind in target.__mro__]
        inits = [each['__init__'] for each in own if '__init__' in each]
    names: set[str] = set()
    for init in inits:
        if init is object.__init__:
            return names, init is inits[0]
        kinds = inspect.signature(init).parameters.values()
        names |= {
            each.name
            for each in kinds
            if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)
        } - {'self'}
        if not any(each.kind is each.VAR_KEYWORD for each in kinds):
            return names, True
    return names, False


def _mentioned(key: str, packages: Set[str]) -> bool:
    word = re.compile(rf'\b{re.escape(key)}\b')
    return any(word.search(text) for text in _sources(packages))


def _sources(packages: Set[str]) -> Iterator[str]:
    """The code of all modules of some packages that are imported by now."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, '__file__', None) or ''
        if name.partition('.')[0] in packages and path.endswith('.py'):
            yield Path(path).read_text(encoding='utf-8', errors='replace')
