"""The page over HTTP: served to this machine alone, with limits that hold before anything is decoded."""

from __future__ import annotations

import os

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from sw_mmseg.app.page import build_page, launch
from sw_mmseg.running.errors import UserError


@pytest.fixture(scope='module')
def address(networks, style):
    """Of a page that is up as long as the tests of this file."""
    page = build_page(networks, style)
    yield launch(page)
    page.close()


@pytest.fixture(scope='module')
def client(address):
    """What asks it, as its own browser would."""
    return Client(address, verbose=False, analytics_enabled=False)


def test_a_port_that_is_taken_is_named(address, networks):
    port = int(address.rstrip('/').rpartition(':')[2])
    page = build_page(networks[:1])
    with pytest.raises(UserError, match=f'--port {port} is taken'):
        launch(page, port)


def test_it_listens_to_this_machine_alone_and_asks_nobody(address):
    assert address.startswith('http://127.0.0.1:')
    text = httpx.get(address, timeout=30).text
    assert 'fonts.googleapis.com' not in text
    assert os.environ['GRADIO_ANALYTICS_ENABLED'] == 'False'


def test_an_image_becomes_a_picture_a_network(client, dropped):
    pictures = client.predict(handle_file(dropped['street.png']), 0, 0.1, True, 0.5, 0.5, api_name='/compare')
    assert len(pictures) == 2 and all(os.path.getsize(picture) > 1000 for picture in pictures)


@pytest.mark.parametrize(('name', 'text'), [('notes.txt', 'neither an image nor a video'), ('huge.png', '4600x4600')])
def test_what_is_refused_is_said(client, dropped, name, text):
    with pytest.raises(AppError, match=text):
        client.predict(handle_file(dropped[name]), 0, 0.0, True, 0.5, 0.5, api_name='/compare')


def test_a_file_of_too_many_bytes_is_not_taken(address, dropped):
    with dropped['heavy.png'].open('rb') as file:
        answer = httpx.post(f'{address}gradio_api/upload', files={'files': file}, timeout=60)
    assert answer.status_code == 413


def test_files_of_this_machine_are_not_served(address):
    assert httpx.get(f'{address}gradio_api/file=/etc/passwd', timeout=30).status_code == 403
