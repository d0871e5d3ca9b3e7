"""Images that are whole, or an error that names the file."""

import json
import logging
import os
import struct
from typing import Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile as MMCVLoadImageFromFile
from mmengine import fileio
from mmengine.logging import print_log

from vitdense.registry import TRANSFORMS

JPEG = b'\xff\xd8'
PNG = b'\x89PNG\r\n\x1a\n'
PNG_END = b'IEND\xaeB`\x82'
# JPEG's markers: a scan begins, the image ends; those without a length.
SCAN, END = 0xDA, b'\xff\xd9'
BARE = {0x01, *range(0xD0, 0xD9)}


class BrokenImageError(OSError):
    """An image file cannot be used; the message begins with its path.

    PyTorch raises it anew with a worker's whole traceback as the message, of
    which the last line is kept, as that is the error's own.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition('BrokenImageError: ')[2].strip())


@TRANSFORMS.register_module()
class LoadImageFromFile(MMCVLoadImageFromFile):
    """mmcv's, that takes no part of an image for the whole.

    Many versions of OpenCV, and Pillow when told to, make a half-grey picture
    of a JPEG that was cut, and say nothing.

    Args:
        skip_broken: Whether another image is taken in place of one that is
            broken. mmengine's data sets draw it from NumPy's random numbers.
            ``vitdense.BrokenImagesHook`` counts and lists what was left out.
        to_float32, color_type, imdecode_backend, file_client_args,
            ignore_empty, backend_args: As in mmcv.
    """

    def __init__(
        self,
        to_float32: bool = False,
        color_type: str = 'color',
        imdecode_backend: str = 'cv2',
        file_client_args: dict[str, Any] | None = None,
        ignore_empty: bool = False,
        *,
        backend_args: dict[str, Any] | None = None,
        skip_broken: bool = False,
    ) -> None:
        super().__init__(
            to_float32,
            color_type,
            imdecode_backend,
            file_client_args,
            ignore_empty,
            backend_args=backend_args,
        )
        self.skip_broken = skip_broken
        # a file for lines of what was left out, set by the hook
        self.broken_list: str | None = None

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        """Load ``results['img_path']``; None takes another image.

        Raises:
            BrokenImageError: If the file is missing, incomplete or no image.
        """
        path = results['img_path']
        try:
            image = self._load(path)
        except BrokenImageError as error:
            if self.skip_broken:
                self._note(path, str(error))
            elif not self.ignore_empty:
                raise
            return None
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        results['ori_shape'] = image.shape[:2]
        return results

    def _load(self, path: str) -> Any:
        try:
            content = self._read(path)
        except FileNotFoundError as error:
            raise BrokenImageError(f'{path}: no such file') from error
        fault = fault_of(content)
        if fault:
            raise BrokenImageError(f'{path}: {fault}')
        try:
            image = mmcv.imfrombytes(
                content, flag=self.color_type, backend=self.imdecode_backend
            )
        except (cv2.error, OSError, SyntaxError, ValueError) as error:
            reason = ' '.join(str(error).split())
            raise BrokenImageError(f'{path}: no image: {reason}') from error
        if image is None:
            raise BrokenImageError(f'{path}: not an image that can be decoded')
        return image.astype(np.float32) if self.to_float32 else image

    def _read(self, path: str) -> bytes:
        if self.file_client_args is not None:
            client = fileio.FileClient.infer_client(
                self.file_client_args, path
            )
            return bytes(client.get(path))
        return bytes(fileio.get(path, backend_args=self.backend_args))

    def _note(self, path: str, fault: str) -> None:
        """Append a line, as one write, which processes can do at once."""
        print_log(
            f'left out: {fault}', logger='current', level=logging.WARNING
        )
        if self.broken_list is None:
            return
        line = json.dumps({'path': str(path), 'fault': fault}) + '\n'
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        file = os.open(self.broken_list, flags, 0o666)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


def fault_of(content: bytes) -> str:
    """What the bytes of an image file lack to be whole; empty if nothing."""
    if not content:
        return 'the file is empty'
    if content.startswith(JPEG) and not _jpeg_ends(content):
        return f'a JPEG cut off after {len(content)} bytes'
    if content.startswith(PNG) and content.rfind(PNG_END) < 0:
        return f'a PNG cut off after {len(content)} bytes'
    return ''


def _jpeg_ends(content: bytes) -> bool:
    """Whether the end marker follows the first scan.

    Earlier ones are of thumbnails in the header, which is walked over.
    """
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in BARE:
            at += 2
        else:
            (length,) = struct.unpack_from('>H', content, at + 2)
            at += 2 + length
            if marker == SCAN:
                return content.rfind(END, at) >= 0
    return False
