"""Four iterations at once are two, a stop, a resume and two more: bit for bit, through mmengine's runner."""

import copy

import pytest
import torch
from mmengine.runner import Runner
from torch.utils.data import Dataset

from tests.helpers.tiny_networks import SIZES, tiny_config, two_domain_batch

ISW = 'InstanceSelectiveWhitening'  # compares in its second and third iteration, then whitens
# what reads the log of each method, through the histories that a resumed run takes over
HEALTH = {
    'AdaptSegNet': 'DiscriminatorHealthHook',
    'AdvEnt': 'DiscriminatorHealthHook',
    'EntropyMinimization': 'PredictionHealthHook',
    'SelfTraining': 'SelfTrainingHealthHook',
    ISW: 'HealthHook',
}


class Pairs(Dataset):
    metainfo = {'classes': tuple('abcde'), 'palette': [[0, 0, 0]] * 5}

    def __init__(self, method):
        self.method = method

    def __len__(self):
        return 6

    def __getitem__(self, index):
        batch = two_domain_batch(count=1, seed=index, **SIZES.get(self.method, {}))
        pair = {domain: {key: value[0] for key, value in side.items()} for domain, side in batch.items()}
        return pair['source'] if self.method == ISW else pair


def section(optimizer, accumulative_counts, **kwargs):
    return {'type': 'OptimWrapper', 'optimizer': optimizer, 'accumulative_counts': accumulative_counts, **kwargs}


def run(work_dir, iterations, norm, accumulate, method, resume=False):
    poly = {'type': 'PolyLR', 'power': 0.9, 'eta_min': 0.0, 'begin': 0, 'end': 6, 'by_epoch': False}
    config = tiny_config(method, norm=norm, statistics_from='source' if method == ISW else 'separate')
    sections = {
        'segmentor': section(
            {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9},
            accumulate,
            paramwise_cfg={'custom_keys': {'logits': {'lr_mult': 100.0}}},
        )
    }
    if 'discriminator' in config:
        sections['discriminator'] = section({'type': 'Adam', 'lr': 0.01}, accumulate)
    runner = Runner(
        model=config,
        work_dir=str(work_dir),
        train_dataloader={
            'dataset': Pairs(method),
            'batch_size': 2,
            'num_workers': 0,
            'sampler': {'type': 'InfiniteSampler', 'shuffle': True, 'seed': 3},
            'collate_fn': {'type': 'pseudo_collate'},
        },
        train_cfg={'type': 'IterBasedTrainLoop', 'max_iters': iterations},
        optim_wrapper={'constructor': 'DomainOptimWrapperConstructor', **sections},
        param_scheduler={name: [copy.deepcopy(poly)] for name in sections},
        default_hooks={
            'checkpoint': {'type': 'CheckpointHook', 'interval': 2, 'by_epoch': False},
            'logger': {'type': 'LoggerHook', 'interval': 10},
        },
        custom_hooks=[{'type': HEALTH[method], 'window': 1, 'interval': 1}],
        randomness={'seed': 4},
        resume=resume,
        log_level='ERROR',
        default_scope='mmseg',
        experiment_name=f'{work_dir.name}-{iterations}-{resume}',
    )
    runner.train()
    return torch.load(work_dir / f'iter_{iterations}.pth', weights_only=False)


def flat(state, prefix=''):
    """Every leaf of a checkpoint by its path."""
    if isinstance(state, dict):
        items = state.items()
    elif isinstance(state, list | tuple):
        items = enumerate(state)
    else:
        return {prefix: state}
    return {path: leaf for key, value in items for path, leaf in flat(value, f'{prefix}/{key}').items()}


@pytest.mark.parametrize(
    'norm, accumulate, method',
    [
        ('sw', 1, 'AdaptSegNet'),
        ('bn', 2, 'AdaptSegNet'),
        ('sw', 1, 'AdvEnt'),
        ('sw', 2, 'EntropyMinimization'),
        ('sw', 1, ISW),
        ('sw', 1, 'SelfTraining'),
        ('bn', 2, 'SelfTraining'),
    ],
)
def test_resumed_run_equals_an_uninterrupted_one(tmp_path, norm, accumulate, method):
    whole = run(tmp_path / 'whole', 4, norm, accumulate, method)
    run(tmp_path / 'parts', 2, norm, accumulate, method)
    parts = run(tmp_path / 'parts', 4, norm, accumulate, method, resume=True)

    for part in ('state_dict', 'optimizer', 'param_schedulers'):
        expected, actual = flat(whole[part]), flat(parts[part])
        assert expected and set(expected) == set(actual)
        for path, value in expected.items():
            same = torch.equal(value, actual[path]) if isinstance(value, torch.Tensor) else value == actual[path]
            assert same, f'{part}{path}'

    state = whole['state_dict']
    short = run(tmp_path / 'short', 2, norm, accumulate, method)['state_dict']
    if method == ISW:
        assert state['iteration'] == 4 and state['covariances.0.variance'].any() and 'covariances.0.mask' in state
    else:
        assert state['statistics.source/backbone/norm/num_batches_tracked'] == 4
    if method == 'SelfTraining':
        assert state['teacher.updates'] == 4 and state['seed'] == 4  # the run's, which the next process does not draw
        name = 'backbone.conv1.weight'
        assert not torch.equal(state[f'teacher.network.{name}'], short[f'teacher.network.{name}'])
        assert not torch.equal(state[f'teacher.network.{name}'], state[f'segmentor.{name}'])
    players = {'segmentor', 'discriminator'} & {name.split('.')[0] for name in state}
    assert set(whole['optimizer']) == players == set(whole['param_schedulers'])
    for player in players:
        names = [name for name in state if name.startswith(player) and name.endswith('.weight')]
        assert any(not torch.equal(state[name], short[name]) for name in names)
