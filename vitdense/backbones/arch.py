"""Architectures: names from a family's table, or mappings of a user."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

A = TypeVar('A')


def resolve_arch(
    family: str, arch: str | Mapping[str, Any], variants: Mapping[str, A]
) -> tuple[str | None, A]:
    """Gives the name (None for a mapping) and the architecture.

    Args:
        family: Name of the backbone class, for messages.
        arch: A name from ``variants``, or a mapping with the fields of its
            entries.
        variants: The family's table; its entries are dataclasses.

    Raises:
        ValueError: If the name is not in the table, or a mapping's fields
            are unknown, missing or unfit.
        TypeError: If ``arch`` is neither.
    """
    if isinstance(arch, str):
        if arch not in variants:
            raise ValueError(
                f'{family} has no arch {arch!r}; choose from '
                f'{sorted(variants)}, or give a mapping'
            )
        return arch, variants[arch]
    if not isinstance(arch, Mapping):
        raise TypeError(
            f'{family}: arch {arch!r} is neither a name nor a mapping; the '
            f'names are {sorted(variants)}'
        )
    entry = type(next(iter(variants.values())))
    known = {f.name: f for f in fields(entry)}  # type: ignore[arg-type]
    required = {
        n
        for n, f in known.items()
        if f.default is MISSING and f.default_factory is MISSING
    }
    unknown, missing = set(arch) - set(known), required - set(arch)
    if unknown or missing:
        raise ValueError(
            f'{family}: arch mapping has unknown fields {sorted(unknown)} and '
            f'lacks {sorted(missing)}; the fields are {sorted(known)}'
        )
    values = {
        k: tuple(v) if isinstance(v, list) else v for k, v in arch.items()
    }
    return None, entry(**values)


def is_integer(value: Any) -> bool:
    """Whether it is an integer, which True and False are not meant to be."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_columns(family: str, **columns: tuple[int, ...]) -> None:
    """Checks that per-stage columns are positive and of one length.

    Raises:
        ValueError: Naming the column that is not.
    """
    first, stages = next(iter(columns.items()))
    for name, column in columns.items():
        place = f'{family}: arch field {name}={column!r}'
        if not isinstance(column, tuple) or not all(
            is_integer(v) and v > 0 for v in column
        ):
            raise ValueError(f'{place} must be positive integers, in a list')
        if not column or len(column) != len(stages):
            raise ValueError(
                f'{place} must list one value for each of the {len(stages)} '
                f'stages of {first}={stages}'
            )


def check_heads(
    family: str, dims: tuple[int, ...], heads: tuple[int, ...]
) -> None:
    """Checks that every stage's heads share its channels evenly.

    Raises:
        ValueError: Naming both columns.
    """
    if any(dim % count for dim, count in zip(dims, heads, strict=True)):
        raise ValueError(
            f'{family}: arch field heads={heads!r} must divide dims={dims!r}'
        )
