"""What a command says in one line: a mistake that the user can correct."""

from __future__ import annotations

__all__ = ['UserError', 'is_user_error']


class UserError(Exception):
    """A mistake the user can correct; its text says how."""


def is_user_error(error: Exception) -> bool:
    """Whether the text of an error says all there is to know."""
    from sw_mmseg.datasets import DatasetError
    from sw_mmseg.engine import NonFiniteLossError
    from sw_mmseg.models.pretrained import PretrainedError
    from sw_mmseg.stylization import PictureError
    return isinstance(error, (UserError, DatasetError, NonFiniteLossError, PictureError, PretrainedError,
                              FileNotFoundError, NotADirectoryError))
