"""Names in files of PVT (arXiv:2102.12122) and PVTv2 (arXiv:2106.13797).

Read in whai362/PVT 57e2dfa, mmdet 3.3.0, timm and transformers 5.23.0.
"""

from vitdense.checkpoint.matching.rules import Layout, Rule
from vitdense.checkpoint.matching.tables import (
    BLOCK,
    CLASSIFIER,
    OFFICIAL_NAMES,
    PLAIN_BLOCK,
    QKV_ROWS,
    classifier,
    own,
    under,
)

STAGE = 'stages.{stage}.'
EMBED = {'proj.{wb}': 'proj.{wb}', 'norm.{wb}': 'norm.{wb}'}
DWCONV = {'mlp.dwconv.dwconv.{wb}': 'mlp.dwconv.{wb}'}
ATTENTION = {
    'attn.q.{wb}': 'attn.qkv.q.{wb}',
    'attn.kv.{wb}': 'attn.qkv.kv.{wb}',
    'attn.sr.{wb}': 'attn.qkv.reduce.conv.{wb}',
    'attn.norm.{wb}': 'attn.qkv.reduce.norm.{wb}',
}
# One projection each for query, key and value
SPLIT_ATTENTION = {
    'query.{wb}': 'attn.qkv.q.{wb}',
    'key.{wb}': 'attn.qkv.kv.{wb}[0/2]',
    'value.{wb}': 'attn.qkv.kv.{wb}[1/2]',
    'layer_norm.{wb}': 'attn.qkv.reduce.norm.{wb}',
}


def _class_slot(name: str) -> Rule:
    """The last position embedding, whose first token is the class token's."""
    return Rule(name, 'stages.3.pos_embed', class_tokens=1, shape='1 N C')


_OFFICIAL = (
    *under('patch_embed{stage}.', STAGE + 'patch_embed.', EMBED),
    *under('block{stage}.{block}.', BLOCK, {**PLAIN_BLOCK, **ATTENTION}),
)
OFFICIAL_V1 = Layout(
    title='official PVT',
    stages=4,
    first_stage=1,
    unused=OFFICIAL_NAMES,
    rules=(
        *_OFFICIAL,
        _class_slot('pos_embed4'),
        Rule('pos_embed{stage}', STAGE + 'pos_embed'),
        Rule('cls_token', None, CLASSIFIER, shape='1 1 C'),
        *classifier('head', 'norm'),
    ),
)
OFFICIAL_V2 = Layout(
    title='official PVTv2',
    stages=4,
    first_stage=1,
    unused=OFFICIAL_NAMES,
    rules=(
        *_OFFICIAL,
        *under('block{stage}.{block}.', BLOCK, DWCONV),
        Rule('norm4.{wb}', 'stages.3.norm.{wb}', shape='C'),
        Rule('norm{stage}.{wb}', STAGE + 'norm.{wb}'),
        *classifier('head'),
    ),
)


def _mmdet(*fc: tuple[str, str]) -> tuple[Rule, ...]:
    """mmdet's names: attention as ``nn.MultiheadAttention``, MLP as convs."""
    block = 'layers.{stage}.1.{block}.'
    return (
        *under(
            'layers.{stage}.0.',
            STAGE + 'patch_embed.',
            {'projection.{wb}': 'proj.{wb}', 'norm.{wb}': 'norm.{wb}'},
        ),
        *under(
            block,
            BLOCK,
            {
                '{norm}.{wb}': '{norm}.{wb}',
                'attn.attn.in_proj_{wb}': QKV_ROWS['{wb}'],
                'attn.attn.out_proj.{wb}': 'attn.proj.{wb}',
                'attn.sr.{wb}': 'attn.qkv.reduce.conv.{wb}',
                'attn.norm.{wb}': 'attn.qkv.reduce.norm.{wb}',
            },
        ),
        *(
            rule
            for index, name in fc
            for rule in (
                Rule(
                    f'{block}ffn.layers.{index}.weight',
                    f'{BLOCK}mlp.{name}.weight',
                    unit_dims=2,
                ),
                Rule(
                    f'{block}ffn.layers.{index}.bias',
                    f'{BLOCK}mlp.{name}.bias',
                ),
            )
        ),
    )


