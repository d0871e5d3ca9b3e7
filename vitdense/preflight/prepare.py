"""Everything that is settled before training or testing writes anything."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from vitdense.checkpoint import set_pickle_trust
from vitdense.checkpoint.base import leaves_base_out
from vitdense.engine.processes import (
    find_launcher,
    join,
    launched_s,
    queued_again,
    restarted,
)
from vitdense.engine.work_folder import check_free
from vitdense.preflight.amp import set_amp, set_test_amp
from vitdense.preflight.classes import check_num_classes, fit_classes
from vitdense.preflight.classification import check_ranks
from vitdense.preflight.cli import given_options, nothing_shown
from vitdense.preflight.config import (
    VISUALIZATION_HOOKS,
    check_numbers,
    evaluators,
    load_config,
    set_auto_scale_lr,
    set_out,
    set_tta,
    set_visualization,
)
from vitdense.preflight.data import (
    Source,
    check_files,
    check_folders,
    open_sources,
)
from vitdense.preflight.fine_tuning import begin_from
from vitdense.preflight.kinds import TESTED, TRAINED, check_sections
from vitdense.preflight.log_to import drop_loggers, set_log_to
from vitdense.preflight.model import (
    check_exists,
    check_frozen,
    check_parts,
    check_training_state,
    check_weights,
    pretrained_file,
    weights_of,
)
from vitdense.preflight.options import (
    CommonOptions,
    TestOptions,
    TrainOptions,
)
from vitdense.preflight.prepared import Prepared
from vitdense.preflight.rehearsal import Rehearsal, no_traces
from vitdense.preflight.resumable import set_resumable
from vitdense.preflight.resume import (
    checkpoint_folders,
    checkpoints_of,
    checkpoints_to_begin_from,
    read_first_whole,
    saved_since,
    set_init_from,
)
from vitdense.preflight.safeguards import (
    set_finite_check,
    set_whole_images,
)
from vitdense.preflight.sharding import check_sharding
from vitdense.preflight.summary import describe_run


def prepare_training(options: TrainOptions) -> Prepared:
    """Apply the options of training to a config, and check all of it.

    Raises:
        ValueError, TypeError, LookupError, OSError: If anything cannot be
            used, naming it.
    """
    notes, resume = [], options.resume
    with _joined(options) as cfg:
        check_sections(cfg, TRAINED)
        set_amp(cfg, options.amp)
        if options.auto_scale_lr:
            set_auto_scale_lr(cfg)
        set_finite_check(cfg)
        set_whole_images(cfg, options.skip_broken_images)
        set_resumable(cfg, options)
        set_log_to(cfg, options.log_to)
        check_sharding(cfg)
        for folder in checkpoint_folders(cfg):
            check_free(str(folder))
        set_init_from(cfg, options)
        if restarted() and saved_since(cfg, launched_s()):
            resume = 'auto'
            notes.append('restarted by torchrun: resuming')
        elif options.requeue and queued_again() and checkpoints_of(cfg):
            resume = 'auto'
            notes.append('queued again by Slurm: resuming')
        starts = checkpoints_to_begin_from(cfg, resume)
        splits = ['train'] + ['val'] * (cfg.get('val_cfg') is not None)
        prepared = _check(cfg, options, splits, starts)
        prepared.notes += notes
        if resume == 'auto' and not starts:
            prepared.notes.append(
                f'--resume: no checkpoint in {cfg.work_dir!r}; training begins'
            )
        return prepared


def prepare_testing(options: TestOptions) -> Prepared:
    """Apply the options of testing to a config, and check all of it.

    Raises:
        ValueError, TypeError, LookupError, OSError: If anything cannot be
            used, naming it.
    """
    with _joined(options) as cfg:
        check_sections(cfg, TESTED)
        cfg.load_from = options.checkpoint
        drop_loggers(cfg)
        if options.show or options.show_dir is not None:
            set_visualization(
                cfg, options.show, options.show_dir, options.wait_time
            )
        if options.out is not None:
            set_out(cfg, options.out)
        if options.amp:
            set_test_amp(cfg)
        if options.tta:
            set_tta(cfg)
        check_exists(options.checkpoint)
        return _check(cfg, options, ['test'], [options.checkpoint])


@contextmanager
def _joined(options: CommonOptions) -> Iterator[Config]:
    """Read the config and join the processes that run it; read checkpoints
    as asked, show nothing and leave nothing behind."""
    set_pickle_trust(options.trust_pickle)
    with nothing_shown(), no_traces():
        launcher = find_launcher(options.launcher)
        cfg = load_config(
            replace(options, launcher=launcher), VISUALIZATION_HOOKS
        )
        with given_options(options.cfg_options):
            environment = cfg.get('env_cfg') or {}
            join(launcher, environment.get('dist_cfg') or {})
            yield cfg


def _check(
    cfg: Config,
    options: CommonOptions,
    splits: Sequence[str],
    starts: Sequence[str],
) -> Prepared:
    """Check all of a config: what takes no time first.

    Args:
        cfg: The config, with all options applied.
        options: What was asked.
        splits: What is run: some of 'train', 'val', 'test'.
        starts: The checkpoint to begin from, if any; more are for when it is
            broken.
    """
    check_numbers(cfg, splits)
    pretrained = pretrained_file(cfg)
    if pretrained is not None:
        check_exists(pretrained)
    sources = open_sources(cfg, splits)
    check_folders(sources)
    changes = []
    if options.fit_classes:
        first = next(iter(sources), None)
        if first is None:
            raise ValueError(
                '--fit-classes: no data set of the config can be read'
            )
        changes = fit_classes(cfg, first.classes, first.place)
    _check_classes(cfg, splits, sources)
    rehearsal = Rehearsal(cfg)
    check_parts(rehearsal.model, cfg.model)
    check_files(cfg, splits, sources)
    prepared = Prepared(cfg, options, {'model': rehearsal.model})
    prepared.notes += changes
    if 'train' in splits:
        rehearsal.set_weights()
        loaded = bool(starts or cfg.model.get('init_cfg'))
        check_frozen(rehearsal.model, whole_loaded=loaded)
    if starts:
        start, content, broken = read_first_whole(starts)
        cfg.load_from = start
        prepared.notes += [f'left out: {each}' for each in broken]
        if 'train' not in splits and leaves_base_out(weights_of(content)):
            rehearsal.set_weights()
        if (
            isinstance(options, TrainOptions)
            and not cfg.get('resume')
            and 'runner_type' not in cfg  # it reads the file itself
        ):
            classes = sources[0].classes if sources else ()
            _begin(prepared, options, content, classes)
        else:
            check_weights(rehearsal.model, start, content)
            if 'train' in splits and cfg.get('resume'):
                check_training_state(start, content)
            prepared.checkpoints[start] = content
    _rehearse(rehearsal, prepared, splits)
    return prepared


def _check_classes(
    cfg: Config, splits: Sequence[str], sources: Sequence[Source]
) -> None:
    """Hold heads and scores against the classes of the data."""
    for each in sources:
        check_num_classes(cfg.model, each.classes, each.place)
    if sources and cfg.default_scope == 'mmpretrain':
        for split in set(splits) - {'train'}:
            found = evaluators(cfg, split)
            check_ranks(split, found, len(sources[0].classes))


def _begin(
    prepared: Prepared,
    options: TrainOptions,
    content: Any,
    classes: Sequence[str],
) -> None:
    """Put the weights that a training begins from into the model.

    The Runner has nothing to load then, and wrapping the model gives every
    process the same initial rows.
    """
    cfg, model = prepared.cfg, prepared.parts['model']
    begin = begin_from(
        model,
        cfg.model,
        cfg.load_from,
        content,
        classes,
        options.classes_of_checkpoint,
    )
    model.load_state_dict(begin.weights)
    prepared.parts['load_from'] = None
    prepared.taken = begin.summary
    for line in (f'weights from {cfg.load_from}', *begin.lines):
        print_log(line, logger='current')


def _rehearse(
    rehearsal: Rehearsal, prepared: Prepared, splits: Sequence[str]
) -> None:
    """Build what the run will build, and pass a batch of each split."""
    parts, cfg = prepared.parts, prepared.cfg
    for split in splits:
        parts[f'{split}_dataloader'] = rehearsal.build_loader(split)
    if 'train' in splits:
        rehearsal.build_training()
    for split in splits:
        rehearsal.try_step(split)
    for split in set(splits) - {'train'}:
        parts[f'{split}_evaluator'] = rehearsal.build_evaluation(split)
    # samplers have the seed by now; a resumed run takes its checkpoint's
    if not cfg.get('resume'):
        parts['randomness'] = rehearsal.drawn_randomness
    prepared.summary = describe_run(rehearsal, cfg, splits, prepared.taken)
    prepared.records = rehearsal.records
