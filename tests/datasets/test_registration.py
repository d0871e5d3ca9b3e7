import subprocess
import sys

import pytest

PROGRAM = """
import sys
sys.modules['{absent}'] = None
import vitdense
from vitdense.registry import DATASETS
assert DATASETS.get('{has}') is not None
assert DATASETS.get('{lacks}') is None
assert not any(name.startswith('{absent}.') for name in sys.modules)
"""


@pytest.mark.parametrize(
    ('absent', 'has', 'lacks'),
    [
        ('mmseg', 'ShapesInstances', 'ShapesSegments'),
        ('mmdet', 'ShapesSegments', 'ShapesInstances'),
    ],
)
def test_one_task_library_is_enough(absent: str, has: str, lacks: str) -> None:
    program = PROGRAM.format(absent=absent, has=has, lacks=lacks)
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
