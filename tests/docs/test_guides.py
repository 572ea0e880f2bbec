"""The guides: short, their Python runs, their configs load, and the messages that they explain are the code's."""

from __future__ import annotations

import ast
import re

import pytest
from mmengine import Config

from sw_mmseg.datasets import read_class_table
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.documents import GUIDES, blocks, commands, name
from tests.helpers.source_files import REPOSITORY, parsed, python_files

LAYER = REPOSITORY / 'docs/guides/layer.md'


def is_config(block):
    return block.startswith(('custom_imports', '_base_'))


def test_a_guide_has_at_most_150_lines_and_the_readme_130():
    assert len(GUIDES) == 8
    for page in GUIDES:
        limit = 130 if page.name == 'README.md' else 150
        assert len(page.read_text().splitlines()) <= limit, name(page)


@pytest.mark.parametrize('page', [page for page in GUIDES if blocks(page, 'python')], ids=name)
def test_python_runs(page, tmp_path, monkeypatch, capsys):
    """From top to bottom, in an empty folder; each network that a block builds has the layer."""
    monkeypatch.chdir(tmp_path)
    names, networks = {}, 0
    for block in blocks(page, 'python'):
        if is_config(block):
            config = Config.fromstring(block, '.py')
            assert config.model.backbone.get('norm_cfg', config.model.backbone.get('site_norm_cfg')) == {'type': 'SW'}
            continue
        names.pop('model', None)
        exec(compile(block, str(page), 'exec'), names)
        if 'model' in names:
            networks += 1
            assert any(isinstance(module, SwitchWhiten2d) for module in names['model'].modules()), block
    assert networks == (5 if page == LAYER else 0)
    assert page != LAYER or '0.5' in capsys.readouterr().out


def literals():
    """Texts that the code may print, what differs from case to case as '…'."""
    for file in python_files('sw_mmseg'):
        for node in ast.walk(parsed(file)):
            if isinstance(node, ast.JoinedStr):
                yield ''.join(part.value if isinstance(part, ast.Constant) else '…' for part in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_messages_are_those_of_the_code():
    text = (REPOSITORY / 'docs/guides/troubleshooting.md').read_text()
    messages = [
        message
        for part in re.findall(r'^\*\*(.+?)\*\*', text, re.MULTILINE)
        for message in re.findall('`([^`]+)`', part)
    ]
    foreign = {'CUDA out of memory', 'mmcv._ext'}  # torch's, and a module's name
    assert len(messages) > 20 and foreign <= set(messages)
    corpus = [' '.join(literal.split()) for literal in literals()]
    for message in set(messages) - foreign:
        parts = [part.strip() for part in message.split('…') if part.strip()]
        assert parts and any(all(part in literal for part in parts) for literal in corpus), message


def test_the_readme_and_the_start_page_say_how_to_install():
    for page in (REPOSITORY / 'README.md', REPOSITORY / 'docs/guides/start.md'):
        lines = [' '.join(words) for words in commands(page)]
        assert {'make demo', 'pip install --no-deps .', 'pip install -e .[weights]'} <= set(lines), name(page)


def test_classes_of_the_guide_are_a_class_table(tmp_path):
    (tmp_path / 'classes.yaml').write_text(blocks(REPOSITORY / 'docs/guides/own_data.md', 'yaml')[0])
    table = read_class_table(tmp_path / 'classes.yaml')
    assert table.names == ('road', 'building') and table.ignore == (0, 255)  # 255 is ignored always
