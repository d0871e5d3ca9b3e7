"""What a run is, in the few lines that a reader wants on the screen."""

from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import get_world_size

from vitdense.preflight.config import type_name
from vitdense.preflight.rehearsal import Rehearsal

MAX_CLASSES = 6


def describe_run(
    rehearsal: Rehearsal, cfg: Config, splits: Sequence[str], taken: str
) -> str:
    """What is run on what, from which weights, for how long, and where to.

    Args:
        rehearsal: All that the run has.
        cfg: What it is built from.
        splits: What is run: some of 'train', 'val', 'test'.
        taken: What was taken of the weights; nothing if all was.
    """
    training = 'train' in splits
    lines = {
        'train' if training else 'test': _model(rehearsal, cfg),
        'weights': _weights(cfg, training) + f', {taken}' * bool(taken),
    }
    for split in splits:
        loader = getattr(rehearsal, f'_{split}_dataloader')
        lines[f'{split} data'] = _data(loader)
    if training:
        loop = rehearsal.train_loop
        epochs = f'{loop.max_epochs} epochs, ' * (loop.max_epochs > 1)
        world = f'{get_world_size()} x ' * (get_world_size() > 1)
        lines['length'] = (
            f'{epochs}{loop.max_iters} steps, on {world}{get_device()}'
        )
        if _batch_size(rehearsal._train_dataloader):
            lines['step'] = _step(rehearsal, cfg)
    lines['folder'] = cfg.work_dir
    return '\n'.join(f'  {key:<10} {text}' for key, text in lines.items())


def _model(rehearsal: Rehearsal, cfg: Config) -> str:
    model: Any = getattr(rehearsal.model, 'module', rehearsal.model)
    settings = cfg.model.get('module', cfg.model).get('backbone') or {}
    arch = settings.get('arch')
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    return (
        f'{type(model).__name__} with {type_name(settings.get("type", "?"))}'
        + f' {arch}' * isinstance(arch, str)
        + f', {millions:.1f} M parameters'
    )


def _weights(cfg: Config, training: bool) -> str:
    """Where those of the run come from, whatever else a config names."""
    source = cfg.get('load_from')
    if source:
        return f'{source}' + ', going on' * (
            training and bool(cfg.get('resume'))
        )
    model = cfg.model.get('module', cfg.model)
    settings = (model.get('backbone') or {}).get('init_cfg') or {}
    several = settings if isinstance(settings, list) else [settings]
    files = [each['checkpoint'] for each in several if 'checkpoint' in each]
    return f'backbone from {files[0]}' if files else 'none, from scratch'


def _step(rehearsal: Rehearsal, cfg: Config) -> str:
    """How many images an update of the weights is made from, and its rate
    as scaled for them."""
    each = _batch_size(rehearsal._train_dataloader)
    world = get_world_size()
    wrapper = rehearsal.optim_wrapper
    rounds = getattr(wrapper, '_accumulative_counts', 1)
    factors = [
        f'{world} processes' * (world > 1),
        f'{rounds} rounds' * (rounds > 1),
    ]
    made = ' x '.join([*filter(None, factors), str(each)])
    text = f'{each * world * rounds} images' + f' ({made})' * (
        made != f'{each}'
    )
    optimizer = getattr(wrapper, 'optimizer', None)
    rate = optimizer and optimizer.defaults.get('lr')
    if rate is None:  # several optimizers
        return text
    scaling = cfg.get('auto_scale_lr') or {}
    meant_for = scaling.get('base_batch_size', each * world)
    ratio = each * world / meant_for
    if ratio == 1:
        return f'{text}, learning rate {rate:g}'
    if scaling.get('enable'):
        return (
            f'{text}, learning rate {rate * ratio:g}, scaled from {rate:g} '
            f'for {meant_for} images'
        )
    return f'{text}, learning rate {rate:g}, meant for {meant_for} images'


def _batch_size(loader: Any) -> Any:
    """How many pictures make a batch; None where a sampler draws freely."""
    return getattr(loader.batch_sampler, 'batch_size', loader.batch_size)


def _data(loader: Any) -> str:
    dataset = loader.dataset
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes') or ()
    named = ', '.join(classes[:MAX_CLASSES])
    more = ', ...' * (len(classes) > MAX_CLASSES)
    root = getattr(dataset, 'data_root', None)
    return (
        f'{len(dataset)} pictures'
        + f' of {root}' * bool(root)
        + f' by {_batch_size(loader)}, {len(classes)} classes ({named}{more})'
    )
