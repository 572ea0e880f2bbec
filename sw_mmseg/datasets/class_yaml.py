"""Class tables as YAML files. What YAML would turn into something else without a word is read as written, or refused.

Names are text even where they read `no` or `on`; a name given twice, and numbers such as 010 (8 in YAML), are mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from sw_mmseg.files import whole_file

from .class_parsing import parse_class_table
from .class_table import ClassTable
from .errors import DatasetError

__all__ = ['read_class_table', 'write_class_table']

NUMBER = re.compile(r'[-+]?(0|[1-9][0-9]*|0x[0-9a-fA-F]+)')


def read_class_table(path: str | Path) -> ClassTable:
    """A table from a YAML file. Raises `DatasetError` that names the file, the line and what is wrong in it."""
    try:
        content = yaml.load(Path(path).read_text(encoding='utf-8-sig'), _Loader)  # a safe loader
    except FileNotFoundError:
        raise DatasetError(f'class table {path} is missing') from None
    except _Mistake as error:
        raise DatasetError(f'class table {path}, {error}') from None
    except yaml.MarkedYAMLError as error:
        line = f'line {error.problem_mark.line + 1}: ' if error.problem_mark else ''
        raise DatasetError(f'class table {path} cannot be read as YAML: {line}{error.problem}{_hint(error)}') from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DatasetError(f'class table {path} cannot be read as YAML: {error}. It is a text file in UTF-8') from error
    return parse_class_table(content, str(path))


def write_class_table(table: ClassTable, path: str | Path, comments: Sequence[str] = ()) -> None:
    """The table as YAML, with lines of comments at its head, whole or not at all."""
    lines = [
        '# Classes in the order of their numbers 0, 1, 2 ...: ids in the label files, and the colour (RGB).',
        '# Rename, merge ids into one class, or move ids to `ignore`; then give this file as --classes.',
        *(f'# {comment}' for comment in comments),
        'classes:',
    ]
    for row in table.to_dict()['classes']:
        color = row['color'] if len(row['color']) > 1 else row['color'][0]
        lines.append(f'  {_quoted(row["name"])}: {{ids: {row["ids"]}, color: {color}}}')
    lines.append(f'ignore: {table.to_dict()["ignore"]}')
    if table.ignore_unknown:
        lines.append('unknown: ignore')
    with whole_file(Path(path)) as part:
        part.write_text('\n'.join(lines) + '\n', encoding='utf-8')


class _Mistake(Exception):
    """What YAML accepts and no one can have meant."""


class _Loader(yaml.SafeLoader):
    """Names of entries stay text, and are told apart."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in pairs if not tag.endswith((':bool', ':timestamp'))]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """A dict of a mapping; the names of its entries as they are written."""
        entries: dict[str, object] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise _Mistake(f'line {line}: a name is a text, not a list or a table')
            if key.value in entries:
                raise _Mistake(
                    f'line {line}: {key.value!r} is named a second time (first in line {lines[key.value]}); '
                    f'several ids make one class by "{key.value}: [10, 11]"'
                )
            entries[key.value], lines[key.value] = self.construct_object(value, deep=True), line
        return entries

    def construct_yaml_map(self, node: yaml.MappingNode):
        """PyYAML's, whose names are texts."""
        content: dict = {}
        yield content
        content.update(self.construct_mapping(node))

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        """Decimal or 0x... numbers; YAML reads 010 as 8 and 1:30 as 90."""
        if not NUMBER.fullmatch(node.value):
            raise _Mistake(
                f'line {node.start_mark.line + 1}: {node.value!r} is a number that YAML reads as '
                f'{self.construct_yaml_int(node)}; write it as {node.value.lstrip("0")} or '
                f'{self.construct_yaml_int(node)}, as you mean it'
            )
        return int(node.value, 0)


_Loader.add_constructor('tag:yaml.org,2002:map', _Loader.construct_yaml_map)
_Loader.add_constructor('tag:yaml.org,2002:int', _Loader.construct_whole_number)


def _hint(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if 'mapping values are not allowed' in problem:
        return '. Have line breaks been lost? Every class has a line of its own'
    if "'\\t'" in problem:
        return '. Lines are indented by blanks, not by tabs'
    return ''


def _quoted(name: str) -> str:
    """A name that YAML reads back as the same text."""
    return yaml.safe_dump(
        name, width=10_000, allow_unicode=True, default_style='"' if name != name.strip() else None
    ).split('\n')[0]
