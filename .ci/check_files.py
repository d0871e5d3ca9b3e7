"""Refuses tracked files that are too large or end badly.

Usage: python .ci/check_files.py, in the repository's root.
"""

import subprocess
import sys
from pathlib import Path

MAX_BYTES = 500_000
# The quick start's backbone checkpoint is the one large thing kept here.
MAX_CHECKPOINT_BYTES = 3_000_000
CHECKPOINTS = ('.pth', '.safetensors')


def problems(path: Path) -> list[str]:
    """What is wrong with one file."""
    data = path.read_bytes()
    limit = MAX_CHECKPOINT_BYTES if path.suffix in CHECKPOINTS else MAX_BYTES
    found = []
    if len(data) > limit:
        found.append(f'{len(data)} bytes, more than {limit}')
    if b'\0' in data:
        return found
    if data and not data.endswith(b'\n'):
        found.append('no newline at the end')
    if data.endswith(b'\n\n') or data == b'\n':
        found.append('blank lines at the end')
    if b'\r\n' in data:
        found.append('Windows line ends')
    if any(line != line.rstrip() for line in data.split(b'\n')):
        found.append('spaces at the end of a line')
    return found


def main() -> int:
    listing = subprocess.run(
        ['git', 'ls-files', '-z'],  # noqa: S607 - git is on the user's PATH
        capture_output=True,
        check=True,
        text=True,
    )
    paths = [Path(name) for name in listing.stdout.split('\0') if name]
    bad = 0
    for path in paths:
        if path.is_symlink() or not path.is_file():
            continue
        for problem in problems(path):
            print(f'{path}: {problem}')
            bad += 1
    return min(bad, 1)


if __name__ == '__main__':
    sys.exit(main())
