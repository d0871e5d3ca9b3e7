"""mmengine, mmdet and mmseg read checkpoints safely, and their own files."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModel
from mmengine.registry import MODELS, DefaultScope, init_default_scope
from mmengine.runner import CheckpointLoader, Runner, load_checkpoint
from torch import Tensor

from vitdense.checkpoint import CheckpointError, set_pickle_trust
from vitdense.checkpoint.reading import safe
from vitdense.compat import mmengine_checkpoint_reading

ROOT = Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / 'configs' / 'quickstart'
DETECTOR = next(QUICKSTART.glob('mask-rcnn_pvt*.py'))
SEGMENTOR = next(QUICKSTART.glob('semantic-fpn_pvt*.py'))


class Harmful:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.fixture
def malicious(tmp_path: Path) -> Path:
    path = tmp_path / 'malicious.pth'
    content = {'state_dict': {}, 'meta': Harmful(tmp_path / 'mark')}
    torch.save(content, path)
    return path


@pytest.fixture
def refused(malicious: Path) -> Callable[[Callable[[str], object]], None]:
    """Checks that a call with the malicious file ends in our error."""

    def check(call: Callable[[str], object]) -> None:
        with pytest.raises(CheckpointError, match='asks for pathlib'):
            call(str(malicious))
        assert not (malicious.parent / 'mark').exists()

    return check


class Model(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x: Tensor, mode: str = 'tensor') -> dict[str, Tensor]:
        return {'loss': self.layer(x).square().mean()}


def runner(work_dir: Path, epochs: int, **settings: object) -> Runner:
    data = [{'x': torch.full((2,), float(i))} for i in range(4)]
    loader = {
        'dataset': data,
        'batch_size': 2,
        'sampler': {'type': 'DefaultSampler', 'shuffle': True},
        'collate_fn': {'type': 'default_collate'},
    }
    return Runner(
        Model(),
        str(work_dir),
        train_dataloader=loader,
        train_cfg={'by_epoch': True, 'max_epochs': epochs},
        optim_wrapper={'optimizer': {'type': 'AdamW', 'lr': 0.1}},
        param_scheduler={'type': 'MultiStepLR', 'milestones': [1]},
        default_hooks={'logger': {'type': 'LoggerHook', 'interval': 1}},
        custom_hooks=[{'type': 'EMAHook'}],
        experiment_name=f'{work_dir.name}{epochs}',
        default_scope='mmengine',
        **settings,
    )


def test_training_resumes(
    tmp_path: Path, refused: Callable[[Callable[[str], object]], None]
) -> None:
    runner(tmp_path, 1).train()
    resumed = runner(tmp_path, 2, resume=True)
    resumed.train()
    assert (resumed.epoch, resumed.iter) == (2, 4)
    history = resumed.message_hub.get_scalar('train/loss')
    assert len(history.data[0]) == 4
    assert history.mean() > 0
    refused(lambda path: resumed.resume(path))
    refused(lambda path: load_checkpoint(Model(), path))


def test_only_the_option_trusts(
    malicious: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safe, '_trust_pickle', False)
    set_pickle_trust(True)
    load_checkpoint(Model(), str(malicious))
    assert (malicious.parent / 'mark').exists()


def save_weights(config: Path, path: Path) -> None:
    cfg = Config.fromfile(config)
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    content = {
        'state_dict': model.state_dict(),
        'meta': {
            'cfg': cfg.pretty_text,
            'dataset_meta': {
                'classes': ('a', 'b', 'c', 'd'),
                'palette': [(1, 2, 3)] * 4,
            },
        },
        'message_hub': {
            'log_scalars': {'loss': HistoryBuffer([1.0], [1])},
            'runtime_info': {'loss': np.float64(1)},
        },
    }
    torch.save(content, path)


@pytest.fixture
def scope() -> object:
    """Leaves mmengine's default scope as it was."""
    before = DefaultScope._instance_dict.copy()
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(before)


@pytest.mark.usefixtures('scope')
def test_detection_apis(
    tmp_path: Path, refused: Callable[[Callable[[str], object]], None]
) -> None:
    from mmdet.apis import DetInferencer, inference_detector, init_detector

    config, weights = str(DETECTOR), tmp_path / 'epoch_1.pth'
    save_weights(DETECTOR, weights)
    image = np.zeros((64, 64, 3), np.uint8)
    refused(lambda path: init_detector(config, path, device='cpu'))
    refused(lambda path: DetInferencer(config, path, device='cpu'))
    model = init_detector(config, str(weights), device='cpu')
    assert 'pred_instances' in inference_detector(model, image)
    inferencer = DetInferencer(config, str(weights), device='cpu')
    assert inferencer(image, no_save_vis=True)['predictions']


@pytest.mark.usefixtures('scope')
def test_segmentation_apis(
    tmp_path: Path, refused: Callable[[Callable[[str], object]], None]
) -> None:
    from mmseg.apis import MMSegInferencer

    config, weights = str(SEGMENTOR), tmp_path / 'iter_1.pth'
    save_weights(SEGMENTOR, weights)
    image = np.zeros((64, 64, 3), np.uint8)
    refused(lambda path: MMSegInferencer(config, path, device='cpu'))
    inferencer = MMSegInferencer(config, str(weights), device='cpu')
    assert inferencer(image, show=False)['predictions'].shape == (64, 64)


def test_mmengine_imported_earlier(
    refused: Callable[[Callable[[str], object]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(CheckpointLoader, '_schemes', {})
    mmengine_checkpoint_reading.install()
    refused(CheckpointLoader.load_checkpoint)


LATER = """
import sys
import vitdense
assert 'torch' not in sys.modules, 'import vitdense is no longer cheap'
from mmengine.runner import CheckpointLoader
try:
    CheckpointLoader.load_checkpoint(sys.argv[1])
except ValueError as error:
    print(error)
"""


def test_mmengine_imported_later(malicious: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-c', LATER, malicious],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert f'{malicious} is a pickle that asks for pathlib' in done.stdout
    assert not (malicious.parent / 'mark').exists()
