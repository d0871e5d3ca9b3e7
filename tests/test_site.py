"""The site that ``make docs`` builds, as a reader's browser shows it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from chromium import assert_asks_nothing, browser, screen
from interpreter import ROOT

pytestmark = pytest.mark.slow
PHONE_PX, DESKTOP_PX = 390, 1280
__all__ = ['browser']


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built anew; any warning is an error."""
    folder = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        [
            *('make', 'docs', f'SITE={folder}'),
            f'BIN={Path(sys.executable).parent}',
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return folder


class Links(HTMLParser):
    """Where a page leads, and what can be led to in it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.ids: set[str] = set()
        self.feed(page.read_text())

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        for name, value in attrs:
            if value and name in {'href', 'src'}:
                self.targets.append(value)
            elif value and name == 'id':
                self.ids.add(value)


def broken(site: Path) -> Iterator[str]:
    pages = {page: Links(page) for page in site.rglob('*.html')}
    for page, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            path = unquote(parts.path)
            to = (page.parent / path).resolve() if path else page
            missing = parts.fragment and to in pages
            missing = missing and parts.fragment not in pages[to].ids
            if not to.exists() or missing:
                yield f'{page.relative_to(site)}: {target}'


def test_every_link_leads_somewhere(site: Path) -> None:
    assert (site / 'docs/api.html').is_file()
    assert sorted(set(broken(site))) == []


def test_every_page_is_there(site: Path) -> None:
    """What the repository has, and a sidebar with all of the index."""
    pages = [
        *ROOT.glob('docs/*.md'),
        *ROOT.glob('configs/**/README.md'),
        *ROOT.glob('docs/*.ipynb'),
    ]
    for page in pages:
        built = site / page.relative_to(ROOT).with_suffix('.html')
        assert built.is_file(), page
    front = (site / 'README.html').read_text()
    sidebar = front[front.index('sidebar-tree') : front.index('<article')]
    for page in ROOT.glob('docs/*.md'):
        assert f'docs/{page.stem}.html"' in sidebar, page


@pytest.mark.parametrize('width', [PHONE_PX, DESKTOP_PX])
@pytest.mark.parametrize('page', ['README', 'docs/api', 'docs/performance'])
def test_pages_fit_the_screen(
    page: str, width: int, site: Path, browser: Any
) -> None:
    grounds = set()
    for scheme in ('light', 'dark'):
        screen(browser, width, scheme=scheme)
        browser.get((site / f'{page}.html').as_uri())
        wide = browser.execute_script(
            'return document.documentElement.scrollWidth'
        )
        assert wide <= width
        grounds.add(
            browser.execute_script(
                'return getComputedStyle(document.body).backgroundColor'
            )
        )
    assert len(grounds) == 2
    assert_asks_nothing(browser)


@pytest.mark.parametrize('width', [PHONE_PX, DESKTOP_PX])
def test_search_finds(width: int, site: Path, browser: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def found(browser: Any) -> set[str]:
        links = browser.find_elements(By.CSS_SELECTOR, 'ul.search li a')
        places = [urlsplit(link.get_attribute('href')).path for link in links]
        return {Path(place).stem for place in places}

    screen(browser, width)
    browser.get((site / 'index.html').as_uri())
    wait = WebDriverWait(browser, 30)
    wait.until(lambda b: b.current_url.endswith('/README.html'))
    browser.get((site / 'search.html').as_uri() + '?q=requeue')
    wait.until(lambda b: {'training', 'scaling'} <= found(b))
    browser.get((site / 'search.html').as_uri() + '?q=qwertzuiop')
    wait.until(
        lambda b: re.search(
            'did not match', b.find_element(By.ID, 'search-results').text
        )
    )
    assert_asks_nothing(browser)
