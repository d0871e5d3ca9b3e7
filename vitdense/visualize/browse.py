"""Pictures that a model is given, as files and as one page."""

import base64
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import cv2

from vitdense.checkpoint.whole_file import whole_file
from vitdense.engine.work_folder import check_free
from vitdense.predict.drawing import draw
from vitdense.predict.results import LabelMap, Result
from vitdense.visualize.batches import Given

PICTURES, LIST = 'pictures', 'pictures.json'
QUALITY = 90  # of JPEG
TEMPLATE = Path(__file__).with_name('page.html')


class Drawn(NamedTuple):
    """A picture with its labels, encoded.

    Attributes:
        name: Of its file.
        path: Of the file that it was made of.
        height: In pixels, as the model is given it.
        width: Likewise.
        inside: What is labelled in it.
        content: JPEG.
    """

    name: str
    path: str
    height: int
    width: int
    inside: str
    content: bytes


def draw_all(given: Iterable[Given]) -> list[Drawn]:
    """Draw labels over pictures, numbered from 1."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    drawn = []
    for number, each in enumerate(given, 1):
        picture = draw(each.pixels, each.labels)
        content = cv2.imencode('.jpg', picture, quality)[1].tobytes()
        name = f'{number:04d}_{Path(each.path).stem}.jpg'
        height, width = each.pixels.shape[:2]
        inside = _inside(each.labels)
        drawn.append(Drawn(name, each.path, height, width, inside, content))
    return drawn


def _inside(labels: Result) -> str:
    if isinstance(labels, LabelMap):
        return ', '.join(
            f'{name} {share:.0%}' for name, share in labels.shares.items()
        )
    names = labels.names
    counts = {name: names.count(name) for name in sorted(set(names))}
    counted = (f'{count} {name}' for name, count in counts.items())
    return ', '.join(counted) or 'no objects'


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something else, or is not to be replaced.

    Raises:
        ValueError: If it does.
        FolderInUseError: If a run is writing there.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f'--out {str(folder)!r} is a file; name a folder')
    check_free(str(folder))
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    names = {path.name for path in folder.iterdir()}
    if LIST not in names or names - {LIST, PICTURES}:
        raise ValueError(
            f'--out {str(folder)!r} holds what is none of these pictures; '
            'choose an empty or a new folder'
        )
    if not overwrite:
        raise ValueError(
            f'--out {str(folder)!r} has pictures; --overwrite replaces them'
        )


def check_page(page: Path, *, overwrite: bool) -> None:
    """Refuse a page that cannot be written, or would replace a file.

    Raises:
        ValueError: If so.
    """
    if not page.absolute().parent.is_dir():
        raise ValueError(f'--page: there is no folder {str(page.parent)!r}')
    if page.is_dir() or (page.exists() and not overwrite):
        raise ValueError(
            f'--page {str(page)!r} is there; --overwrite replaces a file'
        )


def write_folder(folder: Path, drawn: Sequence[Drawn]) -> None:
    """Write the pictures and a list of them; earlier ones are removed.

    Args:
        folder: One that `check_folder` has passed.
        drawn: The pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # first: what a stopped run leaves can be told from other files
    listed = [
        {
            'name': each.name,
            'path': each.path,
            'height': each.height,
            'width': each.width,
            'inside': each.inside,
        }
        for each in drawn
    ]
    with whole_file(folder / LIST) as part:
        part.write_text(json.dumps(listed, indent=1) + '\n')
    if (folder / PICTURES).is_dir():
        shutil.rmtree(folder / PICTURES)
    (folder / PICTURES).mkdir()
    for each in drawn:
        (folder / PICTURES / each.name).write_bytes(each.content)


def write_page(
    path: Path, drawn: Sequence[Drawn], about: Mapping[str, str]
) -> None:
    """Write one HTML file with the pictures in it, which needs no script.

    Args:
        path: Is replaced.
        drawn: The pictures.
        about: What stands above them, by name.
    """
    figures = [
        _figure(each, number, len(drawn))
        for number, each in enumerate(drawn, 1)
    ]
    facts = [
        f'<dt>{escape(key)}</dt><dd>{escape(value)}</dd>'
        for key, value in about.items()
    ]
    parts = {'ABOUT': '\n'.join(facts), 'FIGURES': '\n'.join(figures)}
    # cut first, so that nothing put in is taken for a place
    pieces = TEMPLATE.read_text(encoding='utf-8').split('@@')
    pieces[1::2] = [parts[name] for name in pieces[1::2]]
    with whole_file(path) as part:
        part.write_text(''.join(pieces), encoding='utf-8')


def _figure(drawn: Drawn, number: int, count: int) -> str:
    """A picture that its link makes large, with links to its neighbours."""
    content = base64.b64encode(drawn.content).decode()
    name, inside = escape(drawn.path), escape(drawn.inside)
    before = (number - 2) % count + 1
    after = number % count + 1
    return (
        f'<figure id="picture-{number}">\n'
        f'<a class="open" href="#picture-{number}" '
        f'aria-label="Picture {number}, enlarged">'
        f'<img alt="{inside}" src="data:image/jpeg;base64,{content}"></a>\n'
        f'<figcaption><b>{number}</b> {inside}<br>'
        f'<span>{name}, {drawn.width} x {drawn.height}</span></figcaption>\n'
        '<nav aria-label="Pictures">'
        f'<a class="before" href="#picture-{before}">before</a> '
        f'<a class="after" href="#picture-{after}">next</a> '
        f'<a class="close" href="#small-{number}">close</a></nav>\n'
        f'</figure><i id="small-{number}"></i>'
    )
