"""The benchmark of exported files, shrunk: every row is there, its baseline has the ratio one."""

import pytest

pytest.importorskip('onnxruntime')


@pytest.mark.slow
def test_every_format_has_its_row(tiny_config, run, tmp_path, one_thread):
    words = ['--size', '96x64', '--rounds', '1', '--warmup', '1', '--threads', '1', '--fold', '0.6']
    table = tmp_path / 'table.md'
    assert run('benchmark exported', tiny_config('sw_adaptsegnet'), *words, '--markdown', table) == 0
    text = table.read_text()
    assert '5 of 5 switchable layers folded' in text and 'at 96×64' in text
    rows = {
        cells[1].strip(): cells[2:-1] for cells in (line.split('|') for line in text.splitlines()) if len(cells) > 2
    }
    assert {'torch', 'TorchScript', 'ONNX', 'ONNX, folded', 'ONNX, int8'} <= set(rows)
    assert [float(cell) for cell in (rows['torch'][1], rows['torch'][4])] == [1.0, 1.0]
    assert all(float(rows[name][0]) > 0 and float(rows[name][3]) > 0 for name in ('ONNX', 'ONNX, int8', 'torch'))
