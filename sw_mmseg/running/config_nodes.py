"""Walks through a config: every dict in it, with where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

__all__ = ['ConfigNode', 'config_dicts', 'config_nodes']


class ConfigNode(NamedTuple):
    """A dict in a config.

    Attributes:
        path: its dotted key, '' of the outermost.
        content: the dict itself, not a copy.
        parent: the dict that it stands in, directly; an empty one where it stands in a list.
    """

    path: str
    content: Any
    parent: dict

    @property
    def name(self) -> str:
        """The last part of `path`."""
        return self.path.rpartition('.')[2]


def config_nodes(node: object, path: str = '', parent: dict | None = None) -> Iterator[ConfigNode]:
    """Every dict in a nest of dicts, lists and tuples, from the outside to the inside, in the order of keys."""
    children: Iterable[tuple[object, object]] = ()
    if isinstance(node, dict):
        yield ConfigNode(path, node, parent or {})
        children = node.items()
    elif isinstance(node, (list, tuple)):
        children = enumerate(node)
    for key, value in children:
        inside = node if isinstance(node, dict) else None
        yield from config_nodes(value, f'{path}.{key}' if path else str(key), inside)


def config_dicts(node: object) -> Iterator[Any]:
    """The same, the dicts alone."""
    return (part.content for part in config_nodes(node))
