"""Where a checkpoint comes from: a file, or a URL by way of a cache.

A download grows under a temporary name and takes its own name only when it is
whole, so that the cache never holds a part of a file.
"""

import hashlib
import re
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import torch
from filelock import FileLock
from mmengine.logging import print_log

from ..errors import CheckpointError
from ..whole_file import whole_file
from .digest import digest_file
from .safe import sniff
from .shards import in_folder, is_index

TIMEOUT_S = 20.0
ATTEMPTS = 5
_CHUNK_BYTES = 1 << 20
# torch.hub's and OpenMMLab's custom: name-0123abcd.pth, the hash's beginning
_NAMED_HASH = re.compile(r'-(?=[0-9]*[a-f])([0-9a-f]{8,64})\.')


def is_url(source: str) -> bool:
    """Whether a source is to be downloaded."""
    return urlsplit(source).scheme in ('http', 'https')


def locate(source: str, sha256: str | None = None) -> Path:
    """The local file of a source, downloaded if it has to be.

    Args:
        source: Path of a file, of an index of several or of the folder of
            either, as transformers writes them; or an http(s) URL of a
            file. Downloads are kept under ``torch.hub.get_dir()``.
        sha256: Hexadecimal digest that the file must have.

    Raises:
        CheckpointError: If it cannot be had whole, or has another digest.
    """
    if sha256 is not None and not re.fullmatch('[0-9a-f]{64}', sha256):
        raise CheckpointError(
            f'sha256={sha256!r} is not a digest of 64 hexadecimal digits'
        )
    if is_url(source):
        return _cached(source, sha256)
    if '://' in source:
        raise CheckpointError(
            f'{source}: only http and https URLs and local files are read'
        )
    path = in_folder(Path(source).expanduser())
    if sha256 is not None:
        if is_index(path):
            raise CheckpointError(
                f'{path}: sha256={sha256!r} is the digest of one file, and '
                'this is an index of several; leave it out'
            )
        sniff(path)
        _check_digest(path, sha256, str(path))
    return path


def cache_path(url: str) -> Path:
    """Where the file of a URL is kept; the same name may come from two."""
    name = unquote(urlsplit(url).path).rpartition('/')[2] or 'checkpoint'
    key = hashlib.sha256(url.encode()).hexdigest()[:12]
    return Path(torch.hub.get_dir()) / 'vitdense' / key / name


def _cached(url: str, sha256: str | None) -> Path:
    path = cache_path(url)
    # A file that is there is whole: no lock, which a reader of a colleague's
    # cache may not take.
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # the processes of one machine download once
        with FileLock(path.parent / '.lock'):
            if not path.exists():
                _download(url, path, sha256)
    if sha256 is not None:
        _check_digest(path, sha256, f'{url} (kept as {path})')
    return path


def _download(url: str, path: Path, sha256: str | None) -> None:
    print_log(f'downloading {url} to {path}', logger='current')
    with whole_file(path) as part:
        with part.open('wb') as file:
            _Transfer(url, file).run()
        _check_download(part, url, path.name, sha256)


def _check_download(
    part: Path, url: str, name: str, sha256: str | None
) -> None:
    try:
        sniff(part)
    except CheckpointError as error:
        told = str(error).removeprefix(str(part))
        raise CheckpointError(f'{url}: what was sent{told}') from None
    hinted = _NAMED_HASH.search(name)
    expected = sha256 or (hinted[1] if hinted else None)
    if expected is not None:
        _check_digest(part, expected, url)


class _Transfer:
    """One file on its way from a URL into an open file."""

    def __init__(self, url: str, file: BinaryIO) -> None:
        self.url = url
        self.file = file
        self.size: int | None = None
        self.etag: str | None = None

    def run(self) -> None:
        """Fetch all of it, going on where a connection broke off."""
        reason = ''
        for _ in range(ATTEMPTS):
            start = self.file.tell()
            try:
                self._fetch_rest(start)
                if self.file.tell() == self.size:
                    return
            except urllib.error.HTTPError as error:
                raise CheckpointError(
                    f'{self.url}: the server answered {error.code} '
                    f'{error.reason}'
                ) from error
            except (OSError, HTTPException) as error:
                reason = f' ({error or type(error).__name__})'
            if self.file.tell() <= start:
                break  # nothing new came: another attempt would not help
        raise CheckpointError(
            f'{self.url}: the download stopped at {self.file.tell()} of '
            f'{self.size or "an unknown number of"} bytes{reason}; nothing '
            'was kept'
        )

    def _fetch_rest(self, start: int) -> None:
        headers = {'Range': f'bytes={start}-'} if start else {}
        if start and self.etag:
            headers['If-Range'] = self.etag
        request = urllib.request.Request(  # noqa: S310  http(s) by is_url
            self.url, headers=headers
        )
        with urllib.request.urlopen(  # noqa: S310
            request, timeout=TIMEOUT_S
        ) as answer:
            if start and not self._goes_on(answer, start):
                self.file.seek(0)  # sent from the start again
                self.file.truncate()
            self._note(answer)
            while chunk := answer.read1(_CHUNK_BYTES):
                self.file.write(chunk)
        if self.size is None:  # the end was marked, and came
            self.size = self.file.tell()

    def _goes_on(self, answer: HTTPResponse, start: int) -> bool:
        told = answer.headers.get('Content-Range', '')
        return answer.status == 206 and told.startswith(f'bytes {start}-')

    def _note(self, answer: HTTPResponse) -> None:
        self.etag = answer.headers.get('ETag')
        length = answer.headers.get('Content-Length')
        if length is not None:
            self.size = self.file.tell() + int(length)
        elif answer.headers.get('Transfer-Encoding') != 'chunked':
            raise CheckpointError(
                f'{self.url}: the server does not say how long the file is, '
                'so a broken download could not be told; download it by hand'
            )


def _check_digest(path: Path, expected: str, what: str) -> None:
    found = digest_file(path)
    if not found.startswith(expected):
        raise CheckpointError(
            f'{what} has sha256 {found}, expected {expected}'
        )
