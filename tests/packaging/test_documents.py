"""Files about the project that machines read: the citation, and the hooks of a commit."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import sw_mmseg

ROOT = Path(__file__).resolve().parents[2]


def test_the_citation_has_what_its_format_asks_for():
    """CFF 1.2.0: required fields of the file and of the reference."""
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['cff-version'] == '1.2.0'
    assert {'message', 'title', 'authors'} <= set(citation)
    assert citation['authors'] == [{'name': 'sw_mmseg contributors'}]
    paper = citation['preferred-citation']
    assert paper['type'] == 'conference-paper' and paper['year'] == 2019
    assert paper['title'] == 'Switchable Whitening for Deep Representation Learning'
    assert [author['family-names'] for author in paper['authors']] == ['Pan', 'Zhan', 'Shi', 'Tang', 'Luo']
    assert paper['url'] == 'https://arxiv.org/abs/1904.09739'


def test_a_commit_runs_what_make_lint_runs():
    recipe = re.search(r'^lint:.*\n((?:\t.*\n)+)', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    commands = [line.strip().replace('$(PY)', '.venv/bin/python') for line in recipe[1].splitlines()]
    repositories = yaml.safe_load((ROOT / '.pre-commit-config.yaml').read_text())['repos']
    hooks = [hook for repository in repositories for hook in repository['hooks']]
    assert [repository['repo'] for repository in repositories] == ['local']
    assert commands
    assert [hook['entry'] for hook in hooks] == commands


def test_the_changelog_has_the_version_that_the_package_has():
    headings = re.findall(r'^## \[(.+?)\]', (ROOT / 'CHANGELOG.md').read_text(), re.MULTILINE)
    assert headings[0] == 'Unreleased'
    assert headings[1] == sw_mmseg.__version__
