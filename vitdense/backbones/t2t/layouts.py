"""Names in files of T2T-ViT (arXiv:2101.11986).

Read in yitu-opensource/T2T-ViT 0f63dc9 and open-mmlab/mmpretrain ee7f2e8.
vitdense keeps the order of rows that the projections of T2T modules have:
k, q, v in the performer, q, k, v in the transformer.
"""

from collections.abc import Mapping
from dataclasses import replace

from vitdense.checkpoint.matching.rules import Layout, Rule
from vitdense.checkpoint.matching.tables import (
    BLOCK,
    OFFICIAL_NAMES,
    PLAIN_BLOCK,
    QKV_ROWS,
    classifier,
    own,
    under,
)

STAGE = 'stages.{stage}.'
BODY = 'stages.2.'
BODY_BLOCK = 'stages.2.blocks.{block}.'
# vitdense's own addition to the published network
STRIDE_32 = 'stages.3.'


def _modules(parts: Mapping[str, str]) -> tuple[Rule, ...]:
    """Rules for the two T2T modules, our first two stages."""
    return tuple(
        Rule(f'tokens_to_token.attention{i + 1}.{end}', f'stages.{i}.{to}')
        for i in range(2)
        for end, to in parts.items()
    )


_AROUND = (
    Rule('tokens_to_token.project.{wb}', BODY + 'patch_embed.proj.{wb}'),
    Rule('cls_token', BODY + 'cls_token', shape='1 1 C'),
    Rule('pos_embed', BODY + 'pos_embed', shape='1 N C'),
    Rule('norm.{wb}', BODY + 'norm.{wb}', shape='C'),
)
_MODULE_NORMS = {
    'norm1.{wb}': 'patch_embed.norm.{wb}',
    'norm2.{wb}': 'blocks.0.norm2.{wb}',
}
_OFFICIAL = (
    *_AROUND,
    *under(
        'blocks.{block}.',
        BODY_BLOCK,
        {
            **PLAIN_BLOCK,
            'attn.qkv.weight': QKV_ROWS['weight'],
            'attn.se_layer.fc.0.weight': 'attn.se.fc1.weight',
            'attn.se_layer.fc.2.weight': 'attn.se.fc2.weight',
        },
    ),
    *classifier('head'),
)
_MODULES = _modules(
    {
        **_MODULE_NORMS,
        'kqv.{wb}': 'patch_embed.proj.{wb}',
        'w': 'blocks.0.attn.w',
        'proj.{wb}': 'blocks.0.attn.proj.{wb}',
        'mlp.0.{wb}': 'blocks.0.mlp.fc1.{wb}',
        'mlp.2.{wb}': 'blocks.0.mlp.fc2.{wb}',
    }
)
PERFORMER = Layout(
    title='official T2T-ViT',
    stages=3,
    positions='bicubic',
    window=7 * 7,
    absent=STRIDE_32,
    unused=OFFICIAL_NAMES,
    rules=(
        *_OFFICIAL,
        *_MODULES,
    ),
)
# One weight a channel, as the official code has them and as ours
_GHOSTS = {
    'attn.cheap_operation_q': 'attn.qkv.ghosts.0',
    'attn.cheap_operation_k': 'attn.qkv.ghosts.1',
    'attn.cheap_operation_v': 'attn.qkv.ghosts.2',
    'mlp.cheap_operation2': 'mlp.ghosts.0',
    'mlp.cheap_operation3': 'mlp.ghosts.1',
}
GHOST = replace(
    PERFORMER,
    title='official T2T-ViT-Ghost',
    rules=(
        *_AROUND,
        *under(
            'blocks.{block}.',
            BODY_BLOCK,
            {
                **PLAIN_BLOCK,
                'attn.q.weight': 'attn.qkv.q.weight',
                'attn.k.weight': 'attn.qkv.kv.weight[0/2]',
                'attn.v.weight': 'attn.qkv.kv.weight[1/2]',
            },
        ),
        *(
            Rule(
                f'blocks.{{block}}.{name}.weight',
                f'{BODY_BLOCK}{ghost}.gamma',
                unit_dims=2,
            )
            for name, ghost in _GHOSTS.items()
        ),
        *classifier('head'),
        *_MODULES,
    ),
)
DENSE = replace(
    PERFORMER,
    title='official T2T-ViT-Dense',
    rules=(
        Rule('cls_token', BODY + 'cls_token', shape='1 1 E'),
        Rule('pos_embed', BODY + 'pos_embed', shape='1 N E'),
        *under(
            'blocks.{block}.',
            BODY_BLOCK,
            {
                'dense_linear.{wb}': 'grow.{wb}',
                'linear.{wb}': 'linear.{wb}',  # between two groups
            },
        ),
        *(
            rule
            for rule in PERFORMER.rules
            if rule.name not in ('cls_token', 'pos_embed')
        ),
    ),
)
TRANSFORMER = replace(
    PERFORMER,
    title='official T2T-ViT_t',
    rules=(
        *_OFFICIAL,
        *_modules(
            {
                **_MODULE_NORMS,
                'attn.qkv.weight': 'patch_embed.proj.weight',
                'attn.proj.{wb}': 'blocks.0.attn.proj.{wb}',
                'mlp.{fc}.{wb}': 'blocks.0.mlp.{fc}.{wb}',
            }
        ),
    ),
)

