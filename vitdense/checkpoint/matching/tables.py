"""Parts that tables of layouts are written with.

Names that several families share, and functions that make rules and layouts
of many names at once. A family's ``layouts.py`` is written in these and in
``rules.py``.
"""

from collections.abc import Mapping

from .rules import Layout, Rule

BLOCK = 'stages.{stage}.blocks.{block}.'

# Parts of a transformer block that most files name as vitdense does.
PLAIN_BLOCK = {
    '{norm}.{wb}': '{norm}.{wb}',
    'attn.proj.{wb}': 'attn.proj.{wb}',
    'mlp.{fc}.{wb}': 'mlp.{fc}.{wb}',
}

# Rows of a fused projection, in the order q, k, v
QKV_ROWS = {
    wb: (
        f'attn.qkv.q.{wb}',
        f'attn.qkv.kv.{wb}[0/2]',
        f'attn.qkv.kv.{wb}[1/2]',
    )
    for wb in ('weight', '{wb}')
}

CLASSIFIER = 'classifier'

# What a file keeps for a classifier is named as in the official file, or, in
# a file that vitdense converted, with this before it: values of Layout.unused
OFFICIAL_NAMES = ''
UNUSED = 'unused.'


def under(
    name: str, target: str, parts: Mapping[str, str | tuple[str | None, ...]]
) -> tuple[Rule, ...]:
    """Rules for parts that share the beginning of their names.

    Args:
        name: Beginning of every name in the file.
        target: Beginning of every name in vitdense.
        parts: Ends of the names, in the file and in vitdense.
    """
    return tuple(
        Rule(
            name + end,
            target + to
            if isinstance(to, str)
            else tuple(each and target + each for each in to),
        )
        for end, to in parts.items()
    )


def classifier(head: str, *norms: str) -> tuple[Rule, ...]:
    """Drop a linear classifier ``head`` and the norms that only it uses.

    Args:
        head: Name of the linear layer of K classes over C channels.
        norms: Names of the layer norms over C channels before it.
    """
    return (
        Rule(f'{head}.weight', None, CLASSIFIER, shape='K C'),
        Rule(f'{head}.bias', None, CLASSIFIER, shape='K'),
        *(Rule(norm + '.{wb}', None, CLASSIFIER, shape='C') for norm in norms),
    )


def own(title: str, official: Layout, *more: str) -> Layout:
    """The layout of the files that vitdense writes: its own names.

    Beside them a converted file keeps, as ``unused.NAME``, what its official
    source held for a classifier, so that it can be written back whole.

    Args:
        title: What a report calls the layout.
        official: The official layout of the same weights.
        more: Templates of names that no official file has.
    """
    same = {
        chunk.name: Rule(
            chunk.name,
            chunk.name,
            shape=rule.shape if rule.count == 1 else '',
        )
        for rule in official.rules
        for chunk in rule.chunks
    }
    unused = tuple(
        Rule(
            UNUSED + rule.name,
            None,
            rule.reason or CLASSIFIER,
            shape=rule.shape if rule.targets is None else '1 1 C',
        )
        for rule in official.rules
        if rule.targets is None or rule.class_tokens
    )
    return Layout(
        title=title,
        unused=UNUSED,
        absent=official.absent,
        positions=official.positions,
        window=official.window,
        rules=(*same.values(), *(Rule(m, m) for m in more), *unused),
    )
