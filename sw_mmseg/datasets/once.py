"""What was decided about a user's files, logged once a process and not once a file."""

from __future__ import annotations

import logging

from mmengine.logging import print_log

__all__ = ['already_said', 'forget', 'say_once']

_said: set[str] = set()


def say_once(text: str, example: str) -> None:
    """Logs `text`, with the file it was first true of, unless it was logged before."""
    if text not in _said:
        _said.add(text)
        print_log(f'{text} (first: {example})', logger='current', level=logging.INFO)


def already_said(text: str) -> None:
    """What a command tells by itself need not be logged as well."""
    _said.add(text)


def forget() -> None:
    """Everything may be said again."""
    _said.clear()
