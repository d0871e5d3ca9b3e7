"""Names of tensors as data: a rule names a tensor in a file and in vitdense.

Both names are templates (``templates.py``), so that a table of rules reads in
both directions. Stages and blocks are counted from 0 in vitdense and from
``first_stage`` and ``first_block`` in a layout's files.

A projection that one side fuses and the other splits is cut into equal chunks
of rows, as by ``torch.chunk``. A rule with several targets cuts the file's
tensor, the first chunk to the first target; a target ``kv.weight[1/2]`` is
the second of the two chunks of vitdense's tensor.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from .templates import fields_of, is_numbered, names_of, regex_of

Shape = tuple[int, ...]
_CHUNK = re.compile(r'(.+)\[(\d+)/(\d+)\]')


@dataclass(frozen=True)
class TargetChunk:
    """Chunk ``index`` of the ``count`` that a tensor of vitdense is made of.

    ``name`` is the tensor's, or in a rule its template.
    """

    name: str
    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> 'TargetChunk':
        """Read ``'name'`` or ``'name[index/count]'``."""
        match = _CHUNK.fullmatch(text)
        if match is None:
            return cls(text)
        return cls(match[1], int(match[2]), int(match[3]))


@dataclass(frozen=True, eq=False)
class Rule:
    """One line of a layout's table.

    Attributes:
        name: Template of the tensor's name in the file.
        targets: Template of its name in vitdense, or several that take its
            chunks of rows in order; None drops the tensor, or a chunk, on
            purpose.
        reason: What a dropped tensor is.
        class_tokens: Leading tokens of a position embedding that belong to
            the class token, which the pyramid has no place for.
        unit_dims: Trailing dimensions of size 1 that vitdense does not have
            (a linear layer written as a 1 x 1 convolution).
        shape: Names of its dimensions, such as ``'K C'``. A letter must have
            one size in the whole file; it checks what no target's shape can.
    """

    name: str
    targets: str | tuple[str | None, ...] | None
    reason: str = ''
    class_tokens: int = 0
    unit_dims: int = 0
    shape: str = ''

    @cached_property
    def chunks(self) -> tuple[TargetChunk, ...]:
        """Where each chunk of rows goes, in order."""
        return tuple(chunk for _, chunk in self.numbered)

    @cached_property
    def numbered(self) -> tuple[tuple[int, TargetChunk], ...]:
        """The number of each chunk that is not dropped, and where it goes."""
        return tuple(
            (number, TargetChunk.parse(target))
            for number, target in enumerate(self._each)
            if target is not None
        )

    @property
    def count(self) -> int:
        """How many chunks of rows the file's tensor is cut into."""
        return len(self._each)

    @property
    def _each(self) -> tuple[str | None, ...]:
        if isinstance(self.targets, str):
            return (self.targets,)
        return self.targets or ()


@dataclass(frozen=True)
class SourceChunk:
    """Chunk ``index`` of the tensor ``name`` of a file, cut by its rule."""

    name: str
    rule: Rule
    index: int

    def shape(self, whole: Shape) -> Shape | None:
        """Its shape in vitdense, of a file's tensor of shape ``whole``.

        None if a tensor of that shape cannot be cut so.
        """
        kept = len(whole) - self.rule.unit_dims
        if kept < 0 or any(size != 1 for size in whole[kept:]):
            return None
        shape = list(whole[:kept])
        if self.rule.class_tokens:
            if len(shape) < 2 or shape[1] <= self.rule.class_tokens:
                return None
            shape[1] -= self.rule.class_tokens
        if self.rule.count > 1:
            if not shape or shape[0] % self.rule.count:
                return None
            shape[0] //= self.rule.count
        return tuple(shape)

    def cut(self, whole: Tensor) -> Tensor:
        """Take it out of the file's tensor, whose shape has been checked."""
        shape = self.shape(tuple(whole.shape))
        if self.rule.class_tokens:
            whole = whole[:, self.rule.class_tokens :]
        if self.rule.count > 1:
            whole = whole.chunk(self.rule.count)[self.index]
        return whole.reshape(shape or ())


@dataclass(frozen=True)
class NameMatch:
    """What a layout says of one name of a file.

    Attributes:
        rule: The rule that names it.
        targets: Where each chunk of its rows goes, by its number; those
            that are dropped are not here.
    """

    rule: Rule
    targets: Mapping[int, TargetChunk]


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

    def match(self, name: str) -> NameMatch | None:
        """What a name of a file stands for; None if no rule fits it."""
        match = self._pattern.fullmatch(name.removeprefix(self.prefix))
        if match is None or match.lastindex is None:
            return None
        # a group closes after those inside: the last is that of a rule
        rule, fields = self._by_group[match.lastindex]
        values = match.groups()[match.lastindex :]
        filled = self._renumber(dict(zip(fields, values, strict=False)), -1)
        return NameMatch(
            rule,
            {
                number: TargetChunk(c.name.format(**filled), c.index, c.count)
                for number, c in rule.numbered
            },
        )

    def sources(self, target: str) -> dict[TargetChunk, SourceChunk]:
        """What of such a file fills each chunk of the tensor ``target``.

        Empty if there is none; of two names for one chunk, the first.
        """
        found: dict[TargetChunk, SourceChunk] = {}
        for pattern, fields, rule, index in self._by_target:
            match = pattern.fullmatch(target)
            if match is None:
                continue
            values = dict(zip(fields, match.groups(), strict=True))
            name = rule.name.format(**self._renumber(values, 1))
            owner = self.match(name)
            # an earlier, narrower rule may own this name
            if owner is not None and owner.rule is rule:
                source = SourceChunk(name, rule, index)
                found.setdefault(owner.targets[index], source)
        return found

    def drops(self, name: str) -> bool:
        """Whether it names what a file holds beyond a backbone."""
        found = self.match(name)
        return found is not None and found.rule.targets is None

    @cached_property
    def dropped(self) -> Mapping[str, str]:
        """What a file may hold beyond a backbone: by name, what it is."""
        return {
            name: rule.reason
            for rule in self.rules
            if rule.targets is None and not is_numbered(rule.name)
            for name in names_of(rule.name)
        }

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Every rule's names, a group for each rule and inside each field."""
        return re.compile(
            '|'.join(f'({regex_of(r.name, self._first)})' for r in self.rules)
        )

    @cached_property
    def _by_group(self) -> Mapping[int, tuple[Rule, list[str]]]:
        """The rule of each group of ``_pattern``, and its fields."""
        groups, number = {}, 1
        for rule in self.rules:
            groups[number] = rule, fields_of(rule.name)
            number += 1 + len(groups[number][1])
        return groups

    @cached_property
    def _by_target(
        self,
    ) -> tuple[tuple[re.Pattern[str], list[str], Rule, int], ...]:
        """Names that each chunk of each rule may fill, and their fields."""
        return tuple(
            (re.compile(regex_of(c.name)), fields_of(c.name), rule, index)
            for rule in self.rules
            for index, c in rule.numbered
        )

    @property
    def _first(self) -> dict[str, int]:
        return {'stage': self.first_stage, 'block': self.first_block}

    def _renumber(
        self, fields: Mapping[str, str], sign: int
    ) -> dict[str, str]:
        """Count stages and blocks as vitdense (-1) or as the file (1)."""
        return dict(fields) | {
            field: str(int(fields[field]) + sign * first)
            for field, first in self._first.items()
            if first and field in fields
        }
