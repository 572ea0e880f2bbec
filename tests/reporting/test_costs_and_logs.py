"""Costs of networks, the paper's Table 5 from a study, and a report of logs without a checkpoint."""

import json
import re
from importlib import import_module

import pytest

from sw_mmseg.analysis.report import page_faults

pytestmark = pytest.mark.usefixtures('one_thread')


def test_cost_shrunk(tmp_path, capsys):
    tool = import_module('sw_mmseg.commands.analysis.cost')
    words = ['--axes', 'D', 'C = D', '--norms', 'BN', 'SWa', '--rounds', '1', '--shrink', '8', '--threads', '1']
    assert tool.main(tool.parse_arguments([*words, '--out', str(tmp_path)])) == 0
    rows = (tmp_path / 'points.csv').read_text().splitlines()
    assert rows[0] == 'norm,axis,size,milliseconds,MiB at the peak' and len(rows) == 1 + 2 * (5 + 4)
    assert {row.split(',')[2] for row in rows if ',D,' in row} == {'4', '8', '16', '32', '64'}
    page = (tmp_path / 'cost.md').read_text()
    assert re.search(r'\| SWa \| 1: -?\d\.\d\d \[.*\] \| 2: ', page) and (tmp_path / 'cost_CD.png').is_file()
    with pytest.raises(SystemExit):
        tool.main(tool.parse_arguments(['--study', str(tmp_path)]))
    assert 'no results/*.json' in capsys.readouterr().err


def test_table_5_from_a_study(tmp_path, monkeypatch):
    tool = import_module('sw_mmseg.commands.analysis.cost')
    (tmp_path / 'results').mkdir()
    for seed, (score, seconds) in enumerate([(20.0, 100.0), (22.0, 120.0)]):
        (tmp_path / 'results' / f'sw7_fcn_cityscapes_seed{seed}.json').write_text(
            json.dumps({'name': 'sw7_fcn_cityscapes', 'mean_iou': score, 'seconds': seconds, 'iterations': 100})
        )
    (tmp_path / 'docs.md').write_text('<!-- table 5: x -->\nold\n<!-- end of table 5 -->\n')
    monkeypatch.setattr(tool, 'DOCS', tmp_path / 'docs.md')
    assert tool.main(tool.parse_arguments(['--study', str(tmp_path), '--docs'])) == 0
    text = (tmp_path / 'docs.md').read_text()
    assert '| SWa | iterative | 76.00 | 0.67 | 21.0 ± 1.4 | 1.10 ± 0.14 |' in text and 'old' not in text
    assert '| BN | – | 72.10 | 0.52 | – | – |' in text


def test_logs_alone_make_a_report_of_any_task(run, tmp_path):
    """A style run that has no checkpoint yet: losses, ratios, config."""
    log = tmp_path / 'style' / '20260101_000000' / 'vis_data'
    log.mkdir(parents=True)
    (tmp_path / 'style' / 'sw_style_coco.py').write_text("model = dict(type='Stylizer', network=dict(type='Net'))\n")
    ratios = {
        f'ratios/network.norms.{layer}/{kind}/{word}': share
        for layer in (0, 1)
        for kind in ('mean', 'cov')
        for word, share in (('bw', 0.25), ('iw', 0.75))
    }
    (log / 'scalars.json').write_text(
        ''.join(
            json.dumps({**ratios, 'loss': loss, 'loss_style': loss / 2, 'step': step}) + '\n'
            for step, loss in ((10, 4.0), (20, 3.0))
        )
    )
    assert run('report', tmp_path / 'style') == 0
    text = (tmp_path / 'style' / 'report.html').read_text()
    assert re.findall('<h2>([^<]+)</h2>', text) == ['Runs', 'Training', 'What the switches chose', 'How to repeat it']
    assert 'loss_style' in text and 'Stylizer' in text and 'style: bw 0.25, iw 0.75' in text
    assert f'tools/train.py {tmp_path}/style/sw_style_coco.py' in text and page_faults(text) == []
