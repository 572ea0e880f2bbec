"""KEY=VALUE words of `--cfg-options`: mmengine's, and Python literals where a value holds a dict.

mmengine's action reads numbers, lists and tuples, but never ends on a list of dicts, and makes text of a dict. Commands
that this project prints hold both: a schedule is a list of dicts.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction

__all__ = ['OptionAction']


class OptionAction(DictAction):
    """Adds words KEY=VALUE to a dictionary; a value with a brace in it is a Python literal."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Reads the words; argparse's own error where one is no KEY=VALUE."""
        words = [values] if isinstance(values, str) else list(values or ())
        if wrong := next((word for word in words if '=' not in word.lstrip('=')), None):
            parser.error(f'{option_string}: {wrong} is no KEY=VALUE')
        super().__call__(parser, namespace, [word for word in words if '{' not in word], option_string)
        options = getattr(namespace, self.dest)
        for word in words:
            if '{' in word:
                key, value = word.split('=', maxsplit=1)
                try:
                    options[key] = ast.literal_eval(value)
                except (ValueError, SyntaxError):
                    parser.error(f"{option_string}: {value} is no Python literal, such as \"[{{'type': 'LinearLR'}}]\"")
