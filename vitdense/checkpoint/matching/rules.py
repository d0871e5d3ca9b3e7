"""Names of tensors as data: a rule names a tensor in a file and in vitdense.

A name is a template such as ``block{stage}.{block}.attn.q.{wb}``. What a
field may stand for is in ``FIELDS``; stages and blocks are counted from 0 in
vitdense and from ``first_stage`` and ``first_block`` in a layout's files.
Because both sides are templates, a table reads in both directions.

Projections that one side fuses and the other splits are cut into equal blocks
of rows. A rule with several targets cuts its tensor, the first block to the
first target; a target ``kv.weight[1/2]`` is the second of two blocks.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

FIELDS = {
    'stage': r'0|[1-9]\d*',
    'block': r'0|[1-9]\d*',
    'wb': 'weight|bias',
    'bn': 'weight|bias|running_mean|running_var|num_batches_tracked',
    'qkv': 'q|k|v',
    'norm': 'norm1|norm2',
    'fc': 'fc1|fc2',
}
# names of a thousand tensors in every layout, many times over
CACHED_NAMES = 1 << 18
_SLOT = re.compile(r'(.+)\[(\d+)/(\d+)\]')


@dataclass(frozen=True, eq=False)
class Rule:
    """One line of a layout's table.

    Attributes:
        name: Template of the tensor's name in the file.
        targets: Template of its name in vitdense, or several that take its
            blocks of rows in order; None drops the tensor on purpose.
        reason: What a dropped tensor is.
        class_tokens: Leading tokens of a position embedding that belong to
            the class token, which the pyramid has no place for.
        unit_dims: Trailing dimensions of size 1 that vitdense does not have
            (a linear layer written as a 1 x 1 convolution).
        shape: Names of its dimensions, such as ``'K C'``. A letter must have
            one size in the whole file; it checks what no target's shape can.
    """

    name: str
    targets: str | tuple[str, ...] | None
    reason: str = ''
    class_tokens: int = 0
    unit_dims: int = 0
    shape: str = ''

    @cached_property
    def slots(self) -> tuple['Slot', ...]:
        """Where each block of rows goes, in order."""
        if self.targets is None:
            return ()
        if isinstance(self.targets, str):
            return (Slot.parse(self.targets),)
        return tuple(Slot.parse(target) for target in self.targets)


@dataclass(frozen=True)
class Slot:
    """Block ``index`` of ``count`` equal blocks of rows of a tensor."""

    name: str
    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> 'Slot':
        """Read ``'name'`` or ``'name[index/count]'``."""
        match = _SLOT.fullmatch(text)
        if match is None:
            return cls(text)
        return cls(match[1], int(match[2]), int(match[3]))


@dataclass(frozen=True, eq=False)
class Layout:
    """How one kind of file names the tensors of its family.

    Attributes:
        title: What a report calls it.
        rules: The table; the first rule that fits a name counts.
        first_stage: Number of the first stage in its names.
        first_block: Number of the first block of a stage in its names.
        stages: How many stages such files hold; None if it depends.
        prefix: What a name may begin with (the name of a base model).
        absent: Prefix of the vitdense tensors that such a file may lack, all
            of them; they keep their initial values. Empty if there are none.
        unused: Prefix of what the official file holds beyond a backbone;
            None where that is not kept.
        positions: How position embeddings are interpolated, as the official
            code does it: a mode of ``torch.nn.functional.interpolate``.
        window: Values of each channel that the first embedding takes in as
            features of their own: 1 in a convolution, in T2T's soft split
            those of a patch.
        note: What a user should know about such files.
    """

    title: str
    rules: tuple[Rule, ...]
    first_stage: int = 0
    first_block: int = 0
    stages: int | None = None
    prefix: str = ''
    absent: str = ''
    unused: str | None = None
    positions: str = 'bilinear'
    window: int = 1
    note: str = ''

    def find(self, name: str) -> tuple[Rule, tuple[Slot, ...]] | None:
        """The rule for a name in the file, and its slots in vitdense."""
        return _find(self, name.removeprefix(self.prefix))

    def dropped_names(self) -> tuple[str, ...]:
        """Names of the tensors a file has beyond the backbone's."""
        return tuple(
            name
            for rule in self.rules
            if rule.targets is None
            for name in _expand(rule.name)
        )

    def sources(self, target: str) -> tuple[tuple[str, int, Slot], ...]:
        """Where the rows of a vitdense tensor lie in such a file.

        Returns:
            For each part: the name in the file, which of that tensor's blocks
            of rows it is, and the slot of the vitdense tensor it fills.
        """
        return _sources(self, target)

    def count_unmet(self, targets: Collection[str]) -> int:
        """How many of the table's slots none of the targets is for."""
        slots = {slot.name for rule in self.rules for slot in rule.slots}
        return sum(
            not any(_regex(slot).fullmatch(target) for target in targets)
            for slot in slots
        )

    def _shift(self, fields: dict[str, str], sign: int) -> dict[str, str]:
        first = {'stage': self.first_stage, 'block': self.first_block}
        return {
            field: str(int(value) + sign * first[field])
            if field in first
            else value
            for field, value in fields.items()
        }


@cache
def _regex(template: str) -> re.Pattern[str]:
    parts = re.split(r'\{(\w+)\}', template)
    for i in range(0, len(parts), 2):
        parts[i] = re.escape(parts[i])
    for i in range(1, len(parts), 2):
        field = parts[i]
        parts[i] = f'(?P<{field}>{FIELDS[field]})'
    return re.compile(''.join(parts))


def _expand(template: str) -> tuple[str, ...]:
    """All names of a template without numbers."""
    match = re.search(r'\{(\w+)\}', template)
    if match is None:
        return (template,)
    return tuple(
        name
        for choice in FIELDS[match[1]].split('|')
        for name in _expand(template.replace(match[0], choice))
    )


def _fill(layout: Layout, rule: Rule, name: str) -> tuple[Slot, ...] | None:
    match = _regex(rule.name).fullmatch(name)
    if match is None:
        return None
    fields = layout._shift(match.groupdict(), -1)
    if any(value.startswith('-') for value in fields.values()):
        return None
    return tuple(
        Slot(slot.name.format(**fields), slot.index, slot.count)
        for slot in rule.slots
    )


@lru_cache(maxsize=CACHED_NAMES)
def _find(layout: Layout, name: str) -> tuple[Rule, tuple[Slot, ...]] | None:
    for rule in layout.rules:
        slots = _fill(layout, rule, name)
        if slots is not None:
            return rule, slots
    return None


@lru_cache(maxsize=CACHED_NAMES)
def _sources(layout: Layout, target: str) -> tuple[tuple[str, int, Slot], ...]:
    found = []
    for rule in layout.rules:
        for block, slot in enumerate(rule.slots):
            match = _regex(slot.name).fullmatch(target)
            if match is None:
                continue
            name = rule.name.format(**layout._shift(match.groupdict(), 1))
            owner = layout.find(name)
            # an earlier, narrower rule may own this name
            if owner is not None and owner[0] is rule:
                where = Slot(target, slot.index, slot.count)
                found.append((name, block, where))
    return tuple(found)
