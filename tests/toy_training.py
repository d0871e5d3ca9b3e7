"""A small model with BatchNorm, dropout and two losses, and its training."""

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.model import BaseModel, MMDistributedDataParallel
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.registry import MODELS, OPTIM_WRAPPERS
from mmengine.runner import Runner
from torch import Tensor, nn

from vitdense.engine.finite import NonFiniteError

Sample = dict[str, Any]


@MODELS.register_module(force=True)
class Toy(BaseModel):
    """Takes rows of 4 numbers.

    A row that begins with 7 has the loss 0, whose gradient is not finite.
    """

    def __init__(self, dropout: float = 0.0, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor
        self.norm = nn.BatchNorm1d(4)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(4, 2)
        self.extra = nn.Linear(4, 1)

    def forward(
        self, inputs: list[Tensor], data_samples: Any, mode: str
    ) -> dict[str, Tensor]:
        rows = torch.stack(inputs)
        features = self.dropout(self.norm(rows))
        strange = (rows[:, 0] == 7).any()
        root = self.extra(rows).sum() * (0.0 if strange else 1e-3)
        return {
            'loss_head': self.head(features).square().mean() * self.factor,
            'loss_extra': root.square().sqrt(),
            'acc': torch.tensor(torch.nan),
        }


@OPTIM_WRAPPERS.register_module(force=True)
class ScaledOnCPU(AmpOptimWrapper):
    """mmengine's, which asks for a GPU, with a scaler of the CPU.

    Args:
        scale: Of the losses, to begin with.
        grows_after: So many good steps double it.
        settings: The arguments of ``OptimWrapper``.
    """

    def __init__(
        self, scale: float = 4.0, grows_after: int = 2000, **settings: Any
    ) -> None:
        OptimWrapper.__init__(self, **settings)
        self._scale_update_param = None
        self.loss_scaler = torch.amp.GradScaler(
            'cpu', init_scale=scale, growth_interval=grows_after
        )
        self.cast_dtype = None

    def optim_context(self, model: Any) -> Any:
        return OptimWrapper.optim_context(self, model)


def rows(count: int, **special: float) -> list[Sample]:
    """Rows of random numbers; ``at_3=nan`` begins the third with NaN."""
    generator = torch.Generator().manual_seed(0)
    samples = []
    for number in range(1, count + 1):
        row = torch.randn(4, generator=generator)
        row[0] = special.get(f'at_{number}', row[0])
        meta = {'img_id': number, 'img_path': f'images/{number}.jpg'}
        samples.append(
            {'inputs': row, 'data_samples': DetDataSample(metainfo=meta)}
        )
    return samples


def runner(
    work_dir: Path,
    samples: Sequence[Sample],
    hook: dict[str, Any] | None = None,
    *,
    model: dict[str, Any] | None = None,
    **wrapper: Any,
) -> Runner:
    """A training over samples in their order, two in a batch."""
    cfg = Config({'model': {'type': 'Toy', **(model or {})}})
    loader = {
        'batch_size': 2,
        'num_workers': 0,
        'dataset': list(samples),
        'sampler': {'type': 'DefaultSampler', 'shuffle': False},
        'collate_fn': {'type': 'pseudo_collate'},
    }
    optimizer = {'type': 'SGD', 'lr': 0.1, 'momentum': 0.9}
    watch = {'type': 'vitdense.StopOnNonFiniteHook', **(hook or {})}
    return Runner(
        model=cfg.model,
        work_dir=str(work_dir),
        train_dataloader=loader,
        train_cfg={'by_epoch': True, 'max_epochs': 1},
        optim_wrapper={'optimizer': optimizer, **wrapper},
        custom_hooks=[watch],
        default_hooks={
            'checkpoint': {
                'type': 'CheckpointHook',
                'interval': 1,
                'by_epoch': False,
            }
        },
        cfg=cfg,
        randomness={'seed': 0},
        experiment_name=str(work_dir).replace('/', '_'),
    )


class Rows(list[Any]):
    """A data set whose items can be loaded in another way."""


def resumable(
    work_dir: Path,
    *,
    epochs: int = 3,
    resume: bool = False,
    model: str = 'Toy',
    optim_wrapper: Any = None,
    **hook: Any,
) -> Runner:
    """A toy's training of four steps an epoch, saved after each epoch.

    Args:
        work_dir: Where it writes.
        epochs: How many.
        resume: Whether it goes on from its last checkpoint.
        model: A registered name.
        optim_wrapper: Settings or what is built of them; else steps of SGD
            over three batches each.
        hook: Settings of the checkpoint hook.
    """
    cfg = Config({'model': {'type': model, 'dropout': 0.5}})
    checkpoint = {
        'type': 'vitdense.SafeCheckpointHook',
        'interval': 1,
        **hook,
    }
    steps = {
        'optimizer': {'type': 'SGD', 'lr': 0.1, 'momentum': 0.9},
        'accumulative_counts': 3,
    }
    return Runner(
        model=cfg.model,
        work_dir=str(work_dir),
        train_dataloader={
            'batch_size': 2,
            'num_workers': 0,
            'dataset': Rows(rows(8)),
            'sampler': {'type': 'DefaultSampler', 'shuffle': True},
            'collate_fn': {'type': 'pseudo_collate'},
        },
        train_cfg={
            'type': 'vitdense.ResumableEpochLoop',
            'max_epochs': epochs,
        },
        optim_wrapper=optim_wrapper or steps,
        custom_hooks=[{'type': 'vitdense.PreemptionHook'}],
        default_hooks={'checkpoint': checkpoint},
        resume=resume,
        cfg=cfg,
        randomness={'seed': 0},
        experiment_name=f'{work_dir}_{resume}'.replace('/', '_'),
    )


def stop_in_step(run: Any, step: int) -> None:
    """Have a training asked to stop within a step, counted from 0."""
    train_step = run.model.train_step

    def signalled(*args: Any, **settings: Any) -> Any:
        if run.iter == step:
            signal.raise_signal(signal.SIGTERM)
        return train_step(*args, **settings)

    run.model.train_step = signalled


def numbers(model: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers, copied."""
    return {k: v.clone() for k, v in model.state_dict().items()}


def train_one_of_two(rank: int, port: int, folder: str, on_bad: str) -> None:
    """One of two processes; the second has a row that is not finite."""
    address = f'tcp://127.0.0.1:{port}'
    dist.init_process_group('gloo', address, rank=rank, world_size=2)
    settings = {'at_6': 7.0} if rank == 1 else {}
    hook = {'on_bad': on_bad}
    run: Any = runner(Path(folder, str(rank)), rows(8, **settings), hook)
    run.model = MMDistributedDataParallel(run.model)
    outcome = ''
    try:
        run.train()
    except NonFiniteError as error:
        outcome = str(error)
    content = {'outcome': outcome, 'state': numbers(run.model.module)}
    torch.save(content, Path(folder, f'{rank}.pth'))
    dist.barrier()  # the first has the store that the second needs
    dist.destroy_process_group()
