"""The tools of understanding on tiny trained networks, end to end, and on what they must refuse."""

import json
import re
from importlib import import_module

import pytest

from sw_mmseg.analysis.report import page_faults
from sw_mmseg.running.command_line import run_tool
from tests.helpers.slow_cases import slow

pytestmark = pytest.mark.usefixtures('one_thread')


def train(path, folder, name):
    from mmengine.config import Config
    from mmengine.runner import Runner

    config = Config.fromfile(path)
    config.work_dir, config.train_cfg.max_iters = str(folder), 4
    config.train_cfg.val_interval = 4
    config.visualizer.name = config.experiment_name = name
    for hook in config.custom_hooks:
        if hook.type == 'ImportanceRatioHook':
            hook.interval = 2
    Runner.from_cfg(config).train()
    return folder


@pytest.fixture(scope='module')
def runs(tiny_config, tiny_scenes, tmp_path_factory):
    """Name -> work directory: adaptation with SW and BN, scene parsing with SW."""
    folder = tmp_path_factory.mktemp('runs')
    paths = {'sw': tiny_config('sw_adaptsegnet'), 'bn': tiny_config('bn_adaptsegnet'), 'psp': tiny_scenes('sw_pspnet')}
    return {name: train(path, folder / f'{name}_seed0', f'understanding {name}') for name, path in paths.items()}


@pytest.fixture
def pairs(tiny_config, runs):
    """Name -> config and checkpoint."""
    return {name: (tiny_config(f'{name}_adaptsegnet'), runs[name] / 'iter_4.pth') for name in ('sw', 'bn')}


@pytest.mark.slow
def test_importance_ratios_of_several_tasks(runs, run, tmp_path):
    assert run('analysis importance_ratios', runs['sw'], runs['psp'], runs['sw'] / 'iter_4.pth', '--out', tmp_path) == 0
    page = (tmp_path / 'importance_ratios.md').read_text()
    pictures = re.findall(r'!\[[^]]+\]\(([^)]+)\)', page)
    assert len(pictures) == 1 + 3 * 3 and all((tmp_path / name).read_bytes()[:4] == b'\x89PNG' for name in pictures)
    rows = (tmp_path / 'tasks.csv').read_text().splitlines()
    assert rows[0] == "network,runs,SW layers,bw,iw,ω and ω' differ" and len(rows) == 4
    assert rows[1].startswith('sw,1,5,') and rows[2].startswith('psp,1,14,')
    layers = (tmp_path / 'sw_seed0.csv').read_text().splitlines()
    assert [row.split(',')[0] for row in layers] == ['layer', 'norm1', 'norm2', 'norm3', 'norm4', 'norm5', 'average']
    scalars = [
        json.loads(line)
        for file in runs['sw'].glob('*/vis_data/scalars.json')
        for line in file.read_text().splitlines()
    ]
    logged = [
        s['ratios/segmentor.backbone.norm3/cov/iw'] for s in scalars if 'ratios/segmentor.backbone.norm3/cov/iw' in s
    ]
    assert float(layers[3].split(',')[4]) == pytest.approx(logged[-1]) and 'logged at iteration 4' in page


def test_domain_distance_of_two_networks(pairs, run, tmp_path, capsys):
    words = [
        *pairs['sw'],
        *pairs['bn'],
        '--labels',
        'SW',
        'BN',
        '--images',
        3,
        '--pixels',
        4,
        '--permutations',
        20,
        '--out',
        tmp_path,
    ]
    assert run('analysis domain_distance', *words) == 0
    for part in ('features', 'style', 'content', 'covariance'):
        assert (tmp_path / f'{part}.png').read_bytes()[:4] == b'\x89PNG'
        rows = (tmp_path / f'{part}.csv').read_text().splitlines()
        assert rows[0] == 'layer,SW,BN' and len(rows) == 15 and rows[1].startswith('1 conv1_1,')
    assert 'at most 3 images a domain' in capsys.readouterr().out
    again = tmp_path / 'again'
    assert run('analysis domain_distance', *words[:-1], again) == 0
    assert (again / 'style.csv').read_text() == (tmp_path / 'style.csv').read_text()


def test_whiteness_and_instance_statistics(pairs, run, tmp_path, streets):
    assert run('analysis whiteness', *pairs['sw'], '--images', 2, '--out', tmp_path) == 0
    rows = (tmp_path / 'whiteness.csv').read_text().splitlines()
    assert len(rows) == 1 + 5 * 2 and rows[1].startswith('norm1,source,') and rows[2].startswith('norm1,target,')
    assert (
        run('analysis instance_statistics', *pairs['bn'], '--layer', 'backbone.norm2', '--show', 2, '--out', tmp_path)
        == 0
    )
    lines = (tmp_path / 'target.csv').read_text().splitlines()
    assert len(lines) == 4 and all('leftImg8bit/val' in row for row in lines[1:])
    distances = [float(row.split(',')[-1]) for row in lines[1:]]
    assert distances == sorted(distances, reverse=True)
    assert 'running statistics of backbone.norm2' in (tmp_path / 'instance_statistics.md').read_text()
    assert (tmp_path / 'map.png').is_file() and (tmp_path / 'pictures.png').is_file()
    folder = streets / 'gta5'
    assert run('analysis whiteness', *pairs['sw'], '--target', folder, '--images', 2, '--out', tmp_path / 'own') == 0


