"""Builds all that a run will build, as it will, and writes nothing."""

import copy
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler, InfiniteSampler, RepeatDataset
from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapperDict
from mmengine.registry import OPTIMIZERS
from mmengine.runner import Runner
from mmengine.utils import ManagerMixin
from torch import nn
from torch.utils.data import DataLoader

from vitdense.engine.runner import runner_settings
from vitdense.preflight.cli import named

Loader = DataLoader[Any]
# Other samplers compose a batch of images that belong together.
INDEPENDENT = (DefaultSampler, InfiniteSampler)


class Keeper(logging.Handler):
    """Keeps what is logged in a list."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self.emit = records.append  # type: ignore[assignment, method-assign]


def _check_optimizer(settings: Any) -> None:
    """Find the optimizer, where mmengine's constructor would read None.

    Raises:
        ValueError: If none has the name.
    """
    kind = settings.get('optimizer', {}).get('type', '')
    with OPTIMIZERS.switch_scope_and_registry(None) as registry:
        if isinstance(kind, str) and registry.get(kind) is None:
            known = sorted(OPTIMIZERS.module_dict)
            close = get_close_matches(kind, known, n=3, cutoff=0.5) or known
            raise ValueError(
                f'optim_wrapper.optimizer.type={kind!r} is no optimizer; '
                f'choose from {close}'
            )


class Rehearsal(Runner):
    """mmengine's Runner in a folder that is gone when it is built.

    ``records`` has what it logged, for the log file of the run to come.
    """

    _train_loop: Any
    optim_wrapper: Any

    def __init__(self, cfg: Config) -> None:
        self.records: list[logging.LogRecord] = []
        settings = runner_settings(cfg)
        with TemporaryDirectory() as folder, named('config'):
            super().__init__(**{**settings, 'work_dir': folder})

    def build_logger(
        self, log_level: int | str = 'INFO', log_file: str | None = None
    ) -> MMLogger:
        """Build a logger that keeps what it is told."""
        logger = MMLogger.get_instance(
            self.experiment_name, log_level=log_level
        )
        logger.handlers = [Keeper(self.records)]
        return logger

    def wrap_model(
        self, model_wrapper_cfg: Mapping[str, Any] | None, model: nn.Module
    ) -> nn.Module:
        """Leave the model bare: the run wraps it."""
        return model.to(get_device())

    def _log_env(self, env_cfg: Mapping[str, Any]) -> None:
        """Nothing yet: the run tells."""

    def dump_config(self) -> None:
        """Nothing yet: the run does it."""

    def build_loader(self, split: str) -> Loader:
        """Build a split's data set, samplers and loader, for the run too.

        Raises:
            ValueError: If it gives no batch, or as whatever it is built of.
        """
        place = f'{split}_dataloader'
        with named(place):
            loader = self.build_dataloader(
                getattr(self, f'_{place}'),
                seed=self.seed,
                diff_rank_seed=self._randomness_cfg.get(
                    'diff_rank_seed', False
                ),
            )
            if not len(loader):
                raise ValueError(
                    f'{len(loader.dataset)} pictures give no batch'
                )
        setattr(self, f'_{place}', loader)
        return loader

    def build_training(self) -> None:
        """Build loop, optimizer and schedulers.

        Raises:
            ValueError: If one cannot be built, naming its place.
        """
        with named('train_cfg'):
            self._train_loop = self.build_train_loop(self._train_loop)
        with named('optim_wrapper'):
            _check_optimizer(self.optim_wrapper)
            self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
        if self.param_schedulers is not None:
            with named('param_scheduler'):
                self.build_param_scheduler(self.param_schedulers)

    def build_evaluation(self, split: str) -> Any:
        """Build the loop and evaluator of 'val' or 'test'; gives the latter.

        Raises:
            ValueError: If one cannot be built, naming its place.
        """
        with named(f'{split}_evaluator'):
            evaluator = self.build_evaluator(
                getattr(self, f'_{split}_evaluator')
            )
        setattr(self, f'_{split}_evaluator', evaluator)
        with named(f'{split}_cfg'):
            build = getattr(self, f'build_{split}_loop')
            build(getattr(self, f'_{split}_loop'))
        return evaluator

    @property
    def drawn_randomness(self) -> dict[str, Any]:
        """The settings of random numbers, with the seed that was drawn."""
        settings = dict(self._randomness_cfg)
        extra = self.rank if settings.get('diff_rank_seed') else 0
        return {**settings, 'seed': self.seed - extra}

    def set_weights(self) -> None:
        """Initialise the model, or read its pretrained weights."""
        self._init_model_weights()

    def try_step(self, split: str) -> None:
        """Pass a small batch of a split through a copy of the model.

        In training through its losses too. A model with several optimizers,
        and samplers that compose batches, are not tried.

        Raises:
            ValueError: If it does not pass, or an image is too small.
        """
        loader = getattr(self, f'_{split}_dataloader')
        sampler = getattr(loader.batch_sampler, 'sampler', None)
        usual = isinstance(sampler, INDEPENDENT)
        wrapper = self.optim_wrapper
        if not usual or isinstance(wrapper, OptimWrapperDict):
            self.logger.info(f'not tried before the run: a step of {split}')
            return
        with self._trial(split, loader) as (model, batch):
            if split == 'train':
                dry = SimpleNamespace(
                    optim_context=wrapper.optim_context,
                    update_params=lambda loss: None,
                )
                model.train()
                model.train_step(batch, optim_wrapper=dry)
            else:
                model.eval()
                getattr(model, f'{split}_step')(batch)

    @contextmanager
    def _trial(self, split: str, loader: Loader) -> Iterator[tuple[Any, Any]]:
        """A copy of the model, whose statistics a pass may change; a batch."""
        place = f'{split}_dataloader'
        with torch.no_grad():
            with named(f'{place}.dataset'):
                batch = small_batch(loader)
            model = revert_sync_batchnorm(copy.deepcopy(self.model))
            with named(f'{place}: one batch through the model'):
                _refuse_small_images(model)
                yield model, batch
                if get_device() == 'cuda':
                    # it reports faults, as of labels, when they are past
                    torch.cuda.synchronize()


def small_batch(loader: Loader) -> Any:
    """The data set's smallest picture, and another where batches have more.

    One picture alone is too few for some norms, which the run never sees.
    """
    dataset: Any = loader.dataset
    count = len(dataset)
    while isinstance(dataset, RepeatDataset):
        dataset = dataset.dataset
    info = getattr(dataset, 'get_data_info', None)
    first = min(range(len(dataset)), key=lambda i: _side(info, i))
    sampler = loader.batch_sampler
    alone = getattr(sampler, 'batch_size', loader.batch_size) == 1
    chosen = [first] if alone else [first, (first + 1) % count]
    return loader.collate_fn([loader.dataset[i] for i in chosen])


def _side(info: Any, index: int) -> float:
    """The shorter side of a picture in pixels, where annotations tell it."""
    content = info(index) if info else {}
    if not isinstance(content, Mapping):
        return 0
    return min(content.get('width', 0), content.get('height', 0))


def _refuse_small_images(model: nn.Module) -> None:
    """Name the picture that is too small when it reaches the backbone."""
    inner = getattr(model, 'module', model)
    backbone = getattr(inner, 'backbone', None)
    least = getattr(backbone, 'min_size', None)

    def check(_: nn.Module, inputs: Any, outputs: Any) -> None:
        images = outputs.get('inputs') if isinstance(outputs, dict) else None
        if isinstance(images, torch.Tensor) and isinstance(least, int):
            height, width = images.shape[-2:]
            if min(height, width) < least:
                samples = outputs.get('data_samples') or [None]
                path = getattr(samples[0], 'img_path', None)
                raise ValueError(
                    f'{path!r} reaches the backbone as {height} x {width} '
                    f'pixels; it needs at least {least} x {least}'
                )

    inner.get_submodule('data_preprocessor').register_forward_hook(check)


@contextmanager
def no_traces() -> Iterator[None]:
    """Forget the loggers, visualizers and scopes that are made inside.

    mmengine keeps them by name for all of the process: a second one of the
    same name would be the first.
    """
    managed = [ManagerMixin, *_subclasses(ManagerMixin)]
    before = {kind: kind._instance_dict.copy() for kind in managed}
    try:
        yield
    finally:
        for kind in [ManagerMixin, *_subclasses(ManagerMixin)]:
            kind._instance_dict.clear()
            kind._instance_dict.update(before.get(kind, {}))


def _subclasses(kind: Any) -> Iterator[Any]:
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)
