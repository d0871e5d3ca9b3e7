"""Files that tools/export.py has written, and what runs them."""

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

SUFFIXES = ('.onnx', '.xml')
# all that vitdense says of a model is one text of JSON, under this name
KEY = 'vitdense'
Pixels = npt.NDArray[np.uint8]


def is_exported(path: str | Path) -> bool:
    """Whether a path is of a file that tools/export.py writes."""
    return Path(path).suffix in SUFFIXES


def runtime(name: str) -> ModuleType:
    """A package that exported models need.

    Args:
        name: ``'onnx'``, ``'onnxruntime'`` or ``'openvino'``.

    Raises:
        ImportError: If it is missing, with the command that helps.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ImportError(
            f'exported models need {name}, which is not installed; vitdense '
            'has it as the extra export: pip install -e .[export], in its '
            'folder'
        ) from None


class ExportedFile:
    """Runs an exported model on the CPU.

    Args:
        path: An ``.onnx`` file, or the ``.xml`` of OpenVINO with its ``.bin``
            beside it.

    Attributes:
        told: What the file says of the model: see docs/exporting.md.
        outputs: Names of the results.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not one that tools/export.py has written.
        ImportError: If what runs it is not installed.
    """

    def __init__(self, path: str | Path) -> None:
        if not Path(path).is_file():
            raise FileNotFoundError(f'there is no {str(path)!r}')
        opened = _of_openvino if Path(path).suffix == '.xml' else _of_onnx
        self._run, self.outputs, text = opened(Path(path))
        if text is None:
            raise ValueError(
                f'{str(path)!r} says nothing of classes and sizes; only what '
                'tools/export.py has written can be used'
            )
        self.told: dict[str, Any] = json.loads(text)

    def __call__(self, pictures: Pixels) -> dict[str, npt.NDArray[Any]]:
        """Run it.

        Args:
            pictures: ``(B, H, W, 3)``, blue first, of the size that the test
                pipeline makes of them.

        Returns:
            Results by name.
        """
        found = self._run(np.ascontiguousarray(pictures))
        return dict(zip(self.outputs, found, strict=True))


def _of_onnx(path: Path) -> tuple[Any, tuple[str, ...], str | None]:
    onnxruntime = runtime('onnxruntime')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider']
        )
    except Exception as error:
        # its errors have no common class but this
        if not type(error).__module__.startswith('onnxruntime'):
            raise
        reason = ' '.join(str(error).split())
        raise ValueError(f'{str(path)!r} is no ONNX file: {reason}') from None
    (given,) = session.get_inputs()
    names = tuple(each.name for each in session.get_outputs())

    def run(pictures: Pixels) -> Any:
        return session.run(names, {given.name: pictures})

    return run, names, session.get_modelmeta().custom_metadata_map.get(KEY)


def _of_openvino(path: Path) -> tuple[Any, tuple[str, ...], str | None]:
    openvino = runtime('openvino')
    core = openvino.Core()
    settings = {
        'INFERENCE_NUM_THREADS': torch.get_num_threads(),
        # where the processor has bfloat16 it would be taken unasked
        'INFERENCE_PRECISION_HINT': 'f32',
    }
    try:
        model = core.read_model(str(path))
    except RuntimeError as error:
        reason = ' '.join(str(error).split())
        raise ValueError(
            f'{str(path)!r} is no OpenVINO model: {reason}'
        ) from None
    text = None
    if model.has_rt_info([KEY]):
        text = model.get_rt_info([KEY]).astype(str)
    names = tuple(each.get_any_name() for each in model.outputs)
    compiled = core.compile_model(model, 'CPU', settings)

    def run(pictures: Pixels) -> Any:
        return list(compiled([pictures]).values())

    return run, names, text
