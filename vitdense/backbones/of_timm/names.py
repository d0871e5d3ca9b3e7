"""Names in files of timm's models, and in their features.

What gives levels is a part of a model, and timm renames some of it:
``stages.0.x`` of ConvNeXt is ``stages_0.x`` there, and what ViT has is under
``model.``.
"""

from collections.abc import Collection, Mapping

from torch import Tensor

OWN = 'body.'  # what our own checkpoints call it


def place(
    held: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    whole: Collection[str],
) -> tuple[dict[str, Tensor], list[str], list[str]]:
    """Find the place of every tensor of a file.

    Args:
        held: The file's tensors by name.
        own: Those of the features.
        whole: Names in the whole model.

    Returns:
        Tensors by names in the features; names that are of the whole model
        alone; and all that does not fit, one line each.
    """
    filled: dict[str, Tensor] = {}
    dropped, problems = [], []
    for name, tensor in held.items():
        plain = name.removeprefix(OWN)
        flat = plain.replace('.', '_', 1)
        found = [n for n in (plain, f'model.{plain}', flat) if n in own]
        if not found:
            if plain in whole:
                dropped.append(name)
            else:
                problems.append(f'unexpected: {name}')
        elif found[0] in filled:
            problems.append(f'unexpected: {name} (again {found[0]})')
        elif tensor.shape != own[found[0]].shape:
            problems.append(
                f'other shape: {name} {tuple(tensor.shape)} does not make '
                f'{found[0]} {tuple(own[found[0]].shape)}'
            )
            filled[found[0]] = tensor
        else:
            filled[found[0]] = tensor
    problems += [f'missing: {name}' for name in own if name not in filled]
    return filled, dropped, problems
