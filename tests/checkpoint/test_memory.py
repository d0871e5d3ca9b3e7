"""Memory that loading takes, by the peak of a process of its own."""

import json
from pathlib import Path

import pytest
import torch
from interpreter import check

import vitdense

LOAD = """
import pathlib, sys, torch, vitdense
from vitdense.checkpoint.load import load_backbone
def memory(field):
    lines = pathlib.Path('/proc/self/status').read_text().splitlines()
    (line,) = (each for each in lines if each.startswith(field + ':'))
    return int(line.split()[1]) * 1024
torch.set_num_threads(1)
before = memory('VmRSS')
with torch.device({device!r}):
    model = vitdense.ViT('dinov3-b')
load_backbone(model, {source!r})
taken = memory('VmHWM') - before
weights = sum(p.nbytes for p in model.parameters())
print(taken / weights, float(model.norm.weight.sum()))
"""


@pytest.mark.slow
@pytest.mark.parametrize('device', ['meta', 'cpu'])
@pytest.mark.parametrize('kind', ['shards', 'pth'])
def test_no_second_copy(tmp_path: Path, device: str, kind: str) -> None:
    """Of DINOv3-B: 343 MB; a peak of 1.1 times that, all told."""
    model = vitdense.ViT('dinov3-b')
    model.norm.weight.data.fill_(2)
    weights = model.state_dict()
    if kind == 'pth':
        source = tmp_path / 'x.pth'
        torch.save(weights, source)
    else:
        source = tmp_path / 'model.safetensors.index.json'
        names = sorted(weights)
        shards = {f'{i}.bin': names[i::4] for i in range(4)}
        for file, held in shards.items():
            torch.save({n: weights[n] for n in held}, tmp_path / file)
        places = {n: file for file, held in shards.items() for n in held}
        source.write_text(json.dumps({'weight_map': places}))
    output = check(LOAD.format(device=device, source=str(source)))
    share, total = map(float, output.split()[-2:])
    assert total == 2 * 768
    assert 1 < share < 1.1
