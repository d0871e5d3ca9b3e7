"""What a job asks Slurm for: from words of the command line to submitit's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

# 120 seconds before its time is over, as tools/slurm_train.sh has it too
SIGNAL = 'USR1@120'
LEAST_HOURS = 0.1


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a job asks Slurm for.

    Attributes:
        gpus: GPUs of each machine; there is a process for each.
        hours: How long the job runs before it has to make room.
        nodes: How many machines.
        cpus: Cores of each process; None means one, and one for each worker
            that loads its training data.
        memory_gb: Memory of each machine; None is Slurm's default, as it is
            of all that follow.
        partition: Where the job is queued.
        account: Who pays.
        qos: With which quality of service.
        constraint: What the machines must have.
    """

    gpus: int
    hours: float
    nodes: int = 1
    cpus: int | None = None
    memory_gb: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None

    @classmethod
    def read(cls, texts: Sequence[str]) -> 'Resources':
        """Take them from texts such as ``'gpus=8'``.

        Raises:
            ValueError: If a text is none of these, or one that is needed is
                missing.
        """
        keys = [each.name for each in fields(cls)]
        given: dict[str, Any] = {}
        for text in texts:
            key, _, value = text.partition('=')
            if key not in keys:
                raise ValueError(
                    f'--submit {text!r} is not KEY=VALUE; choose keys from '
                    f'{keys}'
                )
            if key in given:
                raise ValueError(f'--submit {text!r}: {key} is given twice')
            given[key] = _value(key, value)
        missing = [key for key in ('gpus', 'hours') if key not in given]
        if missing:
            raise ValueError(
                f'--submit: {" and ".join(missing)} must be given, for '
                'example gpus=8 hours=24'
            )
        return cls(**given)

    @property
    def processes(self) -> int:
        """How many train together."""
        return self.nodes * self.gpus

    def parameters(self, name: str, cpus: int) -> dict[str, Any]:
        """The same in the words of ``submitit.AutoExecutor``.

        Args:
            name: The job's.
            cpus: Cores of each process.
        """
        return {
            'name': name,
            'nodes': self.nodes,
            'gpus_per_node': self.gpus,
            'tasks_per_node': self.gpus,
            'cpus_per_task': cpus,
            'mem_gb': self.memory_gb,
            'timeout_min': round(self.hours * 60),
            'slurm_partition': self.partition,
            'slurm_account': self.account,
            'slurm_qos': self.qos,
            'slurm_constraint': self.constraint,
            # without requeue there are clusters that refuse to run it again
            'slurm_additional_parameters': {'signal': SIGNAL, 'requeue': True},
            # since Slurm 22.05 srun takes the cores from nowhere else
            'slurm_srun_args': [
                f'--cpus-per-task={cpus}',
                '--kill-on-bad-exit=1',
            ],
        }


def _value(key: str, text: str) -> Any:
    """The value of a key.

    Raises:
        ValueError: If it cannot be one.
    """
    if key == 'hours':
        try:
            hours = float(text)
        except ValueError:
            hours = math.nan
        if not LEAST_HOURS <= hours < math.inf:
            raise ValueError(
                f'--submit hours={text}: choose a number from {LEAST_HOURS} on'
            )
        return hours
    if key in ('gpus', 'nodes', 'cpus', 'memory_gb'):
        if not (text.isdecimal() and int(text) > 0):
            raise ValueError(
                f'--submit {key}={text}: choose a positive integer'
            )
        return int(text)
    if not text:
        raise ValueError(f'--submit {key}= names none')
    return text
