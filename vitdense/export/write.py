"""A model's file: ONNX, or OpenVINO's form of it."""

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vitdense.checkpoint.whole_file import whole_file
from vitdense.export.networks import PICTURES, example
from vitdense.export.tracing import sizes_followed
from vitdense.predict.exported import KEY, runtime
from vitdense.preflight.cli import nothing_shown

# the newest that PyTorch's tracing exporter writes
OPSET = 20
FORMATS = {'onnx': '.onnx', 'openvino': '.xml'}


def write(
    network: Any, told: Mapping[str, Any], path: Path, *, example_side: int
) -> None:
    """Write a network to a file, whole or not at all.

    Args:
        network: Of `vitdense.export.networks`.
        told: What the file says of it; for JSON.
        path: The file; its suffix, of `FORMATS`, says which format.
        example_side: Pixels of the shorter side of the pictures that the
            network is traced on.

    Raises:
        ImportError: If a package is missing.
        OSError: If the file cannot be written.
    """
    needed = ['onnx', *(['openvino'] if path.suffix == '.xml' else [])]
    modules = {name: runtime(name) for name in needed}
    text = json.dumps(told)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        traced = Path(folder) / 'model.onnx'
        _trace(network, traced, example_side)
        if path.suffix == '.onnx':
            model = modules['onnx'].load(str(traced))
            model.producer_name = KEY
            modules['onnx'].helper.set_model_props(model, {KEY: text})
            with whole_file(path) as part:
                modules['onnx'].save(model, str(part))
            return
        converted = modules['openvino'].convert_model(str(traced))
        converted.set_rt_info(text, [KEY])
        made = Path(folder) / 'model.xml'
        modules['openvino'].save_model(
            converted, str(made), compress_to_fp16=False
        )
        # the .xml last: with it the pair is there
        made.with_suffix('.bin').replace(path.with_suffix('.bin'))
        made.replace(path)


def _trace(network: nn.Module, path: Path, side: int) -> None:
    pictures = example(side, side + side // 2, batch=2)
    with (
        nothing_shown(),
        warnings.catch_warnings(),
        torch.no_grad(),
        sizes_followed(),
    ):
        torch.onnx.export(
            network,
            (pictures,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[PICTURES],
            output_names=list(network.outputs),  # type: ignore[arg-type]
            dynamic_axes={
                PICTURES: {0: 'batch', 1: 'height', 2: 'width'},
                **network.axes,  # type: ignore[dict-item]
            },
        )
