"""Everything that is settled before training or testing writes anything."""

from mmengine.config import Config

from vitdense.checkpoint import set_pickle_trust
from vitdense.engine.amp import set_amp
from vitdense.engine.config import (
    set_auto_scale_lr,
    set_out,
    set_resume,
    set_tta,
    set_visualization,
)
from vitdense.engine.data_checks import check_data
from vitdense.engine.model_checks import (
    build_model,
    check_checkpoint,
    check_num_classes,
    check_pretrained,
)


def prepare_training(
    cfg: Config,
    resume: str | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    trust_pickle: bool = False,
) -> None:
    """Apply the options of training to a config, and check all of it.

    Args:
        cfg: As ``load_config`` gives it; changed in place.
        resume: A checkpoint, ``'auto'`` for the work folder's latest, or
            None.
        amp: Whether to train in mixed precision.
        auto_scale_lr: Whether to scale the learning rate.
        trust_pickle: Whether code that checkpoints hold may run.

    Raises:
        ValueError, TypeError, LookupError, OSError: If anything cannot be
            used, naming it.
    """
    set_pickle_trust(trust_pickle)
    set_amp(cfg, amp)
    if auto_scale_lr:
        set_auto_scale_lr(cfg)
    set_resume(cfg, resume)
    model = build_model(cfg)
    splits = ['train'] + ['val'] * (cfg.get('val_cfg') is not None)
    check_num_classes(cfg.model, check_data(cfg, splits, model))
    check_pretrained(model)
    if cfg.get('load_from'):
        check_checkpoint(model, cfg.load_from)


def prepare_testing(
    cfg: Config,
    checkpoint: str,
    out: str | None = None,
    show: bool = False,
    show_dir: str | None = None,
    wait_time: float = 2.0,
    tta: bool = False,
    trust_pickle: bool = False,
) -> None:
    """Apply the options of testing to a config, and check all of it.

    Args:
        cfg: As ``load_config`` gives it; changed in place.
        checkpoint: What is tested.
        out: Where predictions are kept: a pickle file for detection, a
            folder of label PNGs for segmentation.
        show: Whether to show predictions in a window.
        show_dir: Where pictures of predictions are written.
        wait_time: How long a window stays, in seconds.
        tta: Whether to test each image several times.
        trust_pickle: Whether code that the checkpoint holds may run.

    Raises:
        ValueError, TypeError, LookupError, OSError: If anything cannot be
            used, naming it.
    """
    set_pickle_trust(trust_pickle)
    model = build_model(cfg)
    check_checkpoint(model, checkpoint)
    cfg.load_from = checkpoint
    check_num_classes(cfg.model, check_data(cfg, ['test'], model))
    if show or show_dir is not None:
        set_visualization(cfg, show, show_dir, wait_time)
    if out is not None:
        set_out(cfg, out)
    if tta:
        set_tta(cfg)
