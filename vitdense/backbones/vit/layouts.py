"""Names in the authors' files of plain ViTs, and in timm's and our own.

Read in facebookresearch/deit 7e160fe, mae, dinov2 and dinov3, SHI-Labs/
Compact-Transformers cd11f09 and timm 1.0.31.
"""

from collections.abc import Mapping
from dataclasses import replace

from vitdense.backbones.vit.layouts_transformers import TRANSFORMERS
from vitdense.backbones.vit.names import (
    BLOCK,
    EMBED,
    GATED,
    ROTARY_ROWS,
    masked,
)
from vitdense.checkpoint.matching.rules import Layout, Rule
from vitdense.checkpoint.matching.tables import (
    OFFICIAL_NAMES,
    PLAIN_BLOCK,
    QKV_ROWS,
    classifier,
    own,
    under,
)

IN_FILE = 'blocks.{stage}.'
Parts = Mapping[str, str | tuple[str | None, ...]]
_ROWS = {'attn.qkv.{wb}': QKV_ROWS['{wb}']}
_MLP = {'mlp.{fc}.{wb}': 'mlp.{fc}.{wb}'}
_NORM_AND_PROJ = {k: v for k, v in PLAIN_BLOCK.items() if k not in _MLP}
_LS = {'ls1.gamma': 'ls1.gamma', 'ls2.gamma': 'ls2.gamma'}
_GAMMA = {'gamma_1': 'ls1.gamma', 'gamma_2': 'ls2.gamma'}
_AROUND = (
    Rule('cls_token', EMBED + 'cls_token', shape='1 1 C'),
    Rule('patch_embed.proj.{wb}', EMBED + 'proj.{wb}'),
    Rule('norm.{wb}', 'norm.{wb}', shape='C'),
)
_TABLE = Rule('pos_embed', EMBED + 'positions.pos_embed')
_HMLP = tuple(
    Rule(
        f'patch_embed.proj.{number + kind}.{{{field}}}',
        f'{EMBED}proj.{part}.{index}.{{{field}}}',
    )
    for index, number in enumerate((0, 3, 6))
    for kind, part, field in ((0, 'convs', 'wb'), (1, 'norms', 'bn'))
)


def _blocks(*parts: Parts) -> tuple[Rule, ...]:
    return tuple(rule for p in parts for rule in under(IN_FILE, BLOCK, p))


def _side(index: int, ending: str) -> tuple[Rule, ...]:
    """A branch of a parallel block; ``ending`` follows the second's names."""
    end, scale = ending, f'_{ending}' if ending else ''
    return under(
        IN_FILE,
        f'{BLOCK}branches.{index}.',
        {
            f'norm1{end}.{{wb}}': 'norm1.{wb}',
            f'norm2{end}.{{wb}}': 'norm2.{wb}',
            f'attn{end}.qkv.{{wb}}': QKV_ROWS['{wb}'],
            f'attn{end}.proj.{{wb}}': 'attn.proj.{wb}',
            f'mlp{end}.{{fc}}.{{wb}}': 'mlp.{fc}.{wb}',
            f'gamma_1{scale}': 'ls1.gamma',
            f'gamma_2{scale}': 'ls2.gamma',
        },
    )


DEIT = Layout(
    title='official DeiT, DeiT III or MAE',
    positions='bicubic',
    unused=OFFICIAL_NAMES,
    rules=(
        *_AROUND,
        _TABLE,
        *_HMLP,
        *_blocks(PLAIN_BLOCK, _ROWS, _GAMMA),
        *classifier('head'),
    ),
)
PARALLEL = replace(
    DEIT,
    title='official parallel ViT',
    rules=(
        *_AROUND,
        _TABLE,
        *_HMLP,
        *_side(0, ''),
        *_side(1, '1'),
        *classifier('head'),
    ),
)


def _dinov2(title: str, *mlp: Rule) -> Layout:
    return Layout(
        title=title,
        positions='bicubic',
        unused=OFFICIAL_NAMES,
        rules=(
            *_AROUND,
            _TABLE,
            Rule('register_tokens', EMBED + 'registers'),
            masked('mask_token'),
            *_blocks(_NORM_AND_PROJ, _ROWS, _LS),
            *mlp,
        ),
    )


