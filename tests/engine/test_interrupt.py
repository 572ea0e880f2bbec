"""A signal in the middle of a training leaves a checkpoint from which the run ends as if nothing had happened."""

import io
import os
import signal
import time

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from sw_mmseg.engine import InterruptHook, ProgressHook
from sw_mmseg.engine.progress import duration


class Net(BaseModel):
    """Least squares on vectors, with a BatchNorm whose buffers must survive too."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))

    def forward(self, x, mode='tensor'):
        return {'loss': self.layers(x).square().mean()}


class Signal(Hook):
    """Sends a signal to this process before iteration `at`."""

    def __init__(self, at: int, number: int, gap: float | None = None) -> None:
        self.at, self.number, self.gap = at, number, gap

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.at:
            os.kill(os.getpid(), self.number)
            if self.gap is not None:
                time.sleep(self.gap)
                os.kill(os.getpid(), self.number)


def train(folder, name, hooks=(), resume=False, by_epoch=False):
    torch.manual_seed(0)
    data = [(torch.randn(4),) for _ in range(24)]
    sampler = dict(type='DefaultSampler' if by_epoch else 'InfiniteSampler', shuffle=True, seed=0)
    loop = dict(by_epoch=True, max_epochs=3) if by_epoch else dict(by_epoch=False, max_iters=12)
    runner = Runner(
        Net(),
        str(folder),
        experiment_name=name,
        resume=resume,
        log_level='ERROR',
        train_cfg=loop,
        train_dataloader=dict(batch_size=4, dataset=data, collate_fn=dict(type='default_collate'), sampler=sampler),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
        param_scheduler=dict(type='PolyLR', by_epoch=False, end=18),
        default_hooks=dict(
            interrupt=dict(type='InterruptHook'),
            checkpoint=dict(type='CheckpointHook', by_epoch=by_epoch, interval=100, save_last=False),
        ),
        custom_hooks=list(hooks),
        randomness=dict(seed=0),
    )
    runner.train()
    return runner, next(h for h in runner.hooks if isinstance(h, InterruptHook))


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path, number):
    whole, hook = train(tmp_path / 'whole', f'whole{number}')
    assert hook.signum is None and whole.iter == 12 and not list((tmp_path / 'whole').glob('*.pth'))

    half, hook = train(tmp_path / 'cut', f'cut{number}', [Signal(6, number)])
    assert hook.signum == number and half.iter == 7  # the iteration that was hit is complete
    assert (tmp_path / 'cut' / 'last_checkpoint').read_text() == str(tmp_path / 'cut' / 'iter_7.pth')
    assert [p.name for p in (tmp_path / 'cut').glob('*iter*')] == ['iter_7.pth']

    continuation, hook = train(tmp_path / 'cut', f'rest{number}', resume=True)
    assert hook.signum is None and continuation.iter == 12
    for (name, a), b in zip(whole.model.state_dict().items(), continuation.model.state_dict().values()):
        assert torch.equal(a, b), name
    assert whole.optim_wrapper.get_lr() == continuation.optim_wrapper.get_lr()
    momenta = [r.optim_wrapper.optimizer.state_dict()['state'] for r in (whole, continuation)]
    assert all(torch.equal(momenta[0][k]['momentum_buffer'], momenta[1][k]['momentum_buffer']) for k in momenta[0])
    assert len(momenta[0]) == 6


def test_an_epoch_based_loop_stops_behind_its_epoch(tmp_path):
    runner, hook = train(tmp_path, 'epochs', [Signal(8, signal.SIGINT)], by_epoch=True)
    assert hook.signum == signal.SIGINT and runner.epoch == 2  # iterations 6 to 11 are the second epoch
    assert torch.load(tmp_path / 'epoch_2.pth', weights_only=False)['meta']['epoch'] == 2


def test_signals_are_given_back(tmp_path):
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    train(tmp_path, 'back')
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_signal_at_once_is_the_same_one_and_a_later_one_stops(tmp_path, monkeypatch):
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    runner, _ = train(tmp_path / 'same', 'same', [Signal(2, signal.SIGINT, gap=0.0)])
    assert runner.iter == 3
    monkeypatch.setattr('sw_mmseg.engine.interrupt.SAME_SIGNAL_SECONDS', 0.05)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / 'later', 'later', [Signal(2, signal.SIGINT, gap=0.1)])
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before):
            signal.signal(number, handler)
    assert not list((tmp_path / 'later').glob('*.pth'))


def test_interval_is_checked():
    with pytest.raises(ValueError, match='at least 1'):
        InterruptHook(interval=0)


def test_progress_lines_by_hand(tmp_path):
    assert [duration(s) for s in (9.4, 65, 7380)] == ['9 s', '1 min 05 s', '2 h 03 min']
    stream = io.StringIO()
    train(tmp_path, 'progress', [ProgressHook('net', stream)])
    lines = stream.getvalue().splitlines()  # no terminal: at 3, 6, 9 and 12 of 12
    assert [line.split(' · ')[0].split()[-1] for line in lines] == ['3/12', '6/12', '9/12', '12/12']
    assert all(line.startswith('net ') for line in lines) and lines[0].endswith('left')
    hook = ProgressHook('x')
    hook._first = 100  # resumed at 100: 20 iterations in 40 s, 80 to go: 160 s
    assert hook.line(120, 200, 40.0).endswith('120/200 · 2 min 40 s left')


def test_progress_on_a_terminal_rewrites_its_line(tmp_path):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    train(tmp_path, 'terminal', [ProgressHook('net', stream, refresh=0.0)])
    assert stream.getvalue().count('\r') == 12 and stream.getvalue().endswith('\n')
