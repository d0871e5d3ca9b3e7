"""Steps of training kept in files, to be done once more elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, init_default_scope
from mmengine.utils import import_modules_from_strings
from torch import Tensor, nn

from vitdense.checkpoint.errors import CheckpointError
from vitdense.checkpoint.reading.safe import read_file
from vitdense.checkpoint.whole_file import whole_file
from vitdense.engine.plain_data import from_plain, to_plain
from vitdense.engine.replay import Dtype, Pass

KIND = 'vitdense step 1'


@dataclass
class KeptStep:
    """All that a step of training depends on.

    Attributes:
        passes: Its batches, with the random states of before.
        state: Weights and buffers of before.
        resting: Modules that are in evaluation mode, by path.
        device: The type of device it was done on.
        autocast: What it computed in where it is safe; None is float32.
        config: The config, which builds the model.
    """

    passes: Sequence[Pass]
    state: Mapping[str, Tensor]
    resting: Sequence[str]
    device: str
    autocast: Dtype
    config: Config

    def write(self, path: Path) -> None:
        """Write all of it as plain data.

        Raises:
            TypeError: If a batch holds what cannot be plain data.
            OSError: If it cannot be written.
        """
        steps = [
            {
                'iteration': each.iteration,
                'batch': to_plain(each.batch),
                'random': each.random,
            }
            for each in self.passes
        ]
        dtype = str(self.autocast).partition('.')[2] if self.autocast else None
        content = {
            'kind': KIND,
            'passes': steps,
            'state': {k: v.detach().cpu() for k, v in self.state.items()},
            'resting': list(self.resting),
            'device': self.device,
            'autocast': dtype,
            'config': to_plain(self.config.to_dict()),
        }
        with whole_file(path) as part:
            torch.save(content, part)

    def build_model(self) -> nn.Module:
        """The model as it was before the step, where it was if possible."""
        cfg = self.config
        if cfg.get('custom_imports'):
            import_modules_from_strings(**cfg.custom_imports)
        init_default_scope(cfg.get('default_scope', 'mmengine'))
        model: nn.Module = revert_sync_batchnorm(MODELS.build(cfg.model))
        model.load_state_dict(self.state)
        gpu = self.device == 'cuda' and torch.cuda.is_available()
        model.to('cuda' if gpu else 'cpu').train()
        for name in self.resting:
            model.get_submodule(name).training = False
        return model


def read_step(path: Path) -> KeptStep:
    """Read what `KeptStep.write` wrote, as data.

    Raises:
        CheckpointError: If it is no such file, is damaged or holds code.
    """
    content = read_file(path)
    if not isinstance(content, dict) or content.get('kind') != KIND:
        raise CheckpointError(f'{path} holds no step of training')
    dtype = content['autocast']
    return KeptStep(
        passes=[
            Pass(each['iteration'], from_plain(each['batch']), each['random'])
            for each in content['passes']
        ],
        state=content['state'],
        resting=content['resting'],
        device=content['device'],
        autocast=getattr(torch, dtype) if dtype else None,
        config=Config(content['config']),
    )
