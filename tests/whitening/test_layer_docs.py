"""docs/layer.md: its code runs from top to bottom, its links lead somewhere, its table of options is the layer's."""

import importlib.util
import inspect
import re
from pathlib import Path

from sw_mmseg.whitening import SwitchWhiten2d

PAGE = Path(__file__).parents[2] / 'docs' / 'layer.md'


def test_code_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r'```python\n(.*?)```', PAGE.read_text(), re.DOTALL)
    has_onnx = all(importlib.util.find_spec(name) for name in ('onnx', 'onnxscript', 'onnxruntime'))
    names = {}
    ran = 0
    for block in blocks:
        if 'onnx' in block and not has_onnx:
            continue
        exec(compile(block, str(PAGE), 'exec'), names)
        ran += 1
    assert ran >= len(blocks) - 1 > 3
    printed = capsys.readouterr().out
    assert 'condition number' in printed and 'folded into 0' in printed
    assert names['report'].error < 0.01


def test_options_are_those_of_the_layer():
    rows = re.findall(r'^\| (`.*?) \| (.*?) \|', PAGE.read_text(), re.MULTILINE)
    written = {}
    for names, values in rows:
        written.update(zip(re.findall(r'`(\w+)`', names), re.split(', (?![^(]*\\))', values.replace('`', ''))))
    parameters = inspect.signature(SwitchWhiten2d).parameters
    defaults = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in ('num_features', 'device', 'dtype')
    }
    assert {name: eval(value) for name, value in written.items()} == defaults


def test_links():
    links = re.findall(r'\]\((?!http)([^)#]+)', PAGE.read_text())
    assert links and all((PAGE.parent / link).exists() for link in links)