def test_report_of_everything_is_one_sound_page(runs, run, tmp_path):
    out = tmp_path / 'report.html'
    assert (
        run(
            'report',
            runs['sw'],
            runs['bn'],
            '--pictures',
            2,
            '--test',
            '--domain-distance',
            '--images',
            3,
            '--out',
            out,
        )
        == 0
    )
    text = out.read_text()
    assert page_faults(text) == [] and out.stat().st_size < 10_000_000
    headings = re.findall('<h2>([^<]+)</h2>', text)
    assert headings == [
        'Runs',
        'Predictions',
        'Classes',
        'Training',
        'What the switches chose',
        'Distance between source and target',
        'How to repeat it',
    ]
    assert text.count('<details>') == 2 and 'DomainPair' in text and 'tools/report.py' in text
    assert 'alt="test picture 2: bn_seed0"' in text and 'loss_adv' in text and 'norm5' in text
    assert str(runs['sw']) in text and 'tools/train.py' in text


def test_report_shows_what_there_is(runs, run, tmp_path):
    """A checkpoint alone, and a run of which the test pictures are gone."""
    from mmengine.config import Config

    (tmp_path / 'moved').mkdir()
    config = Config.fromfile(next(runs['psp'].glob('*.py')))
    config.test_dataloader.dataset.data_root = str(tmp_path / 'gone')
    config.dump(tmp_path / 'moved' / 'psp.py')
    (tmp_path / 'moved' / 'iter_4.pth').write_bytes((runs['psp'] / 'iter_4.pth').read_bytes())
    assert run('report', tmp_path / 'moved') == 0
    text = (tmp_path / 'moved' / 'report.html').read_text()
    assert page_faults(text) == []
    assert 'Not shown: ' in text and 'gone' in text and 'No logs: moved.' in text
    assert re.findall('<h2>([^<]+)</h2>', text) == [
        'Runs',
        'Predictions',
        'What the switches chose',
        'How to repeat it',
    ]


@pytest.mark.parametrize(
    'words, message',
    [
        (('analysis importance_ratios', '{bn}'), 'bn_seed0 has no layer that switches between statistics'),
        (('analysis importance_ratios', '{sw}/nothing'), 'no run'),
        (('analysis importance_ratios', '{tmp}'), 'neither a config nor a checkpoint'),
        (('analysis importance_ratios', '{sw}', '--labels', 'a', 'b'), '2 names for 1 runs'),
        (
            ('analysis importance_ratios', '{sw}', '{psp}', '--labels', 'SW a', 'SW/a'),
            "SW_a.csv would be written twice, for 'SW a' and 'SW/a': give other names with --labels",
        ),
        (('analysis importance_ratios', '{sw}', '--labels', 'tasks'), "tasks.csv would be written twice, for 'tasks'"),
        (('analysis domain_distance', '{sw_config}'), 'pairs of CONFIG CHECKPOINT'),
        (('analysis domain_distance', '{bn_config}', '{psp}/iter_4.pth'), 'does not fit the config'),
        (
            ('analysis domain_distance', '{bn_config}', '{bn}/iter_4.pth', '--images', '2', '--layers', '99'),
            'convolutions, not 99',
        ),
        (
            ('analysis domain_distance', '{bn_config}', '{bn}/iter_4.pth', '--pixels', '0'),
            '--pixels must be at least 1',
        ),
        (('analysis whiteness', '{bn_config}', '{bn}/iter_4.pth', '--images', '2'), 'has no SW layer'),
        (('analysis instance_statistics', '{bn_config}', '{bn}/iter_4.pth', '--layer', 'x'), 'it has backbone.norm1'),
        slow(
            (
                'report',
                '{bn}',
                '{psp}',
                *('--domain-distance', '--images', '2', '--pictures', '0'),
                '--out',
                '{tmp}/r.html',
            ),
            'different convolutions',
        ),
    ],
)
def test_mistakes_are_one_line(words, message, runs, pairs, run, tmp_path, capsys):
    names = {**runs, 'tmp': tmp_path, 'sw_config': pairs['sw'][0], 'bn_config': pairs['bn'][0]}
    words = [word.format(**names) for word in words]
    assert run(*words) == 2
    text = capsys.readouterr().err.strip().splitlines()[-1]
    assert text.startswith('error: ') and message in text


@pytest.mark.slow
def test_sections_of_the_docs_are_filled(runs, run, tmp_path, monkeypatch):
    """Every mark that a tool fills is in docs/understanding.md, and what is filled shows pictures that are there."""
    from pathlib import Path

    docs = Path(__file__).resolve().parents[2] / 'docs/understanding.md'
    text = docs.read_text()
    marks = re.findall(r'^<!-- ([^:]+): made by tools/analysis/(\w+)\.py -->$', text, re.MULTILINE)
    assert [mark for mark, _ in marks] == ['figures 6 and 7', 'figure 8', 'figure 3', 'table 1', 'table 5']
    assert all(f'<!-- end of {mark} -->' in text.splitlines() for mark, _ in marks)
    (tmp_path / 'images').mkdir()
    copy = tmp_path / 'understanding.md'
    copy.write_text(text)
    tool = import_module('sw_mmseg.commands.analysis.importance_ratios')
    monkeypatch.setattr(tool, 'DOCS', copy)
    monkeypatch.setattr(tool, 'IMAGES', tmp_path / 'images')
    assert set(tool.SECTIONS) < {mark for mark, _ in marks}
    for mark in tool.SECTIONS:
        words = [str(runs['psp']), '--out', str(tmp_path / 'out'), '--docs', mark]
        assert run_tool(tool.main, tool.parse_arguments(words)) == 0
    filled = copy.read_text()
    assert '| psp | 1 | 14 |' in filled and '### psp_seed0' in filled and '\n## Figure 3' in filled
    pictures = re.findall(r'\]\((images/understanding_(?:psp|tasks)[^)]+)\)', filled)
    assert len(pictures) == 4 and all((tmp_path / name).is_file() for name in pictures)
    shown = re.findall(r'\]\((images/[^)]+)\)', text)
    assert len(shown) > 10 and all((docs.parent / name).is_file() for name in shown)
