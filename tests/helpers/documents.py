"""What the documents tell to type: fenced blocks, and the commands in them, word by word."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from tests.helpers.source_files import REPOSITORY

__all__ = ['GUIDES', 'PAGES', 'blocks', 'commands', 'inline_commands', 'name']

GUIDES = [REPOSITORY / 'README.md', *sorted((REPOSITORY / 'docs/guides').glob('*.md'))]
PAGES = [
    *GUIDES,
    *sorted((REPOSITORY / 'docs').glob('*.md')),
    *(REPOSITORY / path for path in ('CONTRIBUTING.md', 'configs/README.md', 'data/README.md')),
]
PROGRAMS = r'(?:\.venv/bin/python|python3?(?:\.\d+)?|tools/\S+|sw-mmseg|make|pip)'


def name(page: Path) -> str:
    """Path of a page in the repository."""
    return page.relative_to(REPOSITORY).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf'^```{language}\n(.*?)^```', page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> Iterator[list[str]]:
    """The commands of a page's shell blocks, words of each; comments are left out, lines that go on are joined."""
    for block in blocks(page, 'bash'):
        for line in re.sub(r'\$\(.*?\)', 'WORDS', block.replace('\\\n', ' '), flags=re.DOTALL).splitlines():
            words = shlex.split(line, comments=True)
            yield from _separate(words)


def inline_commands(page: Path) -> Iterator[list[str]]:
    """The commands in a page's running text: code that begins with a program and leaves nothing out."""
    text = re.sub(r'^```.*?^```', '', page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for code in re.findall(r'(?<!`)`([^`]+)`(?!`)', text):
        if re.match(rf'{PROGRAMS}(\s|$)', code) and not re.search(r'…|\.\.\.|\bNAME\b|\{', code):
            yield from _separate(shlex.split(code.replace('\n', ' ')))


def _separate(words: list[str]) -> Iterator[list[str]]:
    """The commands of one line, which `&&`, `&` and `;` part."""
    line = [part for word in words for part in ([word[:-1], ';'] if word.endswith(';') else [word])]
    for separated, command in itertools.groupby(line, lambda word: word in ('&&', '&', ';')):
        words = [word for word in command if word not in ('do', 'done')]
        if not separated and words and words[0] != 'for':
            yield words
