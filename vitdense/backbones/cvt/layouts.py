"""Names in files of CvT (arXiv:2103.15808).

Read in microsoft/CvT f851e68 and transformers 5.23.0.
"""

from vitdense.checkpoint.matching.rules import Layout, Rule
from vitdense.checkpoint.matching.tables import (
    BLOCK,
    OFFICIAL_NAMES,
    PLAIN_BLOCK,
    classifier,
    own,
    under,
)

STAGE = 'stages.{stage}.'
CLS_OF_STAGE_3 = 'stages.2.cls_token'

OFFICIAL_CVT = Layout(
    title='official CvT',
    stages=3,
    unused=OFFICIAL_NAMES,
    rules=(
        *under(
            'stage{stage}.patch_embed.',
            STAGE + 'patch_embed.',
            {'proj.{wb}': 'proj.{wb}', 'norm.{wb}': 'norm.{wb}'},
        ),
        *under(
            'stage{stage}.blocks.{block}.',
            BLOCK,
            {
                **PLAIN_BLOCK,
                'attn.conv_proj_{qkv}.conv.weight': (
                    'attn.qkv.conv_{qkv}.conv.weight'
                ),
                'attn.conv_proj_{qkv}.bn.{bn}': 'attn.qkv.conv_{qkv}.bn.{bn}',
                'attn.proj_{qkv}.{wb}': 'attn.qkv.{qkv}.{wb}',
            },
        ),
        Rule('stage2.cls_token', CLS_OF_STAGE_3, shape='1 1 C'),
        *classifier('head', 'norm'),
    ),
)

_HF_STAGE = 'encoder.stages.{stage}.'
_HF_BLOCK = 'encoder.stages.{stage}.layers.{block}.'
_HF_ATTENTION = _HF_BLOCK + 'attention.attention.'


def _transformers_projection(long: str, short: str) -> tuple[Rule, ...]:
    conv = f'convolution_projection_{long}.convolution_projection.'
    return under(
        _HF_ATTENTION,
        BLOCK,
        {
            f'{conv}convolution.weight': f'attn.qkv.conv_{short}.conv.weight',
            f'{conv}normalization.{{bn}}': (
                f'attn.qkv.conv_{short}.bn.{{bn}}'
            ),
            f'projection_{long}.{{wb}}': f'attn.qkv.{short}.{{wb}}',
        },
    )


TRANSFORMERS_CVT = Layout(
    title="transformers' CvT",
    stages=3,
    prefix='cvt.',
    note=(
        "transformers' files are the official weights under other names "
        '(it runs them with GELU, they were trained with QuickGELU)'
    ),
    rules=(
        *under(
            _HF_STAGE + 'embedding.convolution_embeddings.',
            STAGE + 'patch_embed.',
            {
                'projection.{wb}': 'proj.{wb}',
                'normalization.{wb}': 'norm.{wb}',
            },
        ),
        *_transformers_projection('query', 'q'),
        *_transformers_projection('key', 'k'),
        *_transformers_projection('value', 'v'),
        *under(
            _HF_BLOCK,
            BLOCK,
            {
                'attention.output.dense.{wb}': 'attn.proj.{wb}',
                'intermediate.dense.{wb}': 'mlp.fc1.{wb}',
                'output.dense.{wb}': 'mlp.fc2.{wb}',
                'layernorm_before.{wb}': 'norm1.{wb}',
                'layernorm_after.{wb}': 'norm2.{wb}',
            },
        ),
        Rule('encoder.stages.2.cls_token', CLS_OF_STAGE_3, shape='1 1 C'),
        *classifier('classifier', 'layernorm'),
    ),
)

LAYOUTS = (
    OFFICIAL_CVT,
    TRANSFORMERS_CVT,
    own('vitdense CvT', OFFICIAL_CVT),
)
