"""tools/adapt.py with a frozen transformer that LoRA tunes: from folders to a small checkpoint and a file."""

import json

import pytest
import timm
import torch

from tests.helpers.own_folders import write_folders

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.mark.slow
def test_from_folders_to_a_small_checkpoint_a_file_and_on_without_the_source(run, tmp_path, capsys):
    root, weights = write_folders(tmp_path), tmp_path / 'vit.pth'
    torch.save(timm.create_model('test_vit').state_dict(), weights)
    out, words = tmp_path / 'out', ['--target', root / 'target', '--iterations', 8, '--predict', 1]
    source = ['--source', root / 'source/images', root / 'source/labels']
    option = f'model.segmentor.backbone.init_cfg.checkpoint={weights}'
    more = ['--network', 'test_vit+lora4', '--batch-size', 2, '--out', out, '--cfg-options', option]
    assert run('adapt', *source, *words, *more) == 0
    said = capsys.readouterr().out
    assert 'test_vit.r160_in1k of timm; frozen but for LoRA of rank 4' in said and 'norm: none' in said
    results = json.loads((out / 'results.json').read_text())
    assert [network['name'] for network in results['networks']] == [
        'source only', 'source only + target statistics', 'CBST'
    ]  # fmt: skip
    state = torch.load(out / 'checkpoint.pth', weights_only=False)['state_dict']
    assert not any('qkv.weight' in key for key in state) and any('qkv.lora_b' in key for key in state)
    learnt = next(value for key, value in state.items() if 'blocks.5.attn.qkv.lora_b' in key)
    assert learnt.abs().max() > 0

    assert run('export', out / 'config.py', out / 'checkpoint.pth', tmp_path / 'network.pt') == 0
    assert 'largest difference of logits' in capsys.readouterr().out
    assert run('adapt', '--from', out, *words, '--out', tmp_path / 'on') == 0


@pytest.mark.slow
def test_a_norm_has_no_place_in_it(run, tmp_path, capsys):
    root = write_folders(tmp_path)
    source = ['--source', root / 'source/images', root / 'source/labels', '--target', root / 'target']
    assert run('adapt', *source, '--out', tmp_path / 'out', '--network', 'dinov2-s', '--norm', 'sw') == 2
    assert '--norm sw: the network dinov2-s has no sites; those with sites are small' in capsys.readouterr().err
