"""What an examination found: lines of a report, and whether anything is broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ['BROKEN', 'FINE', 'NOTE', 'Finding', 'lines', 'status']

FINE, NOTE, BROKEN = 'ok', 'note', 'BROKEN'


class Finding(NamedTuple):
    """One of them.

    Attributes:
        state: FINE; NOTE, works, but not as well as it could; BROKEN.
        subject: the thing that was looked at.
        text: what it is like.
        mend: a command that mends it, or ''.
    """

    state: str
    subject: str
    text: str
    mend: str = ''


def lines(findings: Sequence[Finding]) -> list[str]:
    """One line each, and one below it for what mends it."""
    width = max((len(finding.subject) for finding in findings), default=0)
    texts = []
    for finding in findings:
        texts.append(f'{finding.state:6}  {finding.subject:{width}}  {finding.text}')
        if finding.mend:
            texts.append(f'{"":6}  {"":{width}}  mend it: {finding.mend}')
    return texts


def status(findings: Sequence[Finding]) -> int:
    """The exit status: 1 where anything is broken."""
    return int(any(finding.state == BROKEN for finding in findings))
