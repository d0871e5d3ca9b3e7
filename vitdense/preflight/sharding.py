"""Refuses what a model in parts cannot be trained with."""

from mmengine.config import Config

from vitdense.checkpoint.sharded import check_pytorch
from vitdense.preflight.config import type_name
from vitdense.preflight.resumable import HOOK

WRAPPER = 'vitdense.FullyShard'


def check_sharding(cfg: Config) -> None:
    """See that a training with ``FullyShard`` can be saved and goes on.

    Raises:
        ValueError: If PyTorch is too old, or a part of the config needs
            whole weights.
    """
    settings = cfg.get('model_wrapper_cfg') or {}
    if type_name(settings.get('type', '')) != WRAPPER:
        return
    place = f'model_wrapper_cfg.type={WRAPPER!r}'
    check_pytorch(place)
    hooks = cfg.get('default_hooks') or {}
    checkpoint = hooks.get('checkpoint') or {}
    if type_name(checkpoint.get('type', '')) != HOOK:
        raise ValueError(
            f'{place}: default_hooks.checkpoint is '
            f'{checkpoint.get("type")!r}; choose {HOOK!r}'
        )
    if '://' in str(checkpoint.get('out_dir')):
        raise ValueError(
            f'{place}: default_hooks.checkpoint.out_dir='
            f'{checkpoint["out_dir"]!r}; choose a folder of a file system '
            'that all processes write to'
        )
    for split in ('val', 'test'):
        sampler = (cfg.get(f'{split}_dataloader') or {}).get('sampler') or {}
        if sampler.get('round_up') is False:
            raise ValueError(
                f'{place}: {split}_dataloader.sampler.round_up=False; choose '
                'True, since processes that evaluate more batches than others '
                'would wait for them'
            )
    for each in cfg.get('custom_hooks') or []:
        if type_name(each['type']) == 'EMAHook':
            raise ValueError(
                f'{place}: custom_hooks has EMAHook, which averages whole '
                'weights; leave one of the two out'
            )
