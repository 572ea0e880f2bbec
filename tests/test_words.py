"""Names of variables are nouns: no pronoun, adverb or participle such as `own`, `apart` or `found` is bound."""

import ast

import pytest

from tests.helpers.source_files import REPOSITORY, parsed, python_files

WORDS = {
    'own',
    'found',
    'what',
    'wanted',
    'rest',
    'apart',
    'how',
    'why',
    'whose',
    'ours',
    'theirs',
    'mine',
    'there',
    'others',
    'whatever',
}
COMPARED = {'ours', 'theirs'}  # in tests of two implementations, they say which of both a value is of
FOLDERS = {'sw_mmseg': WORDS, 'tests': WORDS - COMPARED, 'tools': WORDS}
# file -> words that it still binds; a word that the file no longer binds fails, so that this table empties itself
REMAINING: dict[str, set[str]] = {}
SAMPLE = """
import a as own
def how(found, *rest, what=1, **others):
    why: int = 0
    for ours in (lambda theirs: 0, ):
        with ours() as (wanted, *_):
            wanted.there = mine
    try:
        match wanted:
            case {'a': whose}:
                pass
    except Exception as whatever:
        return [0 for _ in rest if (apart := own.mine(mine=1))]
"""  # binds every word but one, which it reads alone


def names_bound(tree):
    """Every name that code binds: variables, arguments, functions, imports, errors, patterns, attributes set."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
            yield node.name


def test_every_kind_of_binding_is_seen():
    assert {name for name in names_bound(ast.parse(SAMPLE)) if name in WORDS} == WORDS - {'mine'}


@pytest.mark.parametrize('folder', FOLDERS)
def test_variables_are_nouns(folder):
    bound = {
        file.relative_to(REPOSITORY).as_posix(): FOLDERS[folder] & set(names_bound(parsed(file)))
        for file in python_files(folder)
    }
    assert {file: words for file, words in bound.items() if words} == {
        file: words for file, words in REMAINING.items() if file.startswith(f'{folder}/')
    }
