"""The page in a real Chromium, with no network."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import assert_asks_nothing, browser, screen

__all__ = ['browser']  # a fixture
pytestmark = pytest.mark.slow
EVIL = '<script>alert(1)</script>'
MODEL = '</script><b>&amp;</b>'


@pytest.fixture(scope='module')
def page(write: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp('page') / 'a page.html'
    write(path)
    return path


@pytest.fixture
def opened(browser: Any, page: Path) -> Iterator[Any]:
    """The page, at desktop width; nothing is wrong with it at the end."""
    screen(browser, 1280)
    browser.get(page.as_uri())
    yield browser
    assert_asks_nothing(browser)


def ask(browser: Any, script: str) -> Any:
    return browser.execute_script(f'return {script}')


def texts(browser: Any, selector: str) -> list[str]:
    found: list[str] = ask(
        browser,
        f'[...document.querySelectorAll({selector!r})].map('
        'each => each.firstChild.nodeName === "SPAN" '
        '? each.childNodes[1].textContent : each.firstChild.textContent)',
    )
    return found


def choose(browser: Any, section: str, number: int, text: str) -> None:
    from selenium.webdriver.support.ui import Select

    found = browser.find_elements('css selector', f'#{section} select')
    Select(found[number]).select_by_visible_text(text)


def test_everything_is_drawn(opened: Any) -> None:
    sections = ask(
        opened, '[...document.querySelectorAll("section")].map(s => s.id)'
    )
    assert sections == [
        *('summary', 'differences', 'costs', 'errors', 'curves', 'training'),
        *('pair', 'classes', 'config', 'gallery', 'about'),
    ]
    drawn = ask(
        opened,
        '[...document.querySelectorAll(".plot")].map(p => '
        'p.querySelectorAll(".point, .js-line").length)',
    )
    assert len(drawn) == 5
    assert all(drawn)
    # of the front, the dearer models are no part: they are not better
    assert ask(opened, "document.querySelector('#costs .plot').data[0].x") == [
        pytest.approx(100)
    ]
    broken = (
        'Promise.all([...document.images].map(i => {i.loading = "eager"; '
        'return i.decode().then(() => i.naturalWidth)}))'
    )
    assert all(ask(opened, broken))


def test_accuracy_against_each_cost(opened: Any) -> None:
    plot = "document.querySelector('#costs .plot')"
    for title, cheapest in {
        'forward, ms': 100,
        'peak memory, GiB': 1,
        'parameters, M': 1,
        'GFLOP': 2,
    }.items():
        choose(opened, 'costs', 0, title)
        assert ask(opened, f'{plot}.layout.xaxis.title.text') == title
        costs = ask(opened, f'{plot}.data.slice(1).map(each => each.x[0])')
        assert costs == pytest.approx([cheapest * k for k in (1, 2, 3)])


def test_names_are_text(opened: Any) -> None:
    shown = ask(opened, 'document.body.innerText')
    assert EVIL in shown
    assert MODEL in shown
    assert 'a&<b>.jpg' in shown
    assert ask(opened, 'document.scripts.length') == 3
    ticks = ask(
        opened,
        '[...document.querySelectorAll("#classes .ytick")].map('
        't => t.textContent)',
    )
    assert EVIL[:23] + '\u2026' in ticks
    # nor does anything run that gets into the page
    opened.execute_script(
        'const s = document.createElement("script"); s.text = "window.x = 1";'
        'document.body.append(s)'
    )
    assert ask(opened, 'window.x') is None
    (refused,) = opened.get_log('browser')
    assert 'Content Security Policy' in refused['message']


def test_sorting_and_filtering_by_keyboard(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    names = '#summary tbody th'
    assert texts(opened, names) == ['all', MODEL, 'half']
    opened.find_elements('css selector', '#summary thead button')[1].send_keys(
        Keys.ENTER
    )
    assert texts(opened, names)[0] == 'all'
    opened.switch_to.active_element.send_keys(Keys.ENTER)
    assert texts(opened, names)[-1] == 'all'
    heads = '[...document.querySelectorAll("#summary th[aria-sort]")].map('
    assert ask(opened, f'{heads}h => h.ariaSort)')[:3] == [
        *('none', 'ascending', 'none')
    ]
    opened.find_element('css selector', '#summary input').send_keys('HAL')
    assert texts(opened, names) == ['half']


def test_choosing_two_models(opened: Any) -> None:
    def first_difference() -> list[str]:
        return texts(opened, '#classes tbody tr:first-child > *')

    before = first_difference()
    assert MODEL in texts(opened, '#classes thead button')
    choose(opened, 'pair', 0, 'half')
    assert first_difference() != before
    assert 'less half' in ask(
        opened, 'document.querySelector("#pair [aria-live]").textContent'
    )
    # now the second is the one that comes first among the models
    assert texts(opened, '#config pre span')[-2:] == ['-b = 2', '+b = 1']
    # the same twice is no pair
    choose(opened, 'pair', 1, 'half')
    assert 'half less ' in ask(
        opened, 'document.querySelector("#pair [aria-live]").textContent'
    )


def test_pictures_are_enlarged_by_keyboard(opened: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    button = opened.find_element('css selector', '#gallery .stack')
    button.send_keys(Keys.ENTER)
    viewer = 'document.getElementById("viewer").open'
    assert ask(opened, viewer)
    opened.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not ask(opened, viewer)
    assert ask(opened, 'document.activeElement.className') == 'stack'


@pytest.mark.parametrize('width', [390, 768])
def test_nothing_is_wider_than_the_screen(opened: Any, width: int) -> None:
    screen(opened, width)
    opened.refresh()
    assert ask(opened, 'document.documentElement.scrollWidth') <= width
    plots = 'Math.max(...[...document.querySelectorAll(".main-svg")].map('
    assert ask(opened, f'{plots}p => p.clientWidth))') <= width


def test_dark_and_printed(opened: Any) -> None:
    ground = 'getComputedStyle(document.body).backgroundColor'
    tick = (
        'getComputedStyle(document.querySelector("#errors .xtick text")).fill'
    )
    light = ask(opened, ground), ask(opened, tick)
    screen(opened, 1280, scheme='dark')
    dark = ask(opened, ground), ask(opened, tick)
    assert dark[0] != light[0]
    assert dark[1] != light[1]
    # paper is white whatever the screen is
    screen(opened, 1280, scheme='dark', media='print')
    assert ask(opened, ground) == light[0]
    assert ask(opened, tick) == light[1]


def test_paper_has_no_controls(opened: Any) -> None:
    """What is chosen is there as text; what only a screen can do is not."""
    controls = ('input', 'select', '.modebar-group svg', 'nav')
    arrow = (
        'getComputedStyle(document.querySelector("thead button"), "::after")'
        '.display'
    )
    visible = (
        f'[...document.querySelectorAll("{", ".join(controls)}")].filter('
        'e => e.checkVisibility()).map(e => e.tagName)'
    )
    assert {'INPUT', 'SELECT', 'NAV'} <= set(ask(opened, visible))
    assert ask(opened, arrow) != 'none'
    screen(opened, 1280, media='print')
    assert set(ask(opened, visible)) == {'SELECT'}
    assert ask(opened, arrow) == 'none'
    select = 'getComputedStyle(document.querySelector("select"))'
    assert ask(opened, f'{select}.appearance') == 'none'
    assert ask(opened, f'{select}.borderTopWidth') == '0px'
    # nor does a table that is wider than A4 scroll there
    screen(opened, 718, media='print')
    scrolls = 's => s.scrollWidth > s.clientWidth'
    assert not ask(
        opened,
        f'[...document.querySelectorAll(".scroll")].filter({scrolls}).length',
    )


def test_label_maps(
    browser: Any, write_label_maps: Callable, tmp_path: Path
) -> None:
    page = tmp_path / 'page.html'
    write_label_maps(page)
    screen(browser, 390)
    browser.get(page.as_uri())
    assert ask(browser, 'document.documentElement.scrollWidth') <= 390
    captions = texts(browser, '#gallery figcaption')
    assert captions[:5] == [
        *('truth', 'right', 'right: wrong pixels'),
        *('wrong', 'wrong: wrong pixels'),
    ]
    assert EVIL in ask(browser, 'document.body.innerText')
    assert browser.get_log('browser') == []


@pytest.mark.parametrize('media', ['', 'print'])
def test_what_is_wrong_lies_below_what_is_said(
    browser: Any, write_label_maps: Callable, tmp_path: Path, media: str
) -> None:
    page = tmp_path / 'page.html'
    write_label_maps(page, pictures=True)
    screen(browser, 1280, media=media)
    browser.get(page.as_uri())
    card = '#gallery .card:first-of-type figure'
    captions = texts(browser, f'{card} figcaption')
    assert captions == [
        *('truth', 'picture', 'right', 'right: wrong pixels'),
        *('wrong', 'wrong: wrong pixels'),
    ]
    left, top = (
        ask(
            browser,
            f'[...document.querySelectorAll("{card}")].map('
            f'e => e.getBoundingClientRect().{side})',
        )
        for side in ('left', 'top')
    )
    assert left[::2] == left[1::2] == sorted(set(left))
    assert top[0] == top[2] == top[4] < top[1] == top[3] == top[5]
    lead = ask(browser, 'document.getElementById("lead").textContent')
    assert 'of fewer than 100 images intervals may hold less often' in lead
