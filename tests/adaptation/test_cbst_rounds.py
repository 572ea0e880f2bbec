"""What resumes, what several processes label, what the hook of the rounds says and refuses."""

import json
import logging
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.runner import Runner
from PIL import Image

from sw_mmseg.adaptation import PseudoLabelError
from sw_mmseg.engine import PseudoLabelRoundsHook
from tests.adaptation.cbst_target import COUNT, METHOD, Pairs, Target, build, with_files
from tests.helpers.tiny_networks import tiny_config


def run(work_dir, iterations, norm='bn', accumulate=1, resume=False, hook=None):
    config = tiny_config(METHOD, norm=norm, statistics_from='separate')  # a warm-up of 1, rounds of 2
    runner = Runner(
        model=config,
        work_dir=str(work_dir),
        train_dataloader={
            'dataset': {'type': 'Pairs'},
            'batch_size': 2,
            'num_workers': 0,
            'sampler': {'type': 'InfiniteSampler', 'shuffle': True, 'seed': 3},
            'collate_fn': {'type': 'pseudo_collate'},
        },
        train_cfg={'type': 'IterBasedTrainLoop', 'max_iters': iterations},
        optim_wrapper={
            'constructor': 'DomainOptimWrapperConstructor',
            'segmentor': {
                'type': 'OptimWrapper',
                'optimizer': {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9},
                'accumulative_counts': accumulate,
            },
        },
        default_hooks={
            'checkpoint': {'type': 'CheckpointHook', 'interval': 1, 'by_epoch': False},
            'logger': {'type': 'LoggerHook', 'interval': 10},
        },
        custom_hooks=[hook or {'type': 'PseudoLabelRoundsHook', 'batch_size': 2}],
        randomness={'seed': 4},
        resume=resume,
        log_level='ERROR',
        default_scope='mmseg',
        experiment_name=f'{work_dir.name}-{iterations}-{resume}',
    )
    runner.train()
    return torch.load(work_dir / f'iter_{iterations}.pth', weights_only=False)['state_dict']


@pytest.mark.parametrize(
    'norm, accumulate, stop',
    [
        ('sw', 1, 1),
        ('sw', 1, 2),
        ('sw', 1, 3),  # where the first round begins, within it, where the second begins
        ('bn', 2, 2),
    ],
)
def test_resumed_run_equals_an_uninterrupted_one(tmp_path, norm, accumulate, stop):
    whole = run(tmp_path / 'whole', 5, norm, accumulate)
    run(tmp_path / 'parts', stop, norm, accumulate)
    parts = run(tmp_path / 'parts', 5, norm, accumulate, resume=True)
    assert whole['round'] == 2 and whole['iteration'] == 5 and whole['seed'] == 4
    assert set(whole) == set(parts)
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name
    for number in (1, 2):
        names = sorted(path.name for path in (tmp_path / f'whole/pseudo_labels/round_{number}').iterdir())
        assert len(names) == COUNT + 1
        for name in names:
            one, other = (
                (tmp_path / f'{part}/pseudo_labels/round_{number}/{name}').read_bytes() for part in ('whole', 'parts')
            )
            assert one == other
    rounds = [
        json.loads((tmp_path / f'whole/pseudo_labels/round_{number}/round.json').read_text()) for number in (1, 2)
    ]
    assert [(entry['iteration'], entry['share']) for entry in rounds] == [(1, 0.5), (3, 0.8)]
    assert not torch.equal(
        whole['segmentor.backbone.conv1.weight'],
        run(tmp_path / 'short', 3, norm, accumulate)['segmentor.backbone.conv1.weight'],
    )


