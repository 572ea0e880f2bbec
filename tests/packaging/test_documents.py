"""Files about the project that machines read: the citation, and the hooks of a commit."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

import sw_mmseg

ROOT = Path(__file__).resolve().parents[2]
INSTRUCTIONS = {'FROM', 'ARG', 'RUN', 'WORKDIR', 'COPY', 'USER', 'ENTRYPOINT', 'CMD'}


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


def versions_of_python() -> set[str]:
    """Those that the package says it runs on."""
    return set(re.findall(r'Python :: (3\.\d+)', (ROOT / 'setup.cfg').read_text()))


def test_the_workflow_tests_every_python_that_the_package_names():
    workflow = yaml.safe_load((ROOT / '.github/workflows/test.yml').read_text())
    job = workflow['jobs']['test']
    assert set(job['strategy']['matrix']['python']) == versions_of_python()
    assert 'continue-on-error' not in job
    assert job['steps'][-1]['run'] == 'make test PYTHON=python${{ matrix.python }}'
    for every in workflow['jobs'].values():
        for step in every['steps']:
            assert ('uses' in step) != ('run' in step)


def test_forms_for_issues_have_what_github_asks_for():
    """A form has a name, a description and a body; each field an id of its own and a label, a choice its options."""
    forms = sorted((ROOT / '.github/ISSUE_TEMPLATE').glob('*.yml'))
    assert [form.stem for form in forms] == ['bug', 'config', 'idea', 'score']
    for form in forms:
        content = yaml.safe_load(form.read_text())
        if form.stem == 'config':
            assert content == {'blank_issues_enabled': True}
            continue
        assert {'name', 'description', 'body'} <= content.keys()
        assert len({field['id'] for field in content['body']}) == len(content['body'])
        for field in content['body']:
            assert field['type'] in {'input', 'textarea', 'dropdown'} and field['attributes']['label']
            assert field['type'] != 'dropdown' or field['attributes']['options']


def test_the_dockerfile_copies_what_is_there_and_says_that_it_is_untried():
    text = (ROOT / 'Dockerfile').read_text()
    assert 'UNTRIED' in text.split('FROM')[0]
    ignored = (ROOT / '.dockerignore').read_text().split()
    sources = [name for line in re.findall(r'^COPY (.+) \S+$', text, re.MULTILINE) for name in line.split()]
    assert sources and all((ROOT / name).exists() and f'!{name}' in ignored for name in sources)
    extras = re.search(r'^ARG EXTRAS=(.*)$', text, re.MULTILINE)[1].split(',')
    assert all(re.search(rf'^{extra} =$', (ROOT / 'setup.cfg').read_text(), re.MULTILINE) for extra in extras)


def instructions() -> list[tuple[str, str]]:
    """Those of the Dockerfile, in their order, with what follows each; lines that go on are joined."""
    text = re.sub(r'^#.*\n', '', (ROOT / 'Dockerfile').read_text(), flags=re.MULTILINE)
    lines = [line for line in re.sub(r'\s*\\\n\s*', ' ', text).splitlines() if line.strip()]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_dockerfile_is_one_and_has_no_habit_that_linters_warn_of():
    """Docker's reference: the instructions, a base first, arrays in JSON. The others are rules of hadolint."""
    parts = instructions()
    names = [name for name, _ in parts]
    assert names[0] == 'FROM' and set(names) <= INSTRUCTIONS
    assert names.count('FROM') == names.count('ENTRYPOINT') == names.count('CMD') == 1
    assert re.fullmatch(r'[a-z]+:\d[\w.-]*', parts[0][1]), 'a base without a version'
    for name, words in parts:
        if name in ('ENTRYPOINT', 'CMD'):
            assert all(isinstance(word, str) for word in json.loads(words))
        if name == 'WORKDIR':
            assert words.startswith('/')
        if name == 'RUN':
            assert words.count('"') % 2 == words.count("'") % 2 == 0
            assert 'sudo' not in words
            assert words.count('pip install') == words.count('pip install --no-cache-dir')
        if 'apt-get install' in words:
            assert 'apt-get update &&' in words and '--no-install-recommends' in words and '/var/lib/apt/lists' in words
    assert [words for name, words in parts if name == 'USER'][-1] != 'root'
    declared = {words.partition('=')[0] for name, words in parts if name == 'ARG'}
    used = {match for name, words in parts for match in re.findall(r'\$(\w+)', words)}
    assert used == declared and used
