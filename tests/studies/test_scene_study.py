"""The study from end to end with two iterations: measured once, skipped afterwards, written into marked files."""

import functools
import json
import re
from importlib import import_module

import pytest

import sw_mmseg.datasets.streets as streets
from sw_mmseg.running.command_line import run_tool
from sw_mmseg.running.errors import UserError
from tests.helpers.config_runs import names_of


@pytest.fixture
def study(tmp_path, monkeypatch, one_thread):
    """`study(...)` -> exit status; streets are tiny, and the files to fill are stand-ins."""
    tool = import_module('sw_mmseg.commands.analysis.scene_parsing_study')
    generate = functools.partial(streets.generate_streets, size=(64, 32), source=0, target_train=8, target_val=2)
    monkeypatch.setattr(streets, 'generate_streets', generate)
    for name in ('DOCS', 'README', 'PICTURE', 'KEPT'):
        monkeypatch.setattr(tool, name, tmp_path / name.lower())
    small = tool.scenes.small_config

    def in_process(*words):  # starting workers would take most of the time
        config, command = small(*words)
        for part in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            config[part].update(num_workers=0, persistent_workers=False, batch_size=2)
        return config, command

    monkeypatch.setattr(tool.scenes, 'small_config', in_process)

    def run(*words):
        words = ['--work-dir', tmp_path / 'out', '--data', tmp_path / 'data', '--iterations', 2, *words]
        return run_tool(tool.main, tool.parse_arguments([str(w) for w in words]))

    run.tool = tool
    return run


@pytest.mark.slow
def test_study_from_end_to_end(study, tmp_path, capsys):
    (tmp_path / 'docs').write_text('# How\n\n<!-- study: made by a tool -->\nold\n<!-- end of study -->\n\nAfter\n')
    (tmp_path / 'readme').write_text('<!-- scene parsing tables: x -->\n<!-- end of scene parsing tables -->\n')
    words = ['sw_pspnet_streets', 'configs/bn_fcn_ade20k.py', '--seeds', 0, 1]
    assert study(*words, '--docs', '--readme') == 0
    out = tmp_path / 'out'
    files = sorted((out / 'results').glob('*.json'))
    assert [file.stem for file in files] == [
        f'{n}_seed{s}' for n in ('bn_fcn_ade20k', 'sw_pspnet_streets') for s in (0, 1)
    ]
    results = [json.loads(file.read_text()) for file in files]
    assert results[0]['command'].split()[:7] == [
        'python',
        'tools/train.py',
        'configs/bn_fcn_ade20k.py',
        '--work-dir',
        str(out / 'runs/bn_fcn_ade20k_seed0'),
        '--seed',
        '0',
    ]
    assert '--streets --cfg-options train_cfg.max_iters=2' in results[0]['command']
    assert '--streets' not in results[2]['command'] and len(results[2]['class_iou']) == 19
    present = [value for value in results[2]['class_iou'].values() if value == value]
    assert results[2]['mean_iou'] == pytest.approx(sum(present) / len(present))
    assert len(results[2]['ratios']) == 14 * 4 and results[0]['ratios'] == {}
    csv = (out / 'results.csv').read_text().splitlines()
    assert csv[0] == 'norm,config,seeds,mIoU,pixel accuracy,seconds a run' and len(csv) == 3
    assert csv[1].startswith('SWa,sw_pspnet_streets,2,') and '±' in csv[1] and csv[2].startswith('BN,bn_fcn_ade20k,2,')
    docs = (tmp_path / 'docs').read_text()
    assert docs.startswith('# How\n') and docs.endswith('<!-- end of study -->\n\nAfter\n') and 'old' not in docs
    assert 'after 2 iterations' in docs and '| SWa | covariances | bw 0.5' in docs
    assert (tmp_path / 'picture').read_bytes()[:4] == b'\x89PNG' == (out / 'comparison.png').read_bytes()[:4]
    readme = (tmp_path / 'readme').read_text()
    row = next(line for line in readme.splitlines() if 'bn_fcn_ade20k' in line)
    assert row.startswith('| [bn_fcn_ade20k](bn_fcn_ade20k.py) | `tools/dist_train.sh configs/bn_fcn_ade20k.py 4` | ')
    assert '| 36.6 / 37.9 |' in row
    other = next(line for line in readme.splitlines() if 'sn_fcn_ade20k' in line)
    assert other.startswith(
        '| [sn_fcn_ade20k](bn_fcn_ade20k.py) | `tools/dist_train.sh configs/bn_fcn_ade20k.py 4 --norm sn` | '
    )
    assert '±' in row and 'unmeasured' not in row and other.count('unmeasured') == 1

    before = {file: file.stat().st_mtime_ns for file in files}
    capsys.readouterr()
    assert study(*words) == 0
    assert capsys.readouterr().out.count('done before') == 4
    assert {file: file.stat().st_mtime_ns for file in files} == before


def test_every_row_of_the_papers_tables_is_a_config_and_every_config_a_row(study):
    report, known = study.tool.report, study.tool.known
    rows = re.findall(r'^\| \[(\w+)\]\((\w+)\.py\)', report.paper_tables([]), re.MULTILINE)
    names, files = {name for name, _ in rows}, {file for _, file in rows}
    configs = set(names_of('configs/test_scene_configs.py')) - {'bn_pspnet_streets', 'sw_pspnet_streets'}
    assert len(names) == 25 and files == configs and known(sorted(names), ['bn']) == sorted(names)


def test_names_without_a_norm_are_of_every_norm(study):
    assert study.tool.known(['pspnet_streets', 'sw_fcn_ade20k', 'sw_pspnet_streets'], ['bn', 'sw', 'in']) == [
        'bn_pspnet_streets',
        'sw_pspnet_streets',
        'in_pspnet_streets',
        'sw_fcn_ade20k',
    ]


def test_mistakes(study, tmp_path, capsys):
    assert study('sw_pspnet_coco') == 2
    assert 'sw_pspnet_coco: no scene parsing config' in capsys.readouterr().err
    (tmp_path / 'plain.md').write_text('no marks')
    with pytest.raises(UserError, match='has no lines'):
        study.tool.fill(tmp_path / 'plain.md', 'study', 'text')
