"""What Sphinx makes the site of the documentation by: ``make docs``.

Its pages are the Markdown files of the repository, where they lie, so that
a link leads to the same place on the code host and here. The index of
docs/README.md is the sidebar.
"""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import vitdense  # noqa: E402

project = 'vitdense'
author = 'The vitdense authors'
release = vitdense.__version__

extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
root_doc = 'README'
# relative to the repository's root, which Sphinx is told to read
include_patterns = [
    *('*.md', 'docs/*', 'configs/README.md', 'configs/*/README.md'),
]
exclude_patterns = [
    *('.*', 'build', 'data', 'dist', 'requirements', 'tests', 'vitdense'),
    *('work_dirs', 'docs/conf.py'),
]
myst_heading_anchors = 4
nb_execution_mode = 'off'

autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented'
napoleon_use_ivar = True

html_theme = 'furo'
html_title = f'vitdense {release}'
html_copy_source = False
html_show_search_summary = False  # it could not be read from the disk
templates_path = ['site']
html_additional_pages = {'index': 'index.html'}

TOCTREE = """
```{toctree}
:hidden:
:glob:
:caption: CAPTION

ENTRIES
```
"""


def toctree(caption: str, entries: list[str]) -> str:
    """A part of the sidebar; entries are relative to their page."""
    filled = TOCTREE.replace('CAPTION', caption)
    return filled.replace('ENTRIES', '\n'.join(entries))


def add_sidebar(app: Sphinx, page: str, source: list[str]) -> None:
    """Ends the front page in the index, and that of configs in its folders."""
    if page == root_doc:
        index = (ROOT / 'docs/README.md').read_text()
        captions = re.split(r'^(\w.*):\n', index, flags=re.MULTILINE)[1:]
        for caption, listed in zip(captions[::2], captions[1::2], strict=True):
            paths = re.findall(r'^- \[.+?\]\((.+?)\)', listed, re.MULTILINE)
            places = [(Path('docs') / path).as_posix() for path in paths]
            entries = [
                place.removeprefix('docs/../')
                for place in places
                if place != 'docs/../README.md'
            ]
            source[0] += toctree(caption, entries)
        source[0] += toctree('Index', ['docs/README.md'])
    if page == 'configs/README':
        source[0] += toctree('Folders', ['*/README'])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect('source-read', add_sidebar)
