"""Whatever stops a training, there is a whole checkpoint to go on from."""

import os
import signal

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.engine.interrupt import INTERRUPTED
from sw_mmseg.running.newest_checkpoint import newest_whole


@pytest.fixture
def runner(tiny_config, tmp_path, one_thread):
    """`runner()` -> one that trains four iterations and keeps one checkpoint, of each second."""

    def build(**hook):
        config = Config.fromfile(tiny_config('bn_sourceonly'))
        config.work_dir, config.train_cfg.max_iters = str(tmp_path / 'run'), 4
        config.train_cfg.val_interval = 10
        config.default_hooks.checkpoint.update({'interval': 2, 'max_keep_ckpts': 1, **hook})
        config.experiment_name = f'safe {len(list(tmp_path.rglob("*")))}'
        return Runner.from_cfg(config)

    return build


def names(folder):
    return sorted(file.name for file in folder.glob('iter_*.pth'))


def test_the_old_one_goes_when_the_new_one_is_there(runner, tmp_path, monkeypatch):
    before, run = [], runner()
    save = run.save_checkpoint

    def saving(*words, **options):
        before.append(names(tmp_path / 'run'))
        save(*words, **options)

    monkeypatch.setattr(run, 'save_checkpoint', saving)
    (tmp_path / 'run/.iter_9.1.part.pth').write_bytes(b'of a run that was killed')
    run.train()
    assert before == [[], ['iter_2.pth']]
    assert names(tmp_path / 'run') == ['iter_4.pth']


@pytest.mark.parametrize('resume, length, restarts', [(False, 4, [True]), (True, 6, [])])
def test_a_run_that_begins_restarts_the_method_and_one_that_goes_on_does_not(
    runner, tmp_path, resume, length, restarts
):
    """With weights of a checkpoint in place already."""
    first, told = runner(), []
    first.train()
    (tmp_path / 'start.pth').write_bytes((tmp_path / 'run/iter_4.pth').read_bytes())
    run = runner()
    run._resume, run._load_from = resume, str(tmp_path / 'start.pth')
    run.train_loop._max_iters = length
    expected = [parameter.clone() for parameter in first.model.parameters()]
    run.model.restart = lambda: told.append(all(map(torch.equal, run.model.parameters(), expected)))
    run.train()
    assert told == restarts and run.iter == length


class Interrupt(Hook):
    """A signal before an iteration, counted from 0."""

    def __init__(self, at):
        self.at = at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize('kept, last', [(1, [4]), (2, [2, 4]), (-1, [1, 2, 3, 4])])
def test_what_interrupts_left_goes_with_the_next_checkpoint(runner, tmp_path, kept, last):
    """After iterations 1 and 3; and after 2, where the checkpoint is one of those that are kept."""
    left = []
    for at in (0, 1, 2, None):
        run = runner(max_keep_ckpts=kept)
        run._resume = at != 0
        run.register_hook(Interrupt(at))
        run.train()
        left.append([int(name[5:-4]) for name in names(tmp_path / 'run')])
    if kept == -1:
        assert left == [[1], [1, 2], [1, 2, 3], last]
    else:
        assert left == [[1], [2], [2, 3], last]
    content = torch.load(tmp_path / 'run/iter_4.pth', weights_only=False)
    assert (INTERRUPTED in content['message_hub']['runtime_info']) == (kept == -1)


def test_a_regular_checkpoint_is_none_of_an_interrupt(runner, tmp_path):
    """Where all are kept, an interrupt right behind one leaves nothing of its own for a later run to remove."""
    for kept, at in ((-1, 1), (5, None)):
        run = runner(max_keep_ckpts=kept)
        run._resume = kept == 5
        run.register_hook(Interrupt(at))
        run.train()
    assert names(tmp_path / 'run') == ['iter_2.pth', 'iter_4.pth']


@pytest.mark.parametrize('best', [{}, {'save_best': 'mIoU', 'rule': 'greater'}])
def test_a_full_disk_leaves_one_to_go_on_from(runner, tmp_path, monkeypatch, best):
    run = runner(**best)
    put = torch.save

    def fail_at_the_second(content, file, *words, **options):
        if content['meta']['iter'] == 4:
            raise OSError(28, 'No space left on device')
        put(content, file, *words, **options)

    monkeypatch.setattr(torch, 'save', fail_at_the_second)
    with pytest.raises(OSError, match='No space'):
        run.train()
    assert names(tmp_path / 'run') == ['iter_2.pth']
    assert newest_whole(tmp_path / 'run') == (tmp_path / 'run/iter_2.pth', [])
    monkeypatch.undo()
    again = runner(**best)
    again._resume, again._load_from = True, str(tmp_path / 'run/iter_2.pth')
    again.train()
    assert names(tmp_path / 'run') == ['iter_4.pth']
