"""What is run how: shared by the benchmark and its workers."""

import re
from dataclasses import dataclass

DTYPES = ('float32', 'bfloat16', 'float16')

# What is timed, by what runs: a backbone, or a detector's training step.
FORWARD = 'forward'
FORWARD_BACKWARD = 'forward_backward'
TIMED = {
    'backbone': (FORWARD, FORWARD_BACKWARD),
    'step': (FORWARD_BACKWARD,),
}


@dataclass(frozen=True)
class Settings:
    """How each row is run.

    Attributes:
        device: 'cpu', 'cuda' or 'cuda:N'.
        dtype: One of ``DTYPES``; those of half precision run under autocast.
        height: Of the images, in pixels.
        width: Of the images, in pixels.
        batch: Images.
        compiled: Whether the backbone is compiled, for this size.
        threads: Of a CPU; None leaves it to PyTorch.
        warmup: Runs before those timed.
        repeats: Runs timed.
    """

    device: str = 'cpu'
    dtype: str = 'float32'
    height: int = 224
    width: int = 224
    batch: int = 1
    compiled: bool = False
    threads: int | None = None
    warmup: int = 1
    repeats: int = 5

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(
                f'dtype {self.dtype!r} is not one of {list(DTYPES)}'
            )
        least = dict(height=1, width=1, batch=1, warmup=0, repeats=1)
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(
                    f'{name} {getattr(self, name)} is less than {value}'
                )
        if self.threads is not None and self.threads < 1:
            raise ValueError(f'threads {self.threads} is less than 1')


def parse_size(text: str) -> tuple[int, int]:
    """'800x1344' -> (800, 1344), '512' -> (512, 512), in pixels.

    Raises:
        ValueError: If it has neither form.
    """
    match = re.fullmatch(r'(\d+)(?:[xX](\d+))?', text)
    if match is None:
        raise ValueError(
            f'size {text!r} is neither HEIGHTxWIDTH nor one number of pixels'
        )
    return int(match[1]), int(match[2] or match[1])
