"""Python's sockets reach this machine alone: a test during which anything asks for another one fails."""

import socket

import pytest

LOCAL = {'', 'localhost', '127.0.0.1', '0.0.0.0', '::1', '::', socket.gethostname()}
asked: list[str] = []


def _local(host):
    name = host.decode() if isinstance(host, bytes) else host
    return name is None or str(name) in LOCAL or str(name).startswith('127.')


def _refuse(host):
    if not _local(host):
        asked.append(str(host))
        raise OSError(f'this suite has no network, and {host} was asked for')


def _connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _refuse(address[0])
    return _CONNECT(self, address)


def _connect_ex(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _refuse(address[0])
    return _CONNECT_EX(self, address)


def _send_to(self, data, *words):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        _refuse(words[-1][0])
    return _SEND_TO(self, data, *words)


def _look_up(host, *words, **options):
    _refuse(host)
    return _LOOK_UP(host, *words, **options)


_CONNECT, _CONNECT_EX, _SEND_TO = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto
_LOOK_UP = socket.getaddrinfo


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Also where the error is caught by whoever asked."""
    monkeypatch.setattr(socket.socket, 'connect', _connect)
    monkeypatch.setattr(socket.socket, 'connect_ex', _connect_ex)
    monkeypatch.setattr(socket.socket, 'sendto', _send_to)
    monkeypatch.setattr(socket, 'getaddrinfo', _look_up)
    asked.clear()
    yield asked
    assert asked == [], 'a network call that nobody asked for'
