"""Copies of an image differ, whichever process augments them."""

import json
import sys
from pathlib import Path

import pytest
from processes import run, torchrun

PROGRAM = """
import json, random, sys
from pathlib import Path
from mmengine.dist import get_dist_info
from timm_alone import import_mmpretrain
from torch.distributed import init_process_group
from torch.utils.data import DataLoader
from vitdense.engine.sampling import resumable

class Noise:
    def __len__(self):
        return 12
    def __getitem__(self, index):
        return index, random.random()

if sys.argv[1] == '2':
    init_process_group('gloo')
import_mmpretrain()
from mmpretrain.datasets.samplers import RepeatAugSampler
(rank, world), found = get_dist_info(), []
for start, workers in ((0, 0), (1, 2)):
    data = Noise()
    loader = DataLoader(
        data, batch_size=4 // world, sampler=RepeatAugSampler(data, seed=3),
        num_workers=workers, collate_fn=list)
    loader = resumable(loader, 0, endless=False)
    loader.batch_sampler.begin_at(5, start)
    found.append(list(loader))
(Path(sys.argv[2]) / f'{world}_{rank}.json').write_text(json.dumps(found))
"""
Batches = list[list[tuple[int, float]]]


@pytest.mark.slow
def test_copies_in_two_processes(tmp_path: Path) -> None:
    """One process gives the same batches, and so does one that goes on."""
    program = tmp_path / 'program.py'
    program.write_text(PROGRAM)
    for count in (1, 2):
        command = torchrun(count) if count > 1 else [sys.executable]
        done = run([*command, str(program), str(count), str(tmp_path)])
        assert done.returncode == 0, done.stdout
    whole: dict[str, Batches] = {}
    for name in ('1_0', '2_0', '2_1'):
        whole[name], resumed = json.loads(
            (tmp_path / f'{name}.json').read_text()
        )
        assert len(whole[name]) == 3
        assert resumed == whole[name][1:]
    joined = zip(whole['2_0'], whole['2_1'], strict=True)
    for one, (ours, theirs) in zip(whole['1_0'], joined, strict=True):
        assert sorted(one) == sorted(ours + theirs)
    rows = [row for batch in whole['1_0'] for row in batch]
    assert len({index for index, _ in rows}) == 4  # of 12, three times each
    assert len({drawn for _, drawn in rows}) == 12
