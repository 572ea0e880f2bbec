"""Imports the plugin, which registers everything with OpenMMLab, without the messages of its neighbours.

Without compiled extensions, which nothing here needs, the OpenMMLab packages say at import that this or that cannot
work. Whoever calls `start` before the first such import does not have to read it; what is said later is heard.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

__all__ = ['start']


def start() -> None:
    """Register everything; a second call changes nothing."""
    disabled = logging.root.manager.disable
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        logging.disable(max(disabled, logging.WARNING))
        try:
            import sw_mmseg.plugin  # noqa: F401
        finally:
            logging.disable(disabled)
