"""plotly.js' basic bundle, from its authors' archive."""

import hashlib
import tarfile
from pathlib import Path
from typing import IO, cast

ARCHIVE = (
    Path(__file__).parent / 'vendored' / 'plotly.js-basic-dist-min-4.1.1.tgz'
)
MEMBER = 'package/plotly-basic.min.js'
# what npm's registry says of this archive is its SHA-512; this is the same
SHA256 = 'ea907f854b6cec4f6a2fa71540ec019a21ed2c61e6a109ddd5c072103a96eed0'


def read_plotly() -> str:
    """The bundle's text, which begins with its licence.

    Raises:
        ValueError: If the archive is not the published one.
        OSError: If it cannot be read.
    """
    found = hashlib.sha256(ARCHIVE.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(
            f'{ARCHIVE} has the SHA-256 {found}, not {SHA256}; install '
            'vitdense again'
        )
    with tarfile.open(ARCHIVE) as archive:
        bundle = cast('IO[bytes]', archive.extractfile(MEMBER))
        return bundle.read().decode()
