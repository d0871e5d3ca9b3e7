"""Names in files of transformers' plain ViTs, as of 5.23.0 and before.

Files on the hub have the names of older versions, which transformers changes
when it loads them.
"""

from collections.abc import Mapping

from vitdense.backbones.vit.names import BLOCK, EMBED, masked
from vitdense.checkpoint.matching.rules import Layout, Rule
from vitdense.checkpoint.matching.tables import classifier, under

_EMBEDDINGS = {
    'cls_token': 'cls_token',
    'register_tokens': 'registers',
    'position_embeddings': 'positions.pos_embed',
    'patch_embeddings.projection.{wb}': 'proj.{wb}',
}
_SPLIT = {
    'q_proj.{wb}': 'attn.qkv.q.{wb}',
    'k_proj.{wb}': 'attn.qkv.kv.{wb}[0/2]',
    'v_proj.{wb}': 'attn.qkv.kv.{wb}[1/2]',
    'o_proj.{wb}': 'attn.proj.{wb}',
}
_SPLIT_ROTARY = {
    '{qkv}_proj.{wb}': 'attn.qkv.{qkv}.{wb}',
    'o_proj.{wb}': 'attn.proj.{wb}',
}
_SPLIT_BEFORE = {
    'attention.query.{wb}': 'attn.qkv.q.{wb}',
    'attention.key.{wb}': 'attn.qkv.kv.{wb}[0/2]',
    'attention.value.{wb}': 'attn.qkv.kv.{wb}[1/2]',
    'output.dense.{wb}': 'attn.proj.{wb}',
}
_SCALES = {
    'layer_scale1.lambda1': 'ls1.gamma',
    'layer_scale2.lambda1': 'ls2.gamma',
}
_GATED = {
    'mlp.gate_proj.{wb}': 'mlp.fc1.{wb}',
    'mlp.up_proj.{wb}': 'mlp.gate.{wb}',
    'mlp.down_proj.{wb}': 'mlp.fc2.{wb}',
}
_UP_AND_DOWN = {
    'mlp.up_proj.{wb}': 'mlp.fc1.{wb}',
    'mlp.down_proj.{wb}': 'mlp.fc2.{wb}',
}
_NORMS = {'{norm}.{wb}': '{norm}.{wb}'}
_MLP = {'mlp.{fc}.{wb}': 'mlp.{fc}.{wb}'}
_VIT_NORMS = {
    'layernorm_before.{wb}': 'norm1.{wb}',
    'layernorm_after.{wb}': 'norm2.{wb}',
}


def _layout(
    title: str,
    prefix: str,
    block: str,
    attention: Mapping[str, str],
    *parts: Mapping[str, str],
    norm: str = 'layernorm',
    embeddings: Mapping[str, str] = _EMBEDDINGS,
) -> Layout:
    return Layout(
        title=title,
        prefix=prefix,
        positions='bicubic',
        rules=(
            *under('embeddings.', EMBED, embeddings),
            masked('embeddings.mask_token'),
            *under(f'{block}attention.', BLOCK, attention),
            *(rule for part in parts for rule in under(block, BLOCK, part)),
            Rule(norm + '.{wb}', 'norm.{wb}'),
            Rule('pooler.dense.{wb}', None, 'pooler'),
            *classifier('classifier'),
        ),
    )


def _dinov2(prefix: str) -> tuple[Layout, ...]:
    """Now, and of older versions, where queries had names of their own."""
    title = "transformers' Dinov2 or Dinov2WithRegisters"
    block = 'encoder.layer.{stage}.'
    before = Rule(
        block + 'mlp.weights_in.{wb}',
        (BLOCK + 'mlp.fc1.{wb}', BLOCK + 'mlp.gate.{wb}'),
    )
    parts = (_NORMS, _SCALES, _MLP)
    older = _layout(title, prefix, block, _SPLIT_BEFORE, *parts)
    out = {'mlp.weights_out.{wb}': 'mlp.fc2.{wb}'}
    gated = (before, *under(block, BLOCK, out))
    return (
        _layout(title, prefix, block, _SPLIT, *parts, _GATED),
        Layout(
            title=title,
            prefix=prefix,
            positions='bicubic',
            rules=(*older.rules, *gated),
        ),
    )


def _dinov3(block: str) -> tuple[Layout, ...]:
    embeddings = {
        'cls_token': 'cls_token',
        'register_tokens': 'registers',
        'patch_embeddings.{wb}': 'proj.{wb}',
    }
    return tuple(
        _layout(
            "transformers' DINOv3ViT" + kind,
            '',
            block,
            _SPLIT_ROTARY,
            _NORMS,
            _SCALES,
            mlp,
            norm='norm',
            embeddings=embeddings,
        )
        # an up_proj is the gated one only where there is a gate_proj
        for kind, mlp in (('', _UP_AND_DOWN), (', gated', _GATED))
    )


TRANSFORMERS = (
    *_dinov2('dinov2.'),
    *_dinov2('dinov2_with_registers.'),
    *_dinov3('model.layer.{stage}.'),
    *_dinov3('layer.{stage}.'),
    _layout(
        "transformers' ViT",
        'vit.',
        'layers.{stage}.',
        _SPLIT,
        _VIT_NORMS,
        _MLP,
    ),
    _layout(
        "transformers' ViT",
        'vit.',
        'encoder.layer.{stage}.',
        _SPLIT_BEFORE,
        _VIT_NORMS,
        {
            'intermediate.dense.{wb}': 'mlp.fc1.{wb}',
            'output.dense.{wb}': 'mlp.fc2.{wb}',
        },
    ),
)
