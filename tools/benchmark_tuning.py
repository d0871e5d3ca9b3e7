"""Measures what `tune` costs: memory, time and sizes of training steps.

tools/benchmark_tuning.py [NAME...]

A name is that of a backbone, such as vitdense.ViT:base. A row is a backbone
under one `tune`, with a linear head on its last level, and AdamW: a process of
its own, on the CPU. Steps of the rows of a backbone are timed in turns.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

NAMES = ('vitdense.PVT:v2-b2', 'vitdense.ViT:dinov3-s', 'vitdense.ViT:base')
KINDS = ('all', 'none', 'attention', 'lora')
CLASSES = 150
MEBI = 1 << 20
Row = tuple[Connection, dict[str, Any]]
COLUMNS = (
    *('backbone', 'tune', 'peak memory, MiB', 'of all', 'step, s', 'of all'),
    *('trained, M', 'checkpoint, MiB'),
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('names', nargs='*', metavar='NAME', default=NAMES)
    parser.add_argument('--size', type=int, default=512, help='in pixels')
    parser.add_argument('--batch', type=int, default=1, help='images')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repeats', type=int, default=3, help='steps timed')
    return parser.parse_args()


def serve(
    pipe: Connection, name: str, kind: str, args: argparse.Namespace
) -> None:
    """A row's process: tells its memory and sizes, then the time of steps."""
    import peft  # noqa: F401 - all rows hold the same libraries
    import torch
    from torch import nn

    from vitdense.benchmark.build import build_backbone
    from vitdense.benchmark.cost.worker_process import _process_bytes
    from vitdense.benchmark.names import parse_backbone
    from vitdense.checkpoint.base import leave_out_bases

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    held = _process_bytes('VmRSS')
    spec = parse_backbone(name)
    spec.arguments['tune'] = kind
    backbone: Any = build_backbone(spec)
    head = nn.Conv2d(backbone.out_channels[-1], CLASSES, 1)
    model = nn.ModuleDict({'backbone': backbone, 'head': head})
    backbone.base_loaded = True  # as if by init_cfg
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned)
    images = torch.randn(args.batch, 3, args.size, args.size)
    model.train()

    def step() -> float:
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        head(backbone(images)[-1]).square().mean().backward()
        optimizer.step()
        return time.perf_counter() - start

    for _ in range(2):  # the second has the optimizer's state
        step()
    peak = _process_bytes('VmHWM') - held
    state = dict(model.state_dict())
    leave_out_bases(model, state, {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'a.pth')
        content = {'state_dict': state, 'optimizer': optimizer.state_dict()}
        torch.save(content, path)
        size = path.stat().st_size
    trained = sum(p.numel() for p in learned)
    pipe.send({'peak': peak, 'size': size, 'trained': trained})
    while pipe.recv():
        pipe.send(step())


@contextmanager
def row(name: str, kind: str, args: argparse.Namespace) -> Iterator[Row]:
    """A row's process, when it has told its memory and sizes."""
    context = get_context('spawn')
    pipe, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, name, kind, args))
    process.start()
    theirs.close()
    try:
        yield pipe, pipe.recv()
        pipe.send(False)
    finally:
        pipe.close()
        process.join()


def measure(name: str, args: argparse.Namespace) -> Iterator[list[str]]:
    """The rows of a backbone, as texts."""
    first, *others = KINDS
    with row(name, first, args) as whole:
        yield texts(name, first, whole[1], whole[1], timed([whole], args))
        # two processes at a time: all may not fit in memory
        for kind in others:
            with row(name, kind, args) as own:
                times = timed([whole, own], args)
                yield texts(name, kind, own[1], whole[1], times)


def timed(rows: list[Row], args: argparse.Namespace) -> list[float]:
    """Median seconds of a step of each of some rows, taken in turns."""
    columns: list[list[float]] = [[] for _ in rows]
    for _ in range(args.repeats):
        for (pipe, _), column in zip(rows, columns, strict=True):
            pipe.send(True)
            column.append(pipe.recv())
    return [median(column) for column in columns]


def texts(
    name: str,
    kind: str,
    own: dict[str, Any],
    whole: dict[str, Any],
    times: list[float],
) -> list[str]:
    return [
        *(name, kind, f'{own["peak"] / MEBI:.0f}'),
        f'{own["peak"] / whole["peak"]:.2f} x',
        *(f'{times[-1]:.2f}', f'{times[-1] / times[0]:.2f} x'),
        *(f'{own["trained"] / 1e6:.2f}', f'{own["size"] / MEBI:.1f}'),
    ]


def main() -> None:
    args = parse_args()
    print(f'| {" | ".join(COLUMNS)} |\n|{" --- |" * len(COLUMNS)}')
    for name in args.names:
        for cells in measure(name, args):
            print(f'| {" | ".join(cells)} |', flush=True)


if __name__ == '__main__':
    main()