def test_a_round_without_its_labels_does_not_go_on_and_another_training_begins_anew(tmp_path):
    run(tmp_path / 'run', 2)
    manifest = tmp_path / 'run/pseudo_labels/round_1/round.json'
    text = manifest.read_text()
    manifest.unlink()
    with pytest.raises(PseudoLabelError, match='goes on in round 1.*are not there'):
        run(tmp_path / 'run', 3, resume=True)
    manifest.write_text(text)
    assert run(tmp_path / 'run', 3, resume=True)['iteration'] == 3

    model = with_files(build(warmup=1), tmp_path / 'other')
    model.iteration.fill_(7)
    model.round.fill_(2)
    run_seed = int(model.seed)
    model.seed.fill_(run_seed + 5)  # of the run that wrote the checkpoint
    model.restart()
    assert (model.iteration, model.round, model.next_round(), model.seed) == (0, 0, None, run_seed)


def process(rank, port, folder):
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group('gloo', rank=rank, world_size=2)
    try:
        model = with_files(build(statistics_images=4), os.path.join(folder, 'labels'))
        model.begin_round(Target(), batch_size=2)
        torch.save(model.state_dict(), os.path.join(folder, f'{rank}.pth'))
    finally:
        dist.destroy_process_group()


def free_port():
    import socket

    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return server.getsockname()[1]


@pytest.mark.slow
def test_two_processes_label_what_one_does(tmp_path):
    mp.start_processes(process, (free_port(), str(tmp_path)), nprocs=2, start_method='spawn')
    alone = with_files(build(statistics_images=4), tmp_path / 'alone')
    alone.begin_round(Target(), batch_size=2)
    for rank in range(2):
        state = torch.load(tmp_path / f'{rank}.pth')
        for name, value in alone.state_dict().items():
            if name != 'seed':
                torch.testing.assert_close(state[name], value, rtol=1e-12, atol=1e-12, msg=name)
        assert state['round'] == 1
    for name in sorted(path.name for path in (tmp_path / 'alone/round_1').iterdir()):
        assert (tmp_path / 'labels/round_1' / name).read_bytes() == (tmp_path / 'alone/round_1' / name).read_bytes()


class TestHook:
    def runner(self, tmp_path, model=None, data=None):
        data = data or Pairs()
        return SimpleNamespace(
            model=model or build(),
            work_dir=str(tmp_path),
            iter=0,
            logger=logging.getLogger('rounds'),
            train_dataloader=SimpleNamespace(dataset=data),
        )

    def test_rounds_are_reported_and_collapse_is_warned_of(self, tmp_path, caplog):
        runner = self.runner(tmp_path)
        hook = PseudoLabelRoundsHook(batch_size=2)
        hook.before_train(runner)
        with caplog.at_level(logging.INFO):
            hook.before_train_iter(runner, 0)
        (line,) = caplog.messages
        share = np.mean([np.asarray(Image.open(path)) != 255 for path in (tmp_path / 'pseudo_labels').rglob('*.png')])
        assert f'{share:.3f} of the pixels of 5 target images have a label' in line and 0.5 <= share < 0.52
        assert line.startswith('round 1 of self-training: 0.5') and 'a 0.' in line
        assert hook.collapsed([9, 25, 0, 0], [100, 100, 0, 3]) == [0, 3] and hook.collapsed([9, 0], None) == [1]
        runner.model.iteration.fill_(1)
        hook.before_train_iter(runner, 1)
        assert runner.model.round == 1  # none is due

    def test_what_cannot_work_is_refused(self, tmp_path):
        hook = PseudoLabelRoundsHook()
        data = Pairs()
        data.target.pipeline = SimpleNamespace(transforms=[type('RandomFlip', (), {})()])
        with pytest.raises(ValueError, match='same image each time.*take out RandomFlip'):
            hook.before_train(self.runner(tmp_path, data=data))
        with pytest.raises(ValueError, match='needs a DomainPair'):
            hook.before_train(self.runner(tmp_path, data=SimpleNamespace()))
        with pytest.raises(ValueError, match='needs a method with rounds, Linear has none'):
            hook.before_train(self.runner(tmp_path, model=torch.nn.Linear(1, 1)))
        with pytest.raises(ValueError, match='batch_size must be positive'):
            PseudoLabelRoundsHook(batch_size=0)
