"""Tries every kind with every family: python -m stock_heads.every FILE.

Results are kept in FILE, in JSON; what is there already is not tried again.
When all are there, the tables of docs/heads.md are written. With --only the
rest of the page stays as it is.
"""

import argparse
import importlib
import json
import logging
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from stock_heads.kinds import LIBRARIES, Kind, kinds, read
from stock_heads.levels import FAMILIES
from stock_heads.page import kept, write
from stock_heads.trial import attempt

LONGEST_S = 180
FORK = multiprocessing.get_context('fork')  # all is imported once


def _child(end: Connection, *case: str) -> None:
    torch.set_num_threads(1)
    end.send(attempt(*case))


def tried(library: str, name: str, family: str) -> str:
    """The result of a process of its own, whatever becomes of it."""
    mine, its = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_child, args=(its, library, name, family))
    process.start()
    its.close()
    try:
        if mine.poll(LONGEST_S):
            return mine.recv()
        return f'takes over {LONGEST_S} s'
    except EOFError:
        process.join()
        return f'the process ends with {process.exitcode}'
    finally:
        process.kill()
        process.join()


def warm() -> None:
    """Imports and compiles what each process would otherwise."""
    for library in LIBRARIES:
        importlib.import_module(f'{library}.models')
    from mmcv.ops import nms, roi_align

    boxes = torch.tensor([[0.0, 0.0, 8.0, 8.0]])
    nms(boxes, torch.ones(1), 0.5)
    rois = torch.cat([torch.zeros(1, 1), boxes], 1)
    maps = torch.ones(1, 1, 8, 8, requires_grad=True)
    roi_align(maps, rois, 2).sum().backward()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('file', type=Path)
    parser.add_argument('--processes', type=int, default=2)
    parser.add_argument('--only', default='', help='part of a name')
    parser.add_argument('--families', nargs='+', default=list(FAMILIES))
    args = parser.parse_args()
    logging.disable(logging.INFO)
    found: dict[str, dict[str, str]] = {}
    if args.file.is_file():
        found = json.loads(args.file.read_text())
    listed: list[Kind] = []
    for library in LIBRARIES:
        listed += kinds(library, read(library)[0])
    warm()

    def try_one(kind: Kind, family: str) -> None:
        key = f'{kind.library}/{kind.name}'
        result = tried(kind.library, kind.name, family)
        found.setdefault(key, {})[family] = result
        args.file.write_text(json.dumps(found, indent=1, sort_keys=True))
        print(key, family, result, flush=True)

    with ThreadPoolExecutor(args.processes) as pool:
        for family in args.families:
            for kind in listed:
                key = f'{kind.library}/{kind.name}'
                if args.only in key and family not in found.get(key, {}):
                    pool.submit(try_one, kind, family)
    if len(args.families) == len(FAMILIES):
        write(listed, {**kept(), **found} if args.only else found)


if __name__ == '__main__':
    main()
