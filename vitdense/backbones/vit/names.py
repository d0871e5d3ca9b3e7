"""Names that tables of layouts of plain ViTs share."""

from collections.abc import Mapping

from vitdense.checkpoint.matching.rules import Rule

EMBED = 'stages.0.patch_embed.'
BLOCK = 'stages.{stage}.blocks.0.'  # a stage is a block

# Rows of a fused projection; the bias of keys is masked out
ROTARY_ROWS: Mapping[str, tuple[str | None, ...]] = {
    'attn.qkv.weight': (
        'attn.qkv.q.weight',
        'attn.qkv.k.weight',
        'attn.qkv.v.weight',
    ),
    'attn.qkv.bias': ('attn.qkv.q.bias', None, 'attn.qkv.v.bias'),
}
GATED = {
    'mlp.w1.{wb}': 'mlp.fc1.{wb}',
    'mlp.w2.{wb}': 'mlp.gate.{wb}',
    'mlp.w3.{wb}': 'mlp.fc2.{wb}',
}


def masked(name: str) -> Rule:
    """Drops what stands for masked patches in training."""
    return Rule(name, None, 'token of masked patches')