MMDET_V1 = Layout(
    title="mmdet's converted PVT",
    stages=4,
    # the position embedding comes first in mmdet's list of blocks
    first_block=1,
    rules=(
        *_mmdet(('0', 'fc1'), ('3', 'fc2')),
        Rule('layers.{stage}.1.0.pos_embed', STAGE + 'pos_embed'),
    ),
)
MMDET_V2 = Layout(
    title="mmdet's converted PVTv2",
    stages=4,
    rules=(
        *_mmdet(('0', 'fc1'), ('4', 'fc2')),
        Rule(
            'layers.{stage}.1.{block}.ffn.layers.1.{wb}',
            BLOCK + 'mlp.dwconv.{wb}',
        ),
        Rule('layers.{stage}.2.{wb}', STAGE + 'norm.{wb}'),
    ),
)
TIMM_V2 = Layout(
    title="timm's PVTv2",
    stages=4,
    rules=(
        *under('patch_embed.', 'stages.0.patch_embed.', EMBED),
        *under(STAGE + 'downsample.', STAGE + 'patch_embed.', EMBED),
        *under(
            BLOCK,
            BLOCK,
            {
                **PLAIN_BLOCK,
                **ATTENTION,
                'mlp.dwconv.{wb}': 'mlp.dwconv.{wb}',
            },
        ),
        Rule('stages.3.norm.{wb}', 'stages.3.norm.{wb}', shape='C'),
        Rule(STAGE + 'norm.{wb}', STAGE + 'norm.{wb}'),
        *classifier('head'),
    ),
)
_HF_EMBED_V1 = 'encoder.patch_embeddings.{stage}.'
_HF_LAST_V1 = 'encoder.patch_embeddings.3.'
_HF_BLOCK_V1 = 'encoder.block.{stage}.{block}.'
_HF_MLP = {
    'layer_norm_1.{wb}': 'norm1.{wb}',
    'layer_norm_2.{wb}': 'norm2.{wb}',
    'mlp.dense1.{wb}': 'mlp.fc1.{wb}',
    'mlp.dense2.{wb}': 'mlp.fc2.{wb}',
}
TRANSFORMERS_V1 = Layout(
    title="transformers' PVT",
    stages=4,
    prefix='pvt.',
    rules=(
        *under(
            _HF_EMBED_V1,
            STAGE + 'patch_embed.',
            {'projection.{wb}': 'proj.{wb}', 'layer_norm.{wb}': 'norm.{wb}'},
        ),
        *under(_HF_BLOCK_V1, BLOCK, _HF_MLP),
        *under(
            _HF_BLOCK_V1 + 'attention.self.',
            BLOCK,
            {
                **SPLIT_ATTENTION,
                'sequence_reduction.{wb}': 'attn.qkv.reduce.conv.{wb}',
            },
        ),
        Rule(
            _HF_BLOCK_V1 + 'attention.output.dense.{wb}',
            BLOCK + 'attn.proj.{wb}',
        ),
        _class_slot(_HF_LAST_V1 + 'position_embeddings'),
        Rule(_HF_EMBED_V1 + 'position_embeddings', STAGE + 'pos_embed'),
        Rule(_HF_LAST_V1 + 'cls_token', None, 'class token', shape='1 1 C'),
        Rule('encoder.layer_norm.{wb}', None, 'class token', shape='C'),
        *classifier('classifier'),
    ),
)
_HF_STAGE_V2 = 'encoder.layers.{stage}.'
_HF_BLOCK_V2 = 'encoder.layers.{stage}.blocks.{block}.'
TRANSFORMERS_V2 = Layout(
    title="transformers' PVTv2",
    stages=4,
    prefix='pvt_v2.',
    rules=(
        *under(
            _HF_STAGE_V2 + 'patch_embedding.',
            STAGE + 'patch_embed.',
            {'proj.{wb}': 'proj.{wb}', 'layer_norm.{wb}': 'norm.{wb}'},
        ),
        *under(_HF_BLOCK_V2, BLOCK, {**_HF_MLP, **DWCONV}),
        *under(
            _HF_BLOCK_V2 + 'attention.',
            BLOCK,
            {
                **SPLIT_ATTENTION,
                'proj.{wb}': 'attn.proj.{wb}',
                'spatial_reduction.{wb}': 'attn.qkv.reduce.conv.{wb}',
            },
        ),
        Rule(
            'encoder.layers.3.layer_norm.{wb}',
            'stages.3.norm.{wb}',
            shape='C',
        ),
        Rule(_HF_STAGE_V2 + 'layer_norm.{wb}', STAGE + 'norm.{wb}'),
        *classifier('classifier'),
    ),
)
OWN_V1 = own('vitdense PVT', OFFICIAL_V1)
OWN_V2 = own('vitdense PVTv2', OFFICIAL_V2)

LAYOUTS = (
    OFFICIAL_V1,
    OFFICIAL_V2,
    MMDET_V1,
    MMDET_V2,
    TIMM_V2,
    TRANSFORMERS_V1,
    TRANSFORMERS_V2,
    OWN_V1,
    OWN_V2,
)
