"""Makes the training of any config one that can be killed and goes on."""

import os
import shutil

from mmengine.config import Config, ConfigDict

from vitdense.engine.checkpoint_hook import seconds
from vitdense.engine.preemption import slurm_job
from vitdense.preflight.config import type_name
from vitdense.preflight.options import TrainOptions

# What mmengine has, and ours that does the same and can go on.
LOOPS = {
    'EpochBasedTrainLoop': 'vitdense.ResumableEpochLoop',
    'IterBasedTrainLoop': 'vitdense.ResumableIterLoop',
}
HOOK = 'vitdense.SafeCheckpointHook'
PREEMPTION = 'vitdense.PreemptionHook'


def set_resumable(cfg: Config, options: TrainOptions) -> None:
    """Put the parts that resume exactly in the place of mmengine's.

    Other loops, and other checkpoint hooks, are left as they are.

    Raises:
        ValueError: If an option asks for what these do not do.
    """
    by_epoch = cfg.train_cfg.pop('by_epoch', None)
    if by_epoch is not None and 'type' not in cfg.train_cfg:
        names = list(LOOPS)
        cfg.train_cfg.type = names[0] if by_epoch else names[1]
    kind = type_name(cfg.train_cfg.get('type', ''))
    cfg.train_cfg.type = LOOPS.get(kind, cfg.train_cfg.get('type'))
    hooks = cfg.setdefault('default_hooks', ConfigDict())
    checkpoint = hooks.setdefault('checkpoint', ConfigDict(type=HOOK))
    if checkpoint and type_name(checkpoint.type) == 'CheckpointHook':
        checkpoint.type = HOOK
    safe = bool(checkpoint) and type_name(checkpoint.type) == HOOK
    if options.save_every is not None:
        seconds(options.save_every)
        if not safe:
            raise ValueError(
                '--save-every: default_hooks.checkpoint is '
                f'{checkpoint and checkpoint.type!r}; choose {HOOK!r}'
            )
        checkpoint.save_every = options.save_every
    if safe:
        _set_preemption(cfg, requeue=options.requeue)


def _set_preemption(cfg: Config, *, requeue: bool) -> None:
    hooks = list(cfg.get('custom_hooks') or [])
    ours = [h for h in hooks if type_name(h['type']) == PREEMPTION]
    if not ours:
        ours = [ConfigDict(type=PREEMPTION)]
        cfg.custom_hooks = [*hooks, *ours]
    if requeue:
        if slurm_job(os.environ) is None or shutil.which('scontrol') is None:
            raise ValueError(
                '--requeue: this is no job of Slurm (SLURM_JOB_ID and '
                'scontrol are not here)'
            )
        ours[0]['requeue'] = True
