"""The page in headless Chromium, as a visitor meets it. Fails, and does not skip, where Chromium is missing."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import expect, sync_playwright

pytestmark = pytest.mark.browser
CHROMIUM = os.environ.get('CHROMIUM', '/usr/bin/chromium')
WAIT = 120_000  # milliseconds


@pytest.fixture(scope='module')
def browser():
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, networks, style):
    """The page, open; and the addresses that it asked for."""
    from sw_mmseg.app.page import build_page, launch  # Gradio takes seconds to import

    page = build_page(networks, style)
    address = launch(page)
    tab, asked = browser.new_page(viewport={'width': 1280, 'height': 1400}), []
    tab.on('request', lambda request: asked.append(request.url))
    tab.goto(address)
    yield tab, asked
    tab.close()
    page.close()


def drop(tab, file, where='#upload'):
    """A file, as a visitor would choose it."""
    tab.set_input_files(f'{where} input[type=file]', file)


def test_an_image_is_segmented_and_whitened(visit, dropped, tmp_path):
    tab, asked = visit
    expect(tab.get_by_role('heading', name='sw_mmseg')).to_be_visible(timeout=WAIT)
    drop(tab, dropped['street.png'])
    pictures = tab.locator('.image-frame img')
    expect(pictures).to_have_count(2, timeout=WAIT)
    tab.locator('#look').click()
    expect(pictures).to_have_count(4, timeout=WAIT)
    expect(tab.get_by_text('Channels of one group')).to_be_visible(timeout=WAIT)
    tab.screenshot(path=os.environ.get('SCREENSHOT', str(tmp_path / 'page.png')), full_page=True)
    foreign = [url for url in asked if not url.startswith(('http://127.0.0.1', 'data:', 'blob:'))]
    assert foreign == []


@pytest.mark.parametrize(('name', 'text'), [('notes.txt', 'neither an image nor a video'), ('huge.png', '4600x4600')])
def test_what_is_refused_is_said_on_the_page(visit, dropped, name, text):
    tab, _ = visit
    drop(tab, dropped[name])
    expect(tab.get_by_text(text)).to_be_visible(timeout=WAIT)
    drop_again = tab.locator('#segment')
    drop_again.click()
    expect(tab.locator('.image-frame img')).to_have_count(0)


def test_a_style_stands_on_the_second_tab(visit, dropped):
    tab, _ = visit
    tab.get_by_role('tab', name='Style transfer').click()
    drop(tab, dropped['street.png'], '#style_upload')
    expect(tab.locator('.image-frame img')).to_have_count(1, timeout=WAIT)
