"""The suite, commands among it, runs without a network; what blocks it is tried here."""

import socket
import urllib.error
import urllib.request

import pytest


@pytest.mark.parametrize('address', ['http://192.0.2.1/weights.pth', 'https://weights.example/resnet50.pth'])
def test_a_call_is_refused_and_noticed(no_network, address):
    with pytest.raises(urllib.error.URLError, match='no network'):
        urllib.request.urlopen(address, timeout=3)
    assert len(no_network) == 1
    no_network.clear()


def test_other_ways_are_refused_too(no_network):
    with socket.socket() as stream, pytest.raises(OSError, match='no network'):
        stream.connect_ex(('192.0.2.1', 80))
    with socket.socket(type=socket.SOCK_DGRAM) as letters, pytest.raises(OSError, match='no network'):
        letters.sendto(b'?', ('192.0.2.1', 53))
    assert len(no_network) == 2
    no_network.clear()


def test_this_machine_can_be_reached():
    with socket.create_server(('127.0.0.1', 0)) as server, socket.create_connection(server.getsockname(), timeout=3):
        pass
