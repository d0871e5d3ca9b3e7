"""Downloads from a real server: whole, or not at all."""

import hashlib
import io
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from official import build

from vitdense.checkpoint import CheckpointError, load_backbone
from vitdense.checkpoint.reading import source
from vitdense.checkpoint.reading.source import cache_path, locate

STALL_S = 0.3


def checkpoint() -> bytes:
    buffer = io.BytesIO()
    torch.save({'weight': torch.arange(20000.0)}, buffer)
    return buffer.getvalue()


BODY = checkpoint()
HALF = len(BODY) // 2


class Server(BaseHTTPRequestHandler):
    """Answers by the file's name; counts requests and ranges."""

    requests: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        name = self.path.rpartition('/')[2].partition('.')[0]
        asked = self.headers.get('Range')
        self.requests.append((name, asked))
        getattr(self, name.partition('-')[0])(asked)

    def log_message(self, *args: object) -> None:
        pass

    def start(self, status: int, length: int | None, **more: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header('Content-Length', str(length))
        for key, value in more.items():
            self.send_header(key.replace('_', '-'), value)
        self.end_headers()

    def whole(self, asked: str | None) -> None:
        self.start(200, len(BODY))
        self.wfile.write(BODY)

    def missing(self, asked: str | None) -> None:
        self.send_error(404)

    def moved(self, asked: str | None) -> None:
        self.start(302, 0, Location='/whole.pth')

    def stall(self, asked: str | None) -> None:
        self.start(200, len(BODY))
        self.wfile.write(BODY[:100])
        self.wfile.flush()
        time.sleep(2 * STALL_S)

    def silent(self, asked: str | None) -> None:
        time.sleep(2 * STALL_S)

    def half(self, asked: str | None) -> None:
        """Always the first half, whatever is asked for."""
        self.start(200, len(BODY))
        self.wfile.write(BODY[:HALF])

    def resumable(self, asked: str | None) -> None:
        """A third a time."""
        begin = int(asked.removeprefix('bytes=').rstrip('-')) if asked else 0
        part = BODY[begin : begin + len(BODY) // 3 + 1]
        rest = f'bytes {begin}-{len(BODY) - 1}/{len(BODY)}'
        self.start(
            206 if asked else 200, len(BODY) - begin, Content_Range=rest
        )
        self.wfile.write(part)

    def changed(self, asked: str | None) -> None:
        """Another file at the second request, sent from its start."""
        if asked:
            self.start(200, len(BODY), ETag='"two"')
            self.wfile.write(BODY)
        else:
            self.start(200, len(BODY), ETag='"one"')
            self.wfile.write(b'x' * HALF)

    def unsized(self, asked: str | None) -> None:
        self.start(200, None)
        self.wfile.write(BODY[:HALF])

    def chunked(self, asked: str | None) -> None:
        self.protocol_version = 'HTTP/1.1'
        self.start(200, None, Transfer_Encoding='chunked', Connection='close')
        for part in (BODY[:HALF], BODY[HALF:], b''):
            self.wfile.write(f'{len(part):x}\r\n'.encode() + part + b'\r\n')

    def page(self, asked: str | None) -> None:
        page = b'<html>please log in</html>'
        self.start(200, len(page))
        self.wfile.write(page)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a server; the cache lies in ``tmp_path``."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    monkeypatch.setattr(source, 'TIMEOUT_S', STALL_S)
    Server.requests = []
    server = ThreadingHTTPServer(('127.0.0.1', 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f'http://127.0.0.1:{server.server_port}/'
    server.shutdown()
    server.server_close()


def cached(tmp_path: Path) -> list[Path]:
    files = (tmp_path / 'hub').rglob('*')
    return [f for f in files if f.is_file() and f.name != '.lock']


@pytest.mark.parametrize(
    'name', ['whole', 'moved', 'resumable', 'changed', 'chunked']
)
def test_whole_file_is_cached(url: str, tmp_path: Path, name: str) -> None:
    address = f'{url}{name}.pth?download=1'
    path = locate(address)
    assert path.read_bytes() == BODY
    assert cached(tmp_path) == [path]
    assert path.name == f'{name}.pth'
    asked = len(Server.requests)
    assert locate(address) == path
    assert len(Server.requests) == asked


def test_download_goes_on_where_it_broke_off(url: str) -> None:
    locate(f'{url}resumable.pth')
    third = len(BODY) // 3 + 1
    assert Server.requests == [
        ('resumable', None),
        ('resumable', f'bytes={third}-'),
        ('resumable', f'bytes={2 * third}-'),
    ]


BROKEN = {
    'missing': 'answered 404 Not Found',
    'stall': f'stopped at 100 of {len(BODY)} bytes .*timed out',
    'silent': 'stopped at 0 of an unknown number of bytes .*timed out',
    'half': f'stopped at {HALF} of {len(BODY)} bytes; nothing was kept',
    'unsized': 'does not say how long',
    'page': 'is not a checkpoint but a web page',
    'whole-0123abcd': 'has sha256 .*, expected 0123abcd',
}


@pytest.mark.parametrize('name', BROKEN)
def test_broken_download(url: str, tmp_path: Path, name: str) -> None:
    address = f'{url}{name}.pth'
    arch = {
        'design': 'v1',
        'dims': (4,),
        'depths': (1,),
        'heads': (1,),
        'mlp_ratios': (1,),
        'reductions': (1,),
    }
    model = build('pvt', arch=arch)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=BROKEN[name]) as error:
        load_backbone(model, address)
    assert str(error.value).startswith(address)
    assert '\n' not in str(error.value)
    assert cached(tmp_path) == []
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[key])


def test_refused_connection(url: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='refused'):
        locate('http://127.0.0.1:9/weights.pth')
    assert cached(tmp_path) == []


def test_digest(url: str, tmp_path: Path) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    address = f'{url}whole.pth'
    with pytest.raises(CheckpointError, match=f'expected {"0" * 64}'):
        locate(address, '0' * 64)
    assert cached(tmp_path) == []
    path = locate(address, digest)
    path.write_bytes(BODY[:-1])
    with pytest.raises(CheckpointError, match=f'kept as {path}'):
        locate(address, digest)


def test_digest_in_the_name(url: str, tmp_path: Path) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    path = locate(f'{url}whole-{digest[:8]}.pth')
    assert path.read_bytes() == BODY


def test_date_in_the_name_is_no_digest(url: str) -> None:
    locate(f'{url}whole-20210831.pth')


def test_two_addresses_with_one_name() -> None:
    one = cache_path('https://a.org/v1/model.pth')
    other = cache_path('https://a.org/v2/model.pth')
    assert one.name == other.name == 'model.pth'
    assert one != other


def test_processes_download_once(url: str) -> None:
    address = f'{url}whole.pth'
    threads = [
        threading.Thread(target=locate, args=(address,)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Server.requests == [('whole', None)]


@pytest.mark.parametrize('address', ['ftp://a.org/x.pth', 's3://a/x.pth'])
def test_other_schemes_are_refused(address: str) -> None:
    with pytest.raises(CheckpointError, match='only http and https'):
        locate(address)
