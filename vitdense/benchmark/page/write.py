"""Puts a page into one file."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from vitdense.benchmark.accuracy.compare import Comparison, Figures
from vitdense.benchmark.accuracy.model_run import ModelRun
from vitdense.benchmark.cost.measure import CostRow
from vitdense.benchmark.page.data import page_data
from vitdense.benchmark.page.gallery import make_gallery
from vitdense.benchmark.page.pictures import Pictures
from vitdense.benchmark.page.plotly import read_plotly

MOST_BYTES = 2_000_000
TEMPLATE = Path(__file__).parent / 'template'
# in the order in which they use each other
SCRIPTS = ('dom', 'tables', 'plots', 'sections', 'pair', 'gallery', 'main')


def write_page(
    path: Path,
    comparison: Comparison,
    figures: Mapping[str, Sequence[Figures]],
    runs: Mapping[str, Sequence[ModelRun]],
    costs: Mapping[str, CostRow],
    about: Mapping[str, str],
    *,
    images: Path | None = None,
    inline_pictures: bool = False,
) -> None:
    """Write the page, and its pictures into a folder beside it.

    Args:
        path: Is replaced; pictures go into ``<its stem>_pictures``.
        comparison: What is shown.
        figures: Of each model's runs, by name.
        runs: What is known of them.
        costs: What was measured of models, by name; may be empty.
        about: What stands at the foot, such as the command.
        images: The folder of the pictures; None is what the runs say.
        inline_pictures: Whether pictures are put into the file.

    Raises:
        ValueError: If it would be larger than 2 MB without pictures, or a
            picture cannot be used.
        OSError: If something cannot be read or written.
    """
    pictures = Pictures(path, inline=inline_pictures)
    data = page_data(comparison, figures, runs, costs, about)
    data['gallery'] = make_gallery(figures, runs, images, pictures)
    text = _fill(data)
    size = len(text.encode()) - pictures.inlined_bytes
    if size > MOST_BYTES:
        raise ValueError(
            f'{path} would have {size / 1e6:.1f} MB without pictures, more '
            f'than {MOST_BYTES / 1e6:.0f}; compare fewer than '
            f'{len(comparison.models)} models on one page'
        )
    path.write_text(text, encoding='utf-8')


def _fill(data: Mapping[str, object]) -> str:
    app = '\n'.join(
        (TEMPLATE / f'{name}.js').read_text(encoding='utf-8')
        for name in SCRIPTS
    )
    scripts = [read_plotly(), f"(() => {{\n'use strict';\n{app}}})();\n"]
    # data can neither end its element nor begin another
    written = json.dumps(data, ensure_ascii=False, separators=(',', ':'))
    for sign in '<>&\u2028\u2029':
        written = written.replace(sign, f'\\u{ord(sign):04x}')
    parts = {
        'POLICY': ' '.join(map(_allowed, scripts)),
        'STYLE': (TEMPLATE / 'page.css').read_text(encoding='utf-8'),
        'DATA': written,
        'PLOTLY': scripts[0],
        'APP': scripts[1],
    }
    page = (TEMPLATE / 'page.html').read_text(encoding='utf-8')
    # cut first, so that nothing put in is taken for a place
    pieces = page.split('@@')
    pieces[1::2] = [parts[name] for name in pieces[1::2]]
    return ''.join(pieces)


def _allowed(script: str) -> str:
    """How the page's policy names a script: no other one runs."""
    if '</script' in script.lower():
        raise ValueError('a script of the page would end early')
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
