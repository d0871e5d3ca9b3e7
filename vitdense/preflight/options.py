"""What a user asks of training and testing: the command line as data."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

Options = TypeVar('Options', bound='CommonOptions')


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
    """What training and testing share.

    Attributes:
        config: Path of the config file.
        work_dir: Where all is written; None leaves it to the config.
        cfg_options: Settings that replace the config's, by dotted key.
        trust_pickle: Whether code that checkpoints hold may run.
        compile: Whether the backbone runs through torch.compile.
        launcher: What started several processes: 'none', 'pytorch', 'slurm'
            or 'mpi'.
        local_rank: Which process of its machine this is.
        show_settings: Whether environment and config are shown on the screen
            too, not in the log file alone.
        fit_classes: Whether the model's numbers of classes become those of
            the data.
    """

    config: str
    work_dir: str | None = None
    cfg_options: Mapping[str, Any] = field(default_factory=dict)
    trust_pickle: bool = False
    compile: bool = False
    launcher: str = 'none'
    local_rank: int = 0
    show_settings: bool = False
    fit_classes: bool = False

    @classmethod
    def of(cls: type[Options], args: Namespace) -> Options:
        """Take the options of this name from a parsed command line."""
        given = {each.name: getattr(args, each.name) for each in fields(cls)}
        given['cfg_options'] = given['cfg_options'] or {}
        return cls(**given)


@dataclass(frozen=True, kw_only=True)
class TrainOptions(CommonOptions):
    """What is asked of training.

    Attributes:
        resume: A checkpoint to go on from, ``'auto'`` for the work folder's
            latest if there is one, or None.
        init_from: A checkpoint to begin from, of other classes too, in place
            of the config's ``load_from``; None leaves it to that.
        classes_of_checkpoint: A text file with the names of that
            checkpoint's classes, if it does not hold them.
        save_every: Time between two checkpoints, such as ``'10m'``, beside
            what the config says.
        requeue: Whether Slurm is asked to run the job again when it was
            asked to stop.
        amp: Whether to train in mixed precision.
        auto_scale_lr: Whether to scale the learning rate by the batch size.
        skip_broken_images: Whether to go on without images that are cut off
            or cannot be decoded.
        log_to: What the log goes to beside its files, of
            ``vitdense.preflight.log_to.CHOICES``.
    """

    resume: str | None = None
    init_from: str | None = None
    classes_of_checkpoint: str | None = None
    save_every: str | None = None
    requeue: bool = False
    amp: bool = False
    auto_scale_lr: bool = False
    skip_broken_images: bool = False
    log_to: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class TestOptions(CommonOptions):
    """What is asked of testing.

    Attributes:
        checkpoint: What is tested.
        out: Where predictions are kept: a pickle file for detection, a
            folder of label PNGs for segmentation.
        show: Whether to show predictions in a window.
        show_dir: Where pictures of predictions are written.
        wait_time: How long a window stays, in seconds.
        tta: Whether to test each image several times.
        amp: Whether to predict in bfloat16.
    """

    __test__ = False  # pytest takes classes named Test... for tests

    checkpoint: str
    out: str | None = None
    show: bool = False
    show_dir: str | None = None
    wait_time: float = 2.0
    tta: bool = False
    amp: bool = False
