"""What is drawn at random is drawn again after a resume: dropout, and whatever asks torch, numpy or Python."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sw_mmseg.engine.random_states import (
    other_number_of_processes,
    random_states,
    recall_random_states,
    set_random_states,
)
from sw_mmseg.openmmlab import load_local_checkpoint
from tests.helpers.weights import equal, weights

pytestmark = pytest.mark.usefixtures('one_thread')


def draw():
    return [torch.rand(3).tolist(), np.random.rand(3).tolist(), np.random.randn(), random.random(), random.gauss(0, 1)]


def test_states_are_data_and_give_the_same_numbers_again(tmp_path):
    draw()  # leaves half of a pair of normal numbers in numpy and in Python
    torch.save({'states': random_states()}, tmp_path / 'states.pth')
    expected = [draw(), draw()]
    set_random_states(load_local_checkpoint(str(tmp_path / 'states.pth'))['states'])
    assert [draw(), draw()] == expected


@pytest.fixture
def dropped(tiny_scenes, tmp_path):
    """A PSPNet of two heads with dropout, which keeps the checkpoint of each iteration."""
    path = tmp_path / 'dropped.py'
    heads = ', '.join(f'{head}=dict(dropout_ratio=0.5)' for head in ('decode_head', 'auxiliary_head'))
    path.write_text(
        f"_base_ = '{tiny_scenes('bn_pspnet')}'\nmodel = dict({heads})\n"
        'train_cfg = dict(max_iters=4, val_interval=2)\n'
        'default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=4))\n'
    )
    return path


@pytest.mark.parametrize('options', [[], ['train_dataloader.num_workers=1', 'val_dataloader.num_workers=1']])
@pytest.mark.parametrize('number', [1, pytest.param(2, marks=pytest.mark.slow)])
def test_pspnet_drops_what_it_would_have_dropped(dropped, run, tmp_path, number, options):
    """From a checkpoint behind which the undisturbed run validates, and from one where it does not."""
    options = ['--check-data', 'none', *(['--cfg-options', *options] if options else [])]
    assert run('train', dropped, '--work-dir', tmp_path / 'whole', *options) == 0
    draw()
    saved = tmp_path / f'whole/iter_{number}.pth'
    assert run('train', dropped, '--work-dir', tmp_path / 'rest', '--resume', saved, *options) == 0
    assert equal(weights(tmp_path / 'rest/iter_4.pth'), weights(tmp_path / 'whole/iter_4.pth'))
    states = [
        load_local_checkpoint(str(tmp_path / f'{name}/iter_4.pth'))['message_hub']['runtime_info']['random_states']
        for name in ('rest', 'whole')
    ]
    assert len(states[0]) == 1 and equal(*states)


@pytest.mark.parametrize('before, now, words', [(2, 1, '1 process from a checkpoint that 2 wrote'), (1, 4, '4 x 3')])
def test_another_number_of_processes_is_said_and_draws_anew(monkeypatch, before, now, words):
    monkeypatch.setattr('sw_mmseg.engine.random_states.get_world_size', lambda: now)
    info = {'random_states': [random_states()] * before}
    runner = SimpleNamespace(
        iter=5, message_hub=SimpleNamespace(runtime_info=info), train_dataloader=SimpleNamespace(batch_size=3)
    )
    assert words in other_number_of_processes(runner) and recall_random_states(runner) is None
    info['random_states'] = [random_states()] * now
    assert other_number_of_processes(runner) is None and recall_random_states(runner) is not None
    runner.iter = 0
    assert other_number_of_processes(runner) is None
