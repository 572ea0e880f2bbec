"""The step between the domains of streets, part by part."""

import json
from dataclasses import fields
from importlib import import_module

import cv2
import numpy as np
import pytest

from sw_mmseg.datasets.streets import VARIANTS
from sw_mmseg.running.command_line import run_tool
from sw_mmseg.studies.adaptation import gap

LABELS = ('BN_seed0', 'BN_seed1')


@pytest.fixture
def tool(one_thread):
    return import_module('sw_mmseg.commands.analysis.domain_gap')


@pytest.fixture
def trained(tmp_path, tiny_config):
    """Two checkpoints of untrained networks that carry their config."""
    import torch
    from mmengine.config import Config
    from mmseg.registry import MODELS

    import sw_mmseg.plugin  # noqa: F401

    config, files = Config.fromfile(tiny_config('bn_sourceonly')), []
    for seed in range(2):
        torch.manual_seed(seed)
        files.append(tmp_path / f'seed{seed}.pth')
        weights = {'state_dict': MODELS.build(config.model).state_dict(), 'meta': {'cfg': config.pretty_text}}
        torch.save(weights, files[-1])
    return files


def changed(domain, other):
    """Fields of the look that differ."""
    return {f.name for f in fields(domain.look) if getattr(domain.look, f.name) != getattr(other.look, f.name)}


@pytest.mark.parametrize('back', [False, True])
def test_parts_are_the_whole_step(back):
    kinds = gap.kinds('varied', back)
    source, target = VARIANTS['varied']
    start, end = (target, source) if back else (source, target)
    names = list(kinds)
    assert names[0] == ('target' if back else 'source') and names[-1] == ('source' if back else 'target')
    assert kinds[names[0]] == start and kinds[names[-1]] == end
    assert kinds['+ streets'].layout == end.layout and kinds['+ streets'].look == start.look
    assert sorted(name for names in gap.LOOKS.values() for name in names) == sorted(f.name for f in fields(start.look))
    parts = [changed(kinds[f'+ {part}'], start) for part in gap.LOOKS]
    assert all(parts) and sum(map(len, parts)) == len(set().union(*parts))  # none is empty, none overlap
    assert set().union(*parts) == changed(end, start) == changed(kinds['+ whole look'], start)
    assert all(kinds[f'+ {part}'].layout == start.layout for part in gap.LOOKS)


@pytest.mark.slow
def test_tables_of_networks(tool, trained, tmp_path, monkeypatch, capsys):
    docs = tmp_path / 'docs'
    (docs / 'images').mkdir(parents=True)
    (docs / 'adaptation.md').write_text('before\n<!-- gap: by a tool -->\n<!-- end of gap -->\nafter\n')
    monkeypatch.setattr(tool, 'DOCS', docs)
    words = [*map(str, trained), '--labels', *LABELS, '--images', '2', '--size', '64x32']
    words += ['--out', str(tmp_path / 'out')]
    assert run_tool(tool.main, tool.parse_arguments([*words, '--docs', '--own-statistics'])) == 0
    scores = json.loads((tmp_path / 'out/gap.json').read_text())
    assert list(scores) == list(gap.kinds('varied', False))
    assert all(list(row) == ['BN', 'BN, own statistics'] for row in scores.values())
    assert {len(values) for row in scores.values() for values in row.values()} == {2}
    assert scores['target']['BN'] != scores['target']['BN, own statistics']
    text = (docs / 'adaptation.md').read_text()
    assert '| source | ' in text and '| + haze and rain | ' in text and 'images/adaptation_gap.png' in text
    assert (docs / 'images/adaptation_gap_pictures.png').stat().st_size > 1000

    pictures = {
        folder.name: cv2.imread(str(folder / 'gta5/images/00001.png'))
        for folder in (tmp_path / 'out/pictures').iterdir()
    }
    labels = {
        name: cv2.imread(str(tmp_path / f'out/pictures/{name}/gta5/labels/00001.png'), cv2.IMREAD_UNCHANGED)
        for name in pictures
    }
    source, cast = 'v1_varied_64x32_forth_source', 'v1_varied_64x32_forth_colour_cast'
    assert len(pictures) == 10 and (labels[source] == labels[cast]).all()
    assert (labels[source] != labels['v1_varied_64x32_forth_streets']).any()
    assert 1 < np.abs(pictures[source].astype(int) - pictures[cast]).mean() < 40  # the same scene, a little bluer
    before = capsys.readouterr().out
    assert run_tool(tool.main, tool.parse_arguments([*words, '--back'])) == 0
    back = json.loads((tmp_path / 'out/gap_back.json').read_text())
    assert [back[kind]['BN'] for kind in ('source', 'target')] == [scores[kind]['BN'] for kind in ('source', 'target')]
    assert capsys.readouterr().out.splitlines()[-1] == before.splitlines()[-1]
    assert run_tool(tool.main, tool.parse_arguments(words)) == 0  # from the pictures that are there
    assert capsys.readouterr().out.splitlines()[0] == before.splitlines()[0]


def test_mistakes_are_named(tool, trained, tmp_path, capsys):
    def fails(*words):
        assert run_tool(tool.main, tool.parse_arguments([str(w) for w in (*words, '--out', tmp_path)])) == 2
        return capsys.readouterr().err

    assert 'at least 16x16' in fails(trained[0], '--size', '8x8')
    assert 'one image' in fails(trained[0], '--images', 0)
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty' / 'config.py').write_text('model = dict()\n')
    assert 'has no checkpoint' in fails(tmp_path / 'empty')
    (tmp_path / 'empty' / 'config.py').write_text("model = dict()\ndefault_scope = 'mmdet'\n")
    (tmp_path / 'empty' / 'iter_1.pth').write_bytes(trained[0].read_bytes())
    assert 'is no segmentation network' in fails(tmp_path / 'empty')
    data = "test_dataloader = dict(dataset=dict(type='CamVidDataset'))"
    (tmp_path / 'empty' / 'config.py').write_text(f"model = dict()\ndefault_scope = 'mmseg'\n{data}\n")
    assert 'empty has not the 19 classes of Cityscapes' in fails(tmp_path / 'empty', '--images', 1, '--size', '16x16')
