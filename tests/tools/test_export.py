"""tools/export.py, and tools/infer.py with what it writes."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_runs import segmenter, small_shapes

__all__ = ['segmenter', 'small_shapes']


@pytest.mark.parametrize('missing', ['onnx', 'onnxruntime'])
def test_without_the_extra(
    tool: Callable,
    segmenter: Path,
    tmp_path: Path,
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    output = tmp_path / 'model.onnx'
    ended = tool('export.py', '--from', segmenter, output)
    assert ended.code == 2
    assert ended.err == (
        f'error: exported models need {missing}, which is not installed; '
        'vitdense has it as the extra export: pip install -e .[export], in '
        'its folder\n'
    )
    assert not output.exists()


def test_bad_options(tool: Callable, segmenter: Path, tmp_path: Path) -> None:
    for args, text in (
        ([tmp_path / 'a.onnx'], 'name CONFIG, CHECKPOINT and an OUTPUT'),
        (['--from', segmenter, 'a.onnx', 'b.onnx'], 'name one OUTPUT'),
        (
            ['--from', segmenter, tmp_path / 'a.onnx', '--format', 'openvino'],
            '.xml',
        ),
        (['--from', tmp_path, tmp_path / 'a.onnx'], 'is no work folder'),
    ):
        ended = tool('export.py', *args)
        assert ended.code == 2
        assert ended.err.startswith('error: ')
        assert text in ended.err
        assert len(ended.err.splitlines()) == 1


def test_files_that_are_no_exports(
    tool: Callable, segmenter: Path, tmp_path: Path, small_shapes: Path
) -> None:
    (tmp_path / 'a.onnx').write_text('no model')
    out = tmp_path / 'out'
    for given in ('absent.onnx', 'a.onnx'):
        ended = tool(
            'infer.py',
            segmenter / 'config.py',
            tmp_path / given,
            small_shapes / 'coco/val2017',
            '--out',
            out,
        )
        assert ended.code == 2
        assert given in ended.err
        assert len(ended.err.splitlines()) == 1
    assert not out.exists()


@pytest.mark.slow
def test_exported_then_predicted(
    tool: Callable, segmenter: Path, tmp_path: Path, small_shapes: Path
) -> None:
    output = tmp_path / 'model.onnx'
    ended = tool('export.py', '--from', segmenter, output)
    assert ended.code == 0, ended.err
    assert ended.out.startswith('logits: differs by ')
    pictures = small_shapes / 'coco/val2017'
    maps = []
    for name, checkpoint in (('a', segmenter / 'epoch_4.pth'), ('b', output)):
        out = tmp_path / name
        args = [segmenter / 'config.py', checkpoint, pictures, '--out', out]
        ended = tool('infer.py', *args, '--write', 'maps', '--device', 'cpu')
        assert ended.code == 0, ended.err
        maps.append([p.read_bytes() for p in sorted(out.glob('maps/*.png'))])
    assert len(maps[0]) == 2
    assert maps[0] == maps[1]
    ended = tool(
        'infer.py', segmenter / 'config.py', output, pictures, '--amp'
    )
    assert ended.code == 2
    assert 'runs on the CPU in float32' in ended.err
