"""What a command says in one line: a mistake that the user can correct."""

from __future__ import annotations

import errno
import re

__all__ = ['FULL', 'NO_ROOM', 'UnwritableError', 'UserError', 'is_user_error', 'unwritable_name']

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # a disk, or one that is not written to
NO_ROOM = (*FULL, errno.EACCES, errno.EPERM)  # the same, or a right that is lacking


class UserError(Exception):
    """A mistake the user can correct; its text says how."""


class UnwritableError(UserError):
    """A file that cannot be written, as the next one could not be either; its text names the file and says why."""


def unwritable_name(error: Exception) -> str:
    """The name of a file or folder, '' if there is none, that is not UTF-8, and was to be written into a text."""
    if not isinstance(error, UnicodeEncodeError) or error.reason != 'surrogates not allowed':
        return ''
    whole = re.compile(r'[^\s\'"<>&;]*')
    parts = [whole.match(error.object[error.start :]), whole.match(error.object[: error.start][::-1])]
    after, before = (part[0] if part else '' for part in parts)
    return before[::-1] + after


def is_user_error(error: Exception) -> bool:
    """Whether the text of an error says all there is to know."""
    from sw_mmseg.datasets import DatasetError
    from sw_mmseg.engine import NonFiniteLossError
    from sw_mmseg.files import DamagedFileError
    from sw_mmseg.models.pretrained import PretrainedError
    from sw_mmseg.openmmlab import CheckpointError
    from sw_mmseg.stylization import PictureError

    if isinstance(error, OSError) and error.errno in NO_ROOM or unwritable_name(error):
        return True
    return isinstance(
        error,
        (
            UserError,
            CheckpointError,
            DamagedFileError,
            DatasetError,
            NonFiniteLossError,
            PictureError,
            PretrainedError,
            FileNotFoundError,
            NotADirectoryError,
        ),
    )