def _dinov3(title: str, mlp: Mapping[str, str]) -> Layout:
    return Layout(
        title=title,
        unused=OFFICIAL_NAMES,
        rules=(
            *_AROUND,
            Rule('storage_tokens', EMBED + 'registers'),
            masked('mask_token'),
            Rule('rope_embed.periods', None, 'periods, as the arch has them'),
            Rule('local_cls_norm.{wb}', None, 'norm of crops in training'),
            Rule(
                IN_FILE + 'attn.qkv.bias_mask', None, 'mask of biases of keys'
            ),
            *_blocks(_NORM_AND_PROJ, ROTARY_ROWS, _LS, mlp),
        ),
    )


DINOV2 = _dinov2('official DINOv2', *_blocks(_MLP))
DINOV2_GATED = _dinov2(
    'official DINOv2, SwiGLU',
    Rule(
        IN_FILE + 'mlp.w12.{wb}',
        (BLOCK + 'mlp.fc1.{wb}', BLOCK + 'mlp.gate.{wb}'),
    ),
    Rule(IN_FILE + 'mlp.w3.{wb}', BLOCK + 'mlp.fc2.{wb}'),
)
DINOV3 = _dinov3('official DINOv3', _MLP)
DINOV3_GATED = _dinov3('official DINOv3, SwiGLU', GATED)
TIMM = Layout(
    title="timm's ViT",
    positions='bicubic',
    rules=(
        *_AROUND,
        _TABLE,
        Rule('reg_token', EMBED + 'registers'),
        *_blocks(PLAIN_BLOCK, _ROWS, _LS),
        *classifier('head'),
    ),
)
TIMM_DINOV3 = Layout(
    title="timm's DINOv3",
    rules=(
        *_AROUND,
        Rule('reg_token', EMBED + 'registers'),
        *_blocks(
            {'attn.qkv.weight': ROTARY_ROWS['attn.qkv.weight']},
            {
                '{norm}.{wb}': '{norm}.{wb}',
                'attn.q_bias': 'attn.qkv.q.bias',
                'attn.v_bias': 'attn.qkv.v.bias',
                'attn.proj.{wb}': 'attn.proj.{wb}',
                'mlp.fc1_g.{wb}': 'mlp.fc1.{wb}',
                'mlp.fc1_x.{wb}': 'mlp.gate.{wb}',
                'mlp.{fc}.{wb}': 'mlp.{fc}.{wb}',
            },
            _GAMMA,
        ),
        *classifier('head'),
    ),
)
_CCT_BLOCK = 'classifier.blocks.{stage}.'
CCT = Layout(
    title='official CCT',
    positions='bilinear',
    unused=OFFICIAL_NAMES,
    rules=(
        *(
            Rule(
                f'tokenizer.conv_layers.{index}.0.weight',
                f'{EMBED}proj.convs.{index}.weight',
            )
            for index in range(8)
        ),
        Rule('classifier.positional_emb', EMBED + 'positions.pos_embed'),
        *under(
            _CCT_BLOCK,
            BLOCK,
            {
                'pre_norm.{wb}': 'norm1.{wb}',
                'self_attn.qkv.weight': QKV_ROWS['weight'],
                'self_attn.proj.{wb}': 'attn.proj.{wb}',
                'norm1.{wb}': 'norm2.{wb}',
                'linear1.{wb}': 'mlp.fc1.{wb}',
                'linear2.{wb}': 'mlp.fc2.{wb}',
            },
        ),
        Rule('classifier.norm.{wb}', 'norm.{wb}', shape='C'),
        Rule('classifier.attention_pool.weight', None, 'pool', shape='1 C'),
        Rule('classifier.attention_pool.bias', None, 'pool', shape='1'),
        *classifier('classifier.fc'),
    ),
)
_OFFICIAL = (
    DEIT,
    PARALLEL,
    DINOV2,
    DINOV2_GATED,
    DINOV3,
    DINOV3_GATED,
    CCT,
)
LAYOUTS = (
    *_OFFICIAL,
    TIMM,
    TIMM_DINOV3,
    *TRANSFORMERS,
    *(
        own(official.title.replace('official', 'vitdense'), official)
        for official in _OFFICIAL
    ),
)