MMPRETRAIN = replace(
    PERFORMER,
    title="mmpretrain's T2T-ViT_t",
    unused=None,
    rules=(
        *_AROUND,
        *under(
            'encoder.{block}.',
            BODY_BLOCK,
            {
                'ffn.layers.0.0.{wb}': 'mlp.fc1.{wb}',
                'ffn.layers.1.{wb}': 'mlp.fc2.{wb}',
                'ln1.{wb}': 'norm1.{wb}',
                'ln2.{wb}': 'norm2.{wb}',
                'attn.qkv.weight': QKV_ROWS['weight'],
                'attn.proj.{wb}': 'attn.proj.{wb}',
            },
        ),
        *_modules(
            {
                'ln1.{wb}': 'patch_embed.norm.{wb}',
                'ln2.{wb}': 'blocks.0.norm2.{wb}',
                'attn.qkv.weight': 'patch_embed.proj.weight',
                'attn.proj.{wb}': 'blocks.0.attn.proj.{wb}',
                'ffn.layers.0.0.{wb}': 'blocks.0.mlp.fc1.{wb}',
                'ffn.layers.1.{wb}': 'blocks.0.mlp.fc2.{wb}',
            }
        ),
    ),
)

# Names under a stage that is a soft split, transformer blocks and a norm
_PATCHES = ('patch_embed.proj.{wb}', 'patch_embed.norm.{wb}', 'norm.{wb}')
_BLOCKS = (
    *PLAIN_BLOCK,
    'attn.qkv.q.{wb}',
    'attn.qkv.kv.{wb}',
    'attn.qkv.reduce.conv.{wb}',
    'attn.qkv.reduce.norm.{wb}',
)
_OURS = (
    *(STRIDE_32 + name for name in _PATCHES),
    *(f'{STRIDE_32}blocks.{{block}}.{name}' for name in _BLOCKS),
)
OWN = own('vitdense T2T-ViT', PERFORMER, *_OURS)
OWN_GHOST = own('vitdense T2T-ViT-Ghost', GHOST, *_OURS)
OWN_DENSE = own('vitdense T2T-ViT-Dense', DENSE, *_OURS)
OWN_PYRAMID = Layout(
    title='vitdense T2T pyramid',
    window=7 * 7,
    rules=tuple(
        Rule(name, name)
        for name in (
            *(STAGE + name for name in _PATCHES),
            *(BLOCK + name for name in _BLOCKS),
        )
    ),
)

LAYOUTS = (
    PERFORMER,
    TRANSFORMER,
    GHOST,
    DENSE,
    MMPRETRAIN,
    OWN,
    OWN_GHOST,
    OWN_DENSE,
    OWN_PYRAMID,
)
