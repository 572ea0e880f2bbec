"""Ratios that stop learning, and channels last, in real training loops of mmengine."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from sw_mmseg.engine import ChannelsLastHook, FreezeRatiosHook
from sw_mmseg.whitening import SwitchWhiten2d


class Classifier(BaseModel):
    """A convolution, SW, a mean over pixels."""

    def __init__(self, tied=False):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3), SwitchWhiten2d(8, group_size=4, tie_weights=tied), nn.ReLU())
        self.fc = nn.Linear(8, 2)

    def forward(self, inputs, labels=None, mode='tensor'):
        logits = self.fc(self.backbone(inputs).mean((2, 3)))
        return {'loss': F.cross_entropy(logits, labels)} if mode == 'loss' else logits

    def train_step(self, data, optim_wrapper):
        losses = self(*data, mode='loss')
        optim_wrapper.update_params(losses['loss'])
        return losses


def samples():
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(3, 8, 8, generator=generator) * (1 + index % 2), index % 2) for index in range(16)]


def runner(folder, hooks, iterations, by_epoch=False, tied=False, **options):
    torch.manual_seed(0)
    cfg = dict(by_epoch=True, max_epochs=iterations) if by_epoch else dict(by_epoch=False, max_iters=iterations)
    sampler = 'DefaultSampler' if by_epoch else 'InfiniteSampler'
    return Runner(
        model=Classifier(tied),
        work_dir=str(folder),
        train_cfg=cfg,
        custom_hooks=hooks,
        train_dataloader=dict(
            batch_size=4,
            dataset=samples(),
            sampler=dict(type=sampler, shuffle=False),
            collate_fn=dict(type='default_collate'),
        ),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.5, momentum=0.9, weight_decay=0.1)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, by_epoch=by_epoch)),
        default_scope='mmengine',
        experiment_name=folder.name,
        log_level='ERROR',
        **options,
    )


def logits(folder, name):
    state = torch.load(folder / f'{name}.pth', weights_only=False)['state_dict']
    return torch.stack([state['backbone.1.mean_logits'], state['backbone.1.cov_logits']]), state['fc.weight']


@pytest.mark.parametrize('tied', [False, True], ids=['untied', 'tied'])
def test_ratios_learn_and_then_stay_while_the_network_goes_on(tmp_path, tied):
    folder = tmp_path / f'freeze{tied}'
    runner(folder, [dict(type='FreezeRatiosHook', end=2)], 5, tied=tied).train()
    kept = [logits(folder, f'iter_{count}') for count in range(1, 6)]
    assert not torch.equal(kept[0][0], kept[1][0])  # it learnt
    assert all(torch.equal(kept[1][0], later) for later, _ in kept[2:])  # momentum and weight decay have no say
    assert not torch.equal(kept[3][1], kept[4][1])


def test_epochs_of_an_epoch_based_loop(tmp_path):
    folder = tmp_path / 'freeze_epochs'
    runner(folder, [dict(type='FreezeRatiosHook', end=1, by_epoch=True)], 3, by_epoch=True).train()
    first, second, third = (logits(folder, f'epoch_{count}')[0] for count in (1, 2, 3))
    assert not torch.equal(first, torch.ones(2, 2)) and torch.equal(first, second) and torch.equal(second, third)


def test_a_resumed_run_keeps_them(tmp_path):
    whole, parts = tmp_path / 'freeze_whole', tmp_path / 'freeze_parts'
    hooks = [dict(type='FreezeRatiosHook', end=2)]
    runner(whole, hooks, 5).train()
    runner(parts, hooks, 3).train()
    again = runner(tmp_path / 'freeze_again', hooks, 5, load_from=str(parts / 'iter_3.pth'), resume=True)
    again.train()
    assert torch.equal(logits(whole, 'iter_5')[0], logits(tmp_path / 'freeze_again', 'iter_5')[0])


def test_a_negative_end_is_refused():
    with pytest.raises(ValueError, match='-1'):
        FreezeRatiosHook(-1)


def test_channels_last_moves_values_and_changes_none(tmp_path):
    plain, moved = tmp_path / 'plain', tmp_path / 'moved'
    runner(plain, [], 3).train()
    training = runner(moved, [ChannelsLastHook()], 3)
    seen = []
    training.model.backbone[0].register_forward_hook(
        lambda module, inputs, output: seen.append(
            (
                inputs[0].is_contiguous(memory_format=torch.channels_last),
                output.is_contiguous(memory_format=torch.channels_last),
            )
        )
    )
    training.train()
    assert seen == [(True, True)] * 3
    assert training.model.backbone[0].weight.is_contiguous(memory_format=torch.channels_last)
    for one, other in zip(logits(plain, 'iter_3'), logits(moved, 'iter_3')):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_a_part_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"no part 'neck', but .*backbone"):
        runner(tmp_path / 'wrong', [dict(type='ChannelsLastHook', part='neck')], 1).train()
