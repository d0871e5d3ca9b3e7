"""Refuses options whose value is of another kind than their reader takes.

What a config builds tells by the annotations of its parameters what it takes:
a number, a text, several or a mapping. No more is looked at, since more is
often annotated loosely; and nothing where a config has a value of that kind
already.
"""

import inspect
import math
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from numbers import Number
from typing import Any, Union, get_args, get_origin, get_type_hints

from mmengine.config import Config
from torch import Tensor

from vitdense.preflight.kinds import child
from vitdense.preflight.readers import targets_at

SEVERAL = (list, tuple)
UNIONS = (Union, types.UnionType)
# of annotations, which are read well without
MODULES = re.compile(r'\b(typing|collections\.abc|torch)\.')


def check_values(
    before: Config, after: Config, options: Mapping[str, Any]
) -> None:
    """See that every option has a value that its reader can take.

    Args:
        before: The config as its file has it.
        after: The same with the options merged in.
        options: Values by dotted key, as ``--cfg-options`` gives them.

    Raises:
        ValueError: If one has not, naming it, and what is taken.
    """
    for option, value in options.items():
        place, _, key = option.rpartition('.')
        old, node = before._cfg_dict, after._cfg_dict
        for each in filter(None, place.split('.')):
            old, node = child(old, each), child(node, each)
        if not isinstance(node, Mapping) or _alike(value, child(old, key)):
            continue
        taken = [
            (target, parameter)
            for target in targets_at(place, node)
            for parameter in _parameters(target, key)
        ]
        if taken and not any(_takes(each, value) for _, each in taken):
            target, parameter = taken[0]
            name = target.__name__
            reader = "mmengine's Runner" if name.startswith('_') else name
            kind = inspect.formatannotation(parameter.annotation)
            raise ValueError(
                f'--cfg-options {option}={value!r}: {reader} takes '
                f'{MODULES.sub("", kind)} there'
            )


def _alike(value: Any, old: Any) -> bool:
    """Whether a config has a value of that kind there already."""
    return (
        old is not None
        and any(
            isinstance(value, kind) and isinstance(old, kind)
            for kind in (str, Mapping, SEVERAL, int, float)
        )
        and _sound(value)
    )


def _parameters(
    target: Callable[..., Any], key: str
) -> Iterator[inspect.Parameter]:
    """The first annotated parameter of that name, of a class or its bases."""
    inits: Sequence[Any] = [target]
    if inspect.isclass(target):
        inits = [vars(k).get('__init__') for k in target.__mro__]
    for init in filter(None, inits):
        found = inspect.signature(init).parameters.get(key)
        if found is None or found.kind is found.VAR_KEYWORD:
            continue
        yield found.replace(annotation=_annotation(init, found))
        return


def _annotation(function: Callable[..., Any], found: inspect.Parameter) -> Any:
    if found.annotation is found.empty:
        return Any
    alone = types.SimpleNamespace(
        __annotations__={found.name: found.annotation}
    )
    names = getattr(inspect.unwrap(function), '__globals__', {})
    try:
        return get_type_hints(alone, names)[found.name]
    except (AttributeError, NameError, TypeError):
        return Any  # what only a type checker can read


def _takes(parameter: inspect.Parameter, value: Any) -> bool:
    default = parameter.default
    # some are annotated as what they are but for the default
    if type(value) is type(default) and value == default:
        return True
    return _fits(value, parameter.annotation)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the kind of an annotation, as far as one tells."""
    if get_origin(hint) in UNIONS:
        return any(_fits(value, each) for each in get_args(hint))
    kind = get_origin(hint) or hint
    if kind in (None, type(None)):
        return value is None
    if kind is bool:
        return isinstance(value, bool) or value in (0, 1)
    if kind in (int, float, Number):
        return isinstance(value, int | float) and _sound(value)
    if kind is str:
        return isinstance(value, str)
    if kind in (list, tuple, Sequence, Set, set):
        return isinstance(value, SEVERAL)
    if inspect.isclass(kind) and issubclass(kind, Mapping):
        return isinstance(value, Mapping)
    return kind is not Tensor  # no config has one


def _sound(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)
