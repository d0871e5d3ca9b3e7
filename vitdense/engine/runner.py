"""mmengine's Runner for what preflight has built and read already.

On the screen it leaves what a reader needs: warnings, errors and, from the
first step on, progress. Everything is in the log file.
"""

import copy
import inspect
import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import Runner
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from torch import nn

from vitdense.checkpoint.sharded import REST, sharded_tensors
from vitdense.engine.live_line import live_line_of
from vitdense.engine.rank_state import bare_model
from vitdense.engine.sharding import (
    is_sharded,
    save_together,
    state_in_parts,
    take_whole_states,
)
from vitdense.engine.sync_batch_norm import share_statistics_on_cpu


def runner_settings(cfg: Config) -> dict[str, Any]:
    """What mmengine's Runner takes from a config, copied."""
    taken = inspect.signature(Runner.__init__).parameters.keys() - {'cfg'}
    return copy.deepcopy({name: cfg[name] for name in taken if name in cfg})


class PreparedRunner(Runner):
    """Runs a model whose weights are set, and reads no checkpoint twice.

    Args:
        checkpoints: What is read already, by the path it was read from.
        show_settings: Whether environment and config are shown on the screen
            too, not in the log file alone.
        hidden: Names at the config's top level that nothing reads: the log
            leaves them out, because they may tell of weights, folders and
            rates that are not those of the run.
        settings: The arguments of mmengine's Runner; parts may be built.
    """

    cfg: Config
    _train_dataloader: Any

    def __init__(
        self,
        *,
        checkpoints: dict[str, Any],
        show_settings: bool,
        hidden: Iterable[str],
        **settings: Any,
    ) -> None:
        self._checkpoints = checkpoints
        self._show_settings = show_settings
        self._hidden = set(hidden)
        self._model_is_built = isinstance(settings['model'], nn.Module)
        super().__init__(**settings)
        self.register_hook(ShowProgressHook())

    def build_logger(
        self,
        log_level: int | str = 'INFO',
        log_file: str | None = None,
        **settings: Any,
    ) -> MMLogger:
        """Build the logger, with dumps kept off the screen."""
        logger = super().build_logger(log_level, log_file, **settings)
        if not self._show_settings:
            for handler in screen_handlers(logger):
                handler.addFilter(is_for_the_screen)
        return logger

    def wrap_model(
        self, model_wrapper_cfg: Mapping[str, Any] | None, model: nn.Module
    ) -> nn.Module:
        """Wrap the model for several processes, on CPUs too."""
        if not (self.distributed and get_device() == 'cpu'):
            return cast(
                'nn.Module', super().wrap_model(model_wrapper_cfg, model)
            )
        if self.cfg.get('sync_bn') is not None:
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        share_statistics_on_cpu(model)
        unused = self.cfg.get('find_unused_parameters', False)
        settings = model_wrapper_cfg or {
            'broadcast_buffers': False,
            'find_unused_parameters': unused,
        }
        kind = {'type': 'MMDistributedDataParallel', 'module': model}
        return cast('nn.Module', MODEL_WRAPPERS.build({**kind, **settings}))

    def log_unseen(self, record: logging.LogRecord) -> None:
        """Log what was said before the run to the file, not to the screen."""
        for handler in self.logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handle(record)

    def train(self) -> nn.Module:
        """Train; the log file has the error that ends it, if one does."""
        try:
            with live_line_of(self, screen_handlers(self.logger)):
                return super().train()
        except (ArithmeticError, OSError, RuntimeError):
            self.log_unseen(
                logging.LogRecord(
                    self.logger.name,
                    logging.ERROR,
                    __file__,
                    0,
                    'training ended by an error',
                    None,
                    sys.exc_info(),
                )
            )
            raise

    def test(self) -> dict[str, float]:
        """Score the model."""
        with live_line_of(self, screen_handlers(self.logger)):
            scores: dict[str, float] = super().test()
        return scores

    def _log_env(self, env_cfg: Mapping[str, Any]) -> None:
        whole = self.cfg
        self.cfg = copy.deepcopy(whole)
        for name in self._hidden:
            self.cfg.pop(name, None)
        super()._log_env(env_cfg)
        self.cfg = whole

    def _init_model_weights(self) -> None:
        if not self._model_is_built:
            super()._init_model_weights()

    def scale_lr(
        self,
        optim_wrapper: OptimWrapper,
        auto_scale_lr: Mapping[str, Any] | None = None,
    ) -> None:
        """Scale by the batch size that the config states.

        A loader that is built does not know it where a batch sampler does.
        What is logged as the rate of an optimizer of several groups is scaled
        too.
        """
        loader = self._train_dataloader
        self._train_dataloader = self.cfg.train_dataloader
        logged = getattr(optim_wrapper, 'base_param_settings', None)
        groups = optim_wrapper.param_groups if logged else []
        before = [group['lr'] for group in groups]
        super().scale_lr(optim_wrapper, auto_scale_lr)
        if logged:
            logged['lr'] *= groups[0]['lr'] / before[0]
        self._train_dataloader = loader

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """Build the optimizer; parameters in parts have states in parts."""
        built = super().build_optim_wrapper(optim_wrapper)
        if is_sharded(bare_model(self)):
            take_whole_states(built.optimizer)
        return built

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: Mapping[str, Any] | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict[str, Any] | None = None,
        by_epoch: bool = True,
        backend_args: Mapping[str, Any] | None = None,
    ) -> None:
        """Save as mmengine does; a model in parts, to a folder of them."""
        settings = {
            'save_optimizer': save_optimizer,
            'save_param_scheduler': save_param_scheduler,
            'meta': meta,
            'by_epoch': by_epoch,
            'backend_args': backend_args,
        }
        model = bare_model(self)
        if not is_sharded(model):
            settings['file_client_args'] = file_client_args
            super().save_checkpoint(out_dir, filename, **settings)
            return
        content = {'state_dict': model.state_dict()}
        if save_optimizer:
            content['optimizer'] = self.optim_wrapper.state_dict()
        save_rest = super().save_checkpoint
        save_together(
            Path(out_dir, filename),
            dict(sharded_tensors(content)),
            lambda part: save_rest(str(part), REST, **settings),
        )

    def load_checkpoint(
        self,
        filename: str,
        map_location: str | Callable[..., Any] = 'cpu',
        strict: bool = False,
        revise_keys: Iterable[tuple[str, str]] = ((r'^module\.', ''),),
    ) -> Any:
        """Load a checkpoint as mmengine does, from memory if it is there."""
        content = self._checkpoints.pop(filename, None)
        if content is None:
            return super().load_checkpoint(
                filename, map_location, strict, list(revise_keys)
            )
        self.call_hook('after_load_checkpoint', checkpoint=content)
        model = bare_model(self)
        state = content.get('state_dict', content)
        if is_sharded(model):
            state = state_in_parts(state, model)
        _load_checkpoint_to_model(
            model, state, strict, revise_keys=list(revise_keys)
        )
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {filename}')
        return content


class ShowProgressHook(Hook):
    """Shows all on the screen from the first step on."""

    priority = 'VERY_LOW'

    def _show(self, runner: Runner) -> None:
        for handler in screen_handlers(runner.logger):
            handler.removeFilter(is_for_the_screen)

    before_train_epoch = before_val_epoch = before_test_epoch = _show


def screen_handlers(logger: logging.Logger) -> list[logging.Handler]:
    """What writes to the screen: streams that are no files."""
    return [
        each
        for each in logger.handlers
        if isinstance(each, logging.StreamHandler)
        and not isinstance(each, logging.FileHandler)
    ]


def is_for_the_screen(record: logging.LogRecord) -> bool:
    """Whether it is a warning or an error, of today rather than of later.

    Nor what was asked for: a line for each parameter that does not learn.
    """
    serious = record.levelno >= logging.WARNING
    return serious and not any(
        text in record.getMessage()
        for text in ('deprecated', 'skipped since its requires_grad=False')
    )


def ignore_deprecations() -> None:
    """Say nothing of what the libraries will change some day."""
    for category in (DeprecationWarning, FutureWarning):
        warnings.filterwarnings('ignore', category=category)
    warnings.filterwarnings('ignore', message='.*deprecated')
