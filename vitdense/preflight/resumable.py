"""Makes the training of any config one that can be killed and goes on."""

import os
import shutil

from mmengine.config import Config, ConfigDict

from vitdense.engine.checkpoint_hook import seconds
from vitdense.engine.preemption import slurm_job
from vitdense.preflight.config import default_hooks, type_name
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

    Other loops, and other checkpoint hooks, are left as they are; without
    the hook that saves at any step there is no saving on a signal either.

    Raises:
        ValueError: If an option asks for what these do not do.
    """
    loop = cfg.train_cfg
    if 'type' not in loop and 'by_epoch' in loop:
        epochs, iterations = LOOPS
        loop.type = epochs if loop.pop('by_epoch') else iterations
    if type_name(loop.get('type', '')) in LOOPS:
        loop.type = LOOPS[type_name(loop.type)]
    hooks = default_hooks(cfg)
    checkpoint = hooks.setdefault('checkpoint', ConfigDict(type=HOOK))
    kind = type_name(checkpoint.type) if checkpoint else None
    if kind == 'CheckpointHook':
        checkpoint.type = kind = HOOK
    asked = {
        '--save-every': options.save_every is not None,
        '--requeue': options.requeue,
    }
    if kind != HOOK and any(asked.values()):
        names = ' and '.join(name for name, given in asked.items() if given)
        raise ValueError(
            f'{names}: default_hooks.checkpoint is {kind!r}; choose {HOOK!r}'
        )
    if options.save_every is not None:
        seconds(options.save_every)
        checkpoint.save_every = options.save_every
    _set_preemption(cfg, wanted=kind == HOOK, requeue=options.requeue)


def _set_preemption(cfg: Config, *, wanted: bool, requeue: bool) -> None:
    """Have the hook that saves on a signal once, or not at all."""
    hooks = list(cfg.get('custom_hooks') or [])
    ours = [h for h in hooks if type_name(h['type']) == PREEMPTION]
    others = [h for h in hooks if h not in ours]
    if not wanted:
        cfg.custom_hooks = others
        return
    hook = ours[0] if ours else ConfigDict(type=PREEMPTION)
    cfg.custom_hooks = [*others, hook]
    if requeue:
        if slurm_job(os.environ) is None or shutil.which('scontrol') is None:
            raise ValueError(
                '--requeue: this is no job of Slurm (SLURM_JOB_ID and '
                'scontrol are not here)'
            )
        hook.requeue = True
