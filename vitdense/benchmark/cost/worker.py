"""A handle on a worker process."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

from vitdense.benchmark.cost.settings import Settings

ROOT = Path(__file__).resolve().parents[3]  # the folder that holds vitdense
WORKER_PROCESS = 'vitdense.benchmark.cost.worker_process'


class WorkerError(RuntimeError):
    """What a worker could not do, in one line."""


class Worker:
    """A process of its own that runs one model.

    It finds packages in the current folder and on PYTHONPATH, as ``python
    -m`` does.

    Args:
        settings: How everything is run.
        python: The interpreter: this one, or one with other libraries.

    Raises:
        WorkerError: If the interpreter, a library or the device is missing.
    """

    def __init__(self, settings: Settings, python: str | None = None) -> None:
        # last: where vitdense is installed, this is all of site-packages
        paths = [os.environ.get('PYTHONPATH', ''), str(ROOT)]
        environment = dict(
            os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths))
        )
        if settings.threads is not None:
            environment['OMP_NUM_THREADS'] = str(settings.threads)
        self._log = tempfile.TemporaryFile('w+')  # noqa: SIM115, see close
        try:
            self._process = subprocess.Popen(  # noqa: S603, the user's own
                [python or sys.executable, '-m', WORKER_PROCESS],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                env=environment,
            )
        except OSError as error:
            self._log.close()
            raise WorkerError(f'cannot run {python}: {error}') from None
        self._requests: Any = self._process.stdin
        self._answers: Any = self._process.stdout
        try:
            self._send(dataclasses.asdict(settings))
        except WorkerError:
            self.close()
            raise

    def ask(self, command: str, **arguments: Any) -> Any:
        """Sends a request and waits for its result.

        Raises:
            WorkerError: If the worker could not do it or has ended.
        """
        return self._send({'command': command, **arguments})

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def __enter__(self) -> 'Worker':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _send(self, request: dict[str, Any]) -> Any:
        try:
            self._requests.write(json.dumps(request) + '\n')
            self._requests.flush()
            line = self._answers.readline()
        except BrokenPipeError:
            line = ''
        if not line:
            raise WorkerError(self._epitaph())
        answer = json.loads(line)
        if 'error' in answer:
            raise WorkerError(answer['error'])
        return answer['result']

    def _epitaph(self) -> str:
        """Why the process has ended."""
        status = self._process.wait()
        if status == -signal.SIGKILL:
            return 'out of memory: the system ended the process'
        self._log.seek(0)
        lines = self._log.read().split('\n')
        last = next((line for line in reversed(lines) if line.strip()), '')
        return f'the process ended with status {status}: {last}'
