"""Work on many files that goes on past those that cannot be read, and says in the end which they were."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from sw_mmseg.running.errors import UnwritableError, UserError, is_user_error

__all__ = ['Failures']

SHOWN = 10


class Failures:
    """What could not be done, a text each."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.done = 0

    @contextlib.contextmanager
    def past(self) -> Iterator[None]:
        """One file: a user's mistake inside is kept. All else is raised, also that a result cannot be written."""
        try:
            yield
            self.done += 1
        except Exception as error:
            if isinstance(error, UnwritableError) or not is_user_error(error):
                raise
            self.texts.append(' '.join(str(error).split()))

    def status(self, verb: str) -> int:
        """0 where all went well, else 1, and the failures on standard error.

        Args:
            verb: what was done to a file, such as 'segmented'.

        Raises:
            UserError: nothing could be done.
        """
        if not self.texts:
            return 0
        total = self.done + len(self.texts)
        shown = '; '.join(self.texts[:SHOWN]) + (' ...' if len(self.texts) > SHOWN else '')
        text = f'{len(self.texts)} of {total} could not be {verb}: {shown}'
        if not self.done:
            raise UserError(text)
        print(f'\n{text}', file=sys.stderr)
        return 1
