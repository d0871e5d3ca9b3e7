"""The process that a benchmark runs one model in.

``python -m vitdense.benchmark.cost.worker_process`` reads requests from
standard input, one JSON object a line, and answers each with one JSON line on
standard output:
``{"result": ...}`` or ``{"error": "one line"}``.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from vitdense.benchmark.cost.settings import FORWARD_BACKWARD, Settings

DISTRIBUTIONS = (
    'torch',
    'onedl-mmcv',
    'onedl-mmdetection',
    'onedl-mmsegmentation',
    'mmcv',
    'mmcv-lite',
    'mmdet',
    'mmsegmentation',
    'timm',
    'transformers',
)
# how PyTorch and its libraries say that memory is short
MEMORY_WORDS = (
    "can't allocate memory",
    'not enough memory',
    'out of memory',
    'CUBLAS_STATUS_ALLOC_FAILED',
)
PRODUCT_SIDE = {'cpu': 2048, 'cuda': 8192}  # of the matrices multiplied


class WorkerSession:
    """Answers the requests of one worker; each method is one of them.

    Args:
        settings: How everything is run.

    Raises:
        ValueError: If the device is not there.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.device = torch.device(settings.device)
        self.workload: Any = None
        if self.device.type == 'cuda':
            count, index = torch.cuda.device_count(), self.device.index or 0
            if index >= count:
                raise ValueError(
                    f'device {settings.device!r} is not there; this machine '
                    f'has {count} CUDA devices that torch '
                    f'{torch.__version__} can use'
                )
            # kernels and libraries' workspaces go to the current device
            torch.cuda.set_device(index)
        elif self.device.type != 'cpu':
            raise ValueError(
                f"device {settings.device!r} is not one of 'cpu', 'cuda', "
                "'cuda:N'"
            )
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)

    def machine(self) -> dict[str, Any]:
        """What this runs on, and the versions."""
        versions = {'python': platform.python_version()}
        for name in DISTRIBUTIONS:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                versions[name] = importlib.metadata.version(name)
        return {
            'platform': platform.platform(),
            'processor': _processor(),
            'cores': os.cpu_count(),
            'threads': torch.get_num_threads(),
            'accelerator': None,
            'versions': versions,
            **(self._accelerator() if self.device.type == 'cuda' else {}),
        }

    def _accelerator(self) -> dict[str, Any]:
        return {
            'accelerator': torch.cuda.get_device_name(self.device),
            'cuda': torch.version.cuda,
            'cudnn': torch.backends.cudnn.version(),
            # whether float32 is rounded to 10 bits there
            'tf32': {
                'products': torch.backends.cuda.matmul.allow_tf32,
                'convolutions': torch.backends.cudnn.allow_tf32,
            },
        }

    def product_rate(self) -> float:
        """FLOP/s of a plain product of large matrices, median of five."""
        side = PRODUCT_SIDE[self.device.type]
        dtype = getattr(torch, self.settings.dtype)
        a = torch.randn(side, side, device=self.device).to(dtype)
        self._timed(lambda: a @ a)  # loads the library
        times = [self._timed(lambda: a @ a) for _ in range(5)]
        return 2 * side**3 / statistics.median(times)

    def build(self, workload: str, name: str) -> int:
        """Builds a model; gives its number of parameters."""
        from vitdense.benchmark.cost.workload import WORKLOADS

        torch.manual_seed(0)
        self.workload = WORKLOADS[workload](name, self.settings)
        return self.workload.parameters()

    def time(self, mode: str) -> float:
        """Seconds of one run of 'forward' or 'forward_backward'."""
        self.workload.model.train(mode == FORWARD_BACKWARD)
        return self._timed(getattr(self.workload, mode))

    def memory(self) -> dict[str, int]:
        """Bytes held before and at the peak of forward and backward passes.

        Of this process since its start; on CUDA, of what PyTorch allocated
        in a pass after the first, which may also compile or choose kernels.
        """
        held = self._held()
        self.workload.model.train()
        self.workload.forward_backward()
        if self.device.type == 'cuda':
            torch.cuda.reset_peak_memory_stats(self.device)
        self.workload.forward_backward()
        if self.device.type == 'cuda':
            peak = torch.cuda.max_memory_allocated(self.device)
        else:
            peak = _process_bytes('VmHWM')
        return {'held': held, 'peak': peak}

    def macs(self) -> float:
        """Multiply-accumulates of a forward pass."""
        return self.workload.macs()

    def deviation(self) -> float | None:
        """See ``BackboneWorkload.deviation``."""
        return self.workload.deviation()

    def _held(self) -> int:
        if self.device.type == 'cuda':
            return torch.cuda.memory_allocated(self.device)
        return _process_bytes('VmRSS')

    def _timed(self, run: Callable[[], Any]) -> float:
        self._wait()
        start = time.perf_counter()
        run()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)


def _process_bytes(field: str) -> int:
    """Resident bytes of this process: ``VmRSS`` now, ``VmHWM`` at its peak.

    Linux's own figures, because the peak that ``getrusage`` gives starts
    from that of the parent process. Elsewhere it is all there is.
    """
    status = Path('/proc/self/status')
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith(f'{field}:'):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == 'darwin' else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _processor() -> str:
    info = Path('/proc/cpuinfo')
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor()


def describe(error: BaseException) -> str:
    """One line that tells a user what went wrong."""
    text = str(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and any(words in text for words in MEMORY_WORDS)
    ):
        return 'out of memory'
    first = next((line for line in text.splitlines() if line.strip()), '')
    if isinstance(error, ValueError | TypeError | FileNotFoundError):
        return first or type(error).__name__
    return f'{type(error).__name__}: {first}'


def serve(requests: Any, answers: Any) -> None:
    """Answers requests until there are no more; the first has the settings."""
    session: WorkerSession | None = None
    for line in requests:
        request = json.loads(line)
        try:
            if session is None:
                session, result = WorkerSession(Settings(**request)), None
            else:
                command = getattr(session, request.pop('command'))
                result = command(**request)
            answer = {'result': result}
        except Exception as error:
            answer = {'error': describe(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == '__main__':
    # libraries print to standard output: the answers get a line of their own
    with os.fdopen(os.dup(1), 'w') as own:
        os.dup2(2, 1)
        serve(sys.stdin, own)
