"""Looks into files of pictures and of label maps."""

import hashlib
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from vitdense.datasets.audit.kinds import Fault, Size
from vitdense.datasets.loading import JPEG, fault_of

ORIENTATION = 0x0112
# EXIF orientations that mirror or turn; from the fifth on, sides change.
TURNED = range(2, 9)
SIDEWAYS = range(5, 9)
# OpenCV's limit; Pillow warns of half of it, which is not shown.
MAX_PIXELS = 1 << 30
# What Pillow's decoders raise.
UNREADABLE = (
    Image.DecompressionBombError,
    OSError,
    SyntaxError,
    ValueError,
)
# Pictures are compared by how brightness goes from one of 8 x 8 cells to the
# next; saving one anew changes a few of these 64 bits.
CELLS = 8
ALIKE_BITS = 4


class PixelError(ValueError):
    """A file of pixels cannot be used.

    Attributes:
        fault: 'missing', 'truncated' or 'unreadable'.
    """

    def __init__(self, fault: str, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class Picture(NamedTuple):
    """A picture that was decoded.

    Attributes:
        stored: Height and width as in the file.
        orientation: EXIF's; 1 for none.
        digest: Of the file's bytes.
        look: What it looks like, in 64 bits.
    """

    stored: Size
    orientation: int
    digest: bytes
    look: int

    @property
    def size(self) -> Size:
        """Height and width as it is loaded, turned."""
        height, width = self.stored
        sideways = self.orientation in SIDEWAYS
        return (width, height) if sideways else self.stored

    def is_like(self, other: 'Picture') -> bool:
        """Whether two pictures are the same, or one was saved anew."""
        apart = (self.look ^ other.look).bit_count()
        return self.digest == other.digest or (
            self.size == other.size and apart <= ALIKE_BITS
        )


def read_picture(path: Path) -> Picture:
    """Decode a picture.

    Raises:
        PixelError: If it cannot be used.
    """
    content = read_bytes(path)
    with decoded(content) as image:
        orientation = image.getexif().get(ORIENTATION, 1)
        shape = (CELLS + 1, CELLS)
        small = image.convert('L').resize(shape, Image.Resampling.BOX)
        cells = np.asarray(small)
        bits = np.packbits(cells[:, 1:] > cells[:, :-1])
        return Picture(
            (image.height, image.width),
            orientation if orientation in TURNED else 1,
            hashlib.sha256(content).digest(),
            int.from_bytes(bits.tobytes(), 'big'),
        )


def read_bytes(path: Path) -> bytes:
    """All of a file of pixels.

    Raises:
        PixelError: If it is missing, cut off or may not be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise PixelError('missing', 'no such file') from None
    except OSError as error:
        raise PixelError('unreadable', str(error.strerror)) from None
    fault = fault_of(content)
    if fault:
        raise PixelError('truncated', fault)
    return content


@contextmanager
def decoded(content: bytes) -> Iterator[Image.Image]:
    """The pixels of an image file, up to the size that OpenCV takes.

    Raises:
        PixelError: If they cannot be decoded.
    """
    usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PIXELS // 2
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of metadata
            with Image.open(BytesIO(content)) as image:
                image.load()
                yield image
    except PixelError:
        raise
    except UNREADABLE as error:
        reason = ' '.join(str(error).split())
        kind = 'truncated' if 'truncated' in reason else 'unreadable'
        if 'cannot identify' in reason:
            reason = 'no image that Pillow knows'
        raise PixelError(kind, reason) from None
    finally:
        Image.MAX_IMAGE_PIXELS = usual


def turn_fault(picture: Picture, said: Size) -> Fault | None:
    """Whether EXIF turns a picture away from its annotations.

    Args:
        picture: The picture.
        said: Height and width that its annotations are made for.

    Returns:
        The kind of the finding and what is there, or None.
    """
    if picture.orientation == 1:
        return None
    what = f'EXIF orientation {picture.orientation}'
    stored, shown = picture.stored, picture.size
    if stored == shown:
        if said != shown:
            return None
        return 'image-maybe-turned', f'{what}, {wide(shown)} either way'
    if said == stored:
        return (
            'image-turned',
            f'{what}: loaded as {wide(shown)}, annotated as {wide(said)}',
        )
    return None


def fault_of_look(look: Picture | Fault, said: Size | None) -> Fault | None:
    """What is wrong with a picture beside what its annotations say.

    Args:
        look: The picture, or what is wrong with its file.
        said: Height and width as annotated, if known.
    """
    if not isinstance(look, Picture):
        return look
    if said is None:
        return None
    fault = turn_fault(look, said)
    if fault is None and said != look.size:
        what = f'{wide(look.size)}, annotated as {wide(said)}'
        return 'image-size-wrong', what
    return fault


def wide(size: Size) -> str:
    """A size in words."""
    return f'{size[1]} x {size[0]}'


def upright(content: bytes) -> bytes | None:
    """A JPEG with EXIF orientation 1, all else untouched.

    Returns:
        The file's new bytes; None if it is no JPEG, or has its EXIF somewhere
        else than in its header.
    """
    base = content.find(b'Exif\0\0') + 6
    order = {b'II': '<', b'MM': '>'}.get(content[base : base + 2])
    if not content.startswith(JPEG) or base < 6 or order is None:
        return None
    try:
        (first,) = struct.unpack_from(f'{order}I', content, base + 4)
        (entries,) = struct.unpack_from(f'{order}H', content, base + first)
        for index in range(entries):
            at = base + first + 2 + 12 * index
            (tag,) = struct.unpack_from(f'{order}H', content, at)
            if tag == ORIENTATION:
                changed = bytearray(content)
                struct.pack_into(f'{order}H', changed, at + 8, 1)
                return bytes(changed)
    except struct.error:
        pass  # offsets that lead out of the file
    return None


def can_turn(path: Path) -> bool:
    """Whether a picture's orientation can be set to 1."""
    return upright(path.read_bytes()) is not None
