"""Notebooks run from top to bottom, and hold no outputs."""

import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / 'notebooks').glob('*.ipynb'))


def text_of(notebook):
    """All that its cells have printed."""
    outputs = [output for cell in notebook.cells if cell.cell_type == 'code' for output in cell.outputs]
    return ''.join(output.get('text', '') for output in outputs)


def executed(name, folder):
    nbclient, nbformat = pytest.importorskip('nbclient'), pytest.importorskip('nbformat')
    (file,) = [file for file in NOTEBOOKS if file.stem == name]
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    options = dict(timeout=500, kernel_name='python3', resources={'metadata': {'path': str(folder)}})
    return nbclient.NotebookClient(notebook, **options).execute()


def test_notebooks_are_kept_without_outputs():
    assert [file.stem for file in NOTEBOOKS] == ['layer', 'two_folders']
    for file in NOTEBOOKS:
        for cell in json.loads(file.read_text())['cells']:
            assert cell['cell_type'] == 'markdown' or (cell['outputs'], cell['execution_count']) == ([], None)


def test_the_layer_in_a_plain_model(tmp_path):
    text = text_of(executed('layer', tmp_path))
    assert 'SWb        as they are' in text and 'folded into' in text
    largest = float(text.partition('largest difference ')[2].split()[0])
    assert largest < 1e-3


@pytest.mark.slow
def test_two_folders_are_adapted(tmp_path):
    text = text_of(executed('two_folders', tmp_path))
    assert 'report.html' in text
    assert (tmp_path / 'adapted/checkpoint.pth').exists() and list((tmp_path / 'predicted').rglob('*.png'))
