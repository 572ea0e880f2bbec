"""What a package of OpenMMLab logs for its developers alone, before there is a logger.

`print_log` without a logger prints, whatever the level. mmseg and mmdet say
at import, at debug level, that a package which nobody here has is not there.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import mmengine.logging
from mmengine.logging import print_log

from sw_mmseg.openmmlab.change import Change, Replacements

__all__ = ['DEBUG_MESSAGES', 'hold_back', 'print_above_debug']

_ORIGINALS = Replacements()


def print_above_debug(msg: Any, logger: logging.Logger | str | None = None, level: int = logging.INFO) -> None:
    """mmengine's `print_log`; without a logger it prints nothing below INFO."""
    if logger is not None or level >= logging.INFO:
        print_log(msg, logger, level)


def hold_back() -> None:
    """Whatever imports `print_log` from now on gets the quieter one; a second call changes nothing."""
    for module in (mmengine.logging, sys.modules[print_log.__module__]):
        if vars(module)['print_log'] is print_log:
            _ORIGINALS.replace(module, 'print_log', print_above_debug)


DEBUG_MESSAGES = Change(
    name='debug messages at import',
    effect='print_log prints nothing below INFO where it is given no logger',
    reason="every start would show 'Could not import OneDL', which mmseg and mmdet log at debug level at import",
    package='mmengine',
    versions='0.10',
    apply=hold_back,
    undo=_ORIGINALS.restore,
)
