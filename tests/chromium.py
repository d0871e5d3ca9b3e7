"""A real Chromium with no network, for tests of pages."""

import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')


@pytest.fixture(scope='module')
def browser() -> Iterator[Any]:
    """Chromium; left out only where CHROMIUM=none asks for it."""
    if os.environ.get('CHROMIUM') == 'none':
        pytest.skip('CHROMIUM=none')
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which('chromedriver')
    if binary is None or driver is None:
        pytest.fail(
            'no chromium and chromedriver here: requirements/chromium.sh '
            'installs them; CHROMIUM=none leaves these tests out',
            pytrace=False,
        )
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = binary
    for each in ('headless=new', 'no-sandbox', 'disable-dev-shm-usage'):
        options.add_argument(f'--{each}')
    options.set_capability(
        'goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'}
    )
    chrome = Chrome(options=options, service=Service(driver))
    chrome.execute_cdp_cmd('Network.enable', {})
    chrome.execute_cdp_cmd('Network.setBlockedURLs', {'urls': ['http*://*']})
    yield chrome
    chrome.quit()


def screen(
    browser: Any, width: int, *, scheme: str = 'light', media: str = ''
) -> None:
    browser.execute_cdp_cmd(
        'Emulation.setDeviceMetricsOverride',
        {
            'width': width,
            'height': 844,
            'deviceScaleFactor': 1,
            'mobile': width < 500,
        },
    )
    features = [{'name': 'prefers-color-scheme', 'value': scheme}]
    browser.execute_cdp_cmd(
        'Emulation.setEmulatedMedia', {'media': media, 'features': features}
    )


def assert_asks_nothing(browser: Any) -> None:
    """See that the page has no errors and asked for its own file alone."""
    assert browser.get_log('browser') == []
    asked = [
        message['params']['request']['url']
        for entry in browser.get_log('performance')
        for message in [json.loads(entry['message'])['message']]
        if message['method'] == 'Network.requestWillBeSent'
    ]
    assert asked
    assert [u for u in asked if not u.startswith(('file:', 'data:'))] == []
