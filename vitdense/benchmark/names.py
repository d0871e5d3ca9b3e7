"""Names of backbones and detectors, as given to ``tools/benchmark.py``.

A backbone is ``SOURCE:VARIANT{ARGUMENTS}``; the arguments are JSON.

    vitdense.PVT:v2-b2                  PACKAGE.TYPE, registered in OpenMMLab
                                        or a class of the package; the
                                        variant is its ``arch``
    mmdet.ResNet{"depth": 50}           the same, by arguments alone
    mypackage.MyNet:tiny                the same, of any package
    timm:pvt_v2_b2                      a model of timm, as feature extractor
    transformers:cvt{"depth": [1,2,10]} a model type of transformers, from its
                                        default configuration
    plain.PVT:v2-b2                     vitdense.PVT:v2-b2 written out plainly:
                                        what --check compares with
    plain.mypackage.MyNet:tiny          the same, of another package

A detector is ``CONFIG.py`` or, with its backbone exchanged,
``CONFIG.py@BACKBONE``. Weights are always random: nothing is downloaded.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIBRARIES = ('timm', 'transformers')
PLAIN = 'plain'
FORMS = (
    'PACKAGE.TYPE such as vitdense.PVT:v2-b2 or mmdet.ResNet{"depth": 50}',
    'timm:NAME',
    'transformers:TYPE',
    'plain.TYPE:ARCH',
)
_PATTERN = re.compile(
    r'(?P<source>[A-Za-z_][\w.]*)(:(?P<variant>[^{}]+))?(?P<json>\{.*\})?',
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class BackboneSpec:
    """A backbone by name.

    Attributes:
        source: 'timm', 'transformers', or a package that can be imported.
        type: Name in the package; '' for a model of timm or transformers.
        variant: What stands after the colon; '' if nothing does.
        arguments: Further arguments.
        plain: Whether its plain form is meant.
    """

    source: str
    type: str = ''
    variant: str = ''
    arguments: dict[str, Any]
    plain: bool = False


@dataclass(frozen=True)
class DetectorSpec:
    """A detector by the path of its config.

    Attributes:
        config: Path of the config.
        backbone: Takes the place of the config's own; None keeps it.
    """

    config: Path
    backbone: BackboneSpec | None


def parse_backbone(text: str) -> BackboneSpec:
    """Reads a backbone's name.

    Raises:
        ValueError: If it has none of the forms above.
    """
    match = _PATTERN.fullmatch(text.strip())
    path = match['source'] if match else ''
    variant = (match and match['variant']) or ''
    top, _, below = path.partition('.')
    of_library = top in LIBRARIES
    fits = bool(variant) and not below if of_library else bool(below)
    if match is None or not fits:
        raise ValueError(
            f'backbone {text!r} has none of the forms: {"; ".join(FORMS)}'
        )
    package, _, type_ = (below if top == PLAIN else path).rpartition('.')
    return BackboneSpec(
        source=top if of_library else package or 'vitdense',
        type='' if of_library else type_,
        variant=variant,
        arguments=_arguments(text, match['json'] or '{}'),
        plain=top == PLAIN,
    )


def parse_detector(text: str) -> DetectorSpec:
    """Reads a detector's name.

    Raises:
        ValueError: If it is not CONFIG.py or CONFIG.py@BACKBONE.
        FileNotFoundError: If there is no such config.
    """
    config, at, backbone = text.partition('@')
    path = Path(config)
    if path.suffix != '.py':
        raise ValueError(
            f'detector {text!r} is neither CONFIG.py nor CONFIG.py@BACKBONE'
        )
    if not path.is_file():
        raise FileNotFoundError(f'there is no config {config}')
    return DetectorSpec(path, parse_backbone(backbone) if at else None)


def _arguments(text: str, source: str) -> dict[str, Any]:
    try:
        arguments: dict[str, Any] = json.loads(source)
    except json.JSONDecodeError as error:
        raise ValueError(
            f'arguments of backbone {text!r} are not JSON: {error}'
        ) from None
    return arguments
