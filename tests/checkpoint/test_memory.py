"""Memory that loading takes, by the peak of a process of its own."""

import json
from pathlib import Path

import pytest
import torch
from interpreter import check

import vitdense

LOAD = """
import pathlib, torch, vitdense
from vitdense.checkpoint.load import load_backbone
process = pathlib.Path('/proc/self')
def memory(field):
    lines = (process / 'status').read_text().splitlines()
    (line,) = (each for each in lines if each.startswith(field + ':'))
    return int(line.split()[1]) * 1024
torch.set_num_threads(1)
with torch.device({device!r}):
    model = vitdense.ViT('dinov3-b')
weights = sum(p.nbytes for p in model.parameters())
before = memory('VmRSS') - weights * ({device!r} == 'cpu')
(process / 'clear_refs').write_text('5')  # the peak begins here
load_backbone(model, {source!r})
taken = memory('VmHWM') - before
print(taken / weights, float(model.norm.weight.sum()))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ('kind', 'device'), [('shards', 'meta'), ('pth', 'cpu')]
)
def test_no_second_copy(tmp_path: Path, kind: str, device: str) -> None:
    """Of DINOv3-B: 343 MB; with what is read, at most 1.1 times that."""
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
