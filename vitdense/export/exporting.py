"""Config and checkpoint to a file that has been checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitdense import __version__
from vitdense.checkpoint.sharded import digest_checkpoint
from vitdense.checkpoint.whole_file import part_name
from vitdense.export.check import check
from vitdense.export.choosing import network_of
from vitdense.export.write import FORMATS, write
from vitdense.predict.exported import is_exported, runtime
from vitdense.predict.predictor import Predictor

# pixels; below, coarse levels have one cell, where much is equal by chance
LEAST_SIDE = 64
RUNTIMES = {'onnx': ('onnx', 'onnxruntime'), 'openvino': ('onnx', 'openvino')}


def export(
    config: Path,
    checkpoint: Path,
    output: Path,
    *,
    form: str | None = None,
    backbone: bool = False,
    checked: bool = True,
    overwrite: bool = False,
    cfg_options: Mapping[str, Any] | None = None,
) -> dict[str, float]:
    """Write a model to a file, and hold its results against the model's.

    Args:
        config: A config file.
        checkpoint: What it trained.
        output: The file; ``.onnx`` or, of OpenVINO, ``.xml``.
        form: Of `FORMATS`; None is the one that the suffix says.
        backbone: Whether only the backbone.
        checked: Whether the file is run, and removed if it differs.
        overwrite: Whether a file that is there may be replaced.
        cfg_options: Settings that replace the config's, by dotted key.

    Returns:
        The largest difference of each output; none if it is not checked.

    Raises:
        ValueError, TypeError, LookupError, OSError, ImportError: If anything
            cannot be used, naming it; before anything is written.
        DifferentError: If results differ; nothing is left then.
    """
    form = _form(output, form)
    if is_exported(checkpoint):
        raise ValueError(f'{str(checkpoint)!r} is exported already')
    if output.exists() and not overwrite:
        raise FileExistsError(
            f'{str(output)!r} is there; --overwrite replaces it'
        )
    if not output.parent.is_dir():
        raise FileNotFoundError(
            f'there is no folder {str(output.parent)!r} for {output.name!r}'
        )
    for name in RUNTIMES[form]:
        runtime(name)
    predictor = Predictor(
        config, checkpoint, device='cpu', cfg_options=cfg_options
    )
    model = predictor.model
    network: Any = network_of(model, predictor.task, backbone=backbone)
    least = int(getattr(model.backbone, 'min_size', 1))
    side = max(least, LEAST_SIDE)
    told = {
        'vitdense': __version__,
        'part': 'backbone' if backbone else 'model',
        'task': predictor.task,
        'classes': predictor.classes,
        'config': config.name,
        'weights': checkpoint.name,
        'sha256': digest_checkpoint(checkpoint),
        'min_size': least,
        'strides': tuple(getattr(model.backbone, 'out_strides', (1,))),
        'align_corners': bool(getattr(model, 'align_corners', False)),
        'mask_threshold': getattr(network, 'mask_threshold', None),
        'normalisation': network.normalise.told(),
    }
    # under another name until it has been checked
    made = output.with_name(f'{part_name()}{output.suffix}')
    try:
        write(network, told, made, example_side=side)
        worst = check(made, network, side) if checked else {}
        # the .xml last: with it the pair is there
        for suffix in ('.bin', output.suffix):
            if made.with_suffix(suffix).exists():
                made.with_suffix(suffix).replace(output.with_suffix(suffix))
    finally:
        for suffix in ('.bin', output.suffix):
            made.with_suffix(suffix).unlink(missing_ok=True)
    return worst


def _form(output: Path, form: str | None) -> str:
    """The format that suffix and option agree on.

    Raises:
        ValueError: If they do not, or say none.
    """
    by_suffix = {suffix: name for name, suffix in FORMATS.items()}
    told = by_suffix.get(output.suffix)
    if told is None or form not in (None, told):
        wanted = FORMATS[form] if form else ' or '.join(by_suffix)
        raise ValueError(
            f'OUTPUT {output.name!r} must end in {wanted}'
            + (f' for --format {form}' if form else '')
        )
    return told
