"""The log of a step: names for mmengine, fields for hooks, and the domain's statistics around a pass."""

import dataclasses

import pytest
import torch
from mmengine.optim import OptimWrapper

from sw_mmseg.adaptation import LevelLog, SelfTrainingLog, TargetLog
from sw_mmseg.adaptation.self_training_log import SelfTrainingLevelLog


def scalars(*values):
    return [torch.tensor(float(value)) for value in values]


def test_names_are_the_main_levels_fields_then_the_others_under_their_heads():
    one, two, three, four, five = scalars(1, 2, 3, 4, 5)
    log = TargetLog({'decode_head': LevelLog(one, two), 'auxiliary_head': LevelLog(three, four)}, target_classes=five)
    assert {name: value.item() for name, value in log.items()} == {
        'loss_seg': 1,
        'acc_seg': 2,
        'auxiliary_head.loss_seg': 3,
        'auxiliary_head.acc_seg': 4,
        'target_classes': 5,
    }
    assert len(log) == 5 and 'loss_seg' in log and 'decode_head.loss_seg' not in log and log['loss_seg'] is one


def test_what_was_not_computed_is_not_logged_and_what_is_left_out_is_an_error():
    values = scalars(1, 2, 3, 4, 5)
    level = SelfTrainingLevelLog(*values[:3], loss_mask=None)
    log = SelfTrainingLog({'decode_head': level}, *values[3:], loss_features=None)
    assert set(log) == {'loss_seg', 'acc_seg', 'loss_mix', 'pseudo_share', 'pseudo_classes'}
    with pytest.raises(TypeError, match='loss_mix'):
        SelfTrainingLevelLog(*values[:2], loss_mask=None)
    with pytest.raises(AttributeError, match='dis_acc'):
        _ = level.dis_acc_source
    with pytest.raises(dataclasses.FrozenInstanceError):
        log.pseudo_share = values[0]


def test_means_take_the_place_of_values_by_name():
    zero = torch.zeros(())
    log = TargetLog({'decode_head': LevelLog(zero, zero), 'auxiliary_head': LevelLog(zero, zero)}, target_classes=zero)
    means = log.with_values(len)  # of the name
    assert type(means) is TargetLog and means.target_classes == len('target_classes')
    assert means.levels['decode_head'].loss_seg == 8 and means.levels['auxiliary_head'].loss_seg == 23
    assert log.levels['decode_head'].loss_seg == 0


@pytest.mark.parametrize(
    'policy, moves', [('source', [1, 0, 0]), ('target', [0, 1, 0]), ('both', [1, 1, 0]), ('frozen', [0, 0, 0])]
)
def test_a_pass_moves_the_statistics_of_its_domain(policy, moves, make_model, make_batch):
    """Under the policy; and gives its forward the wrapper's context."""
    model = make_model('EntropyMinimization', statistics_from=policy)
    wrapper = OptimWrapper(torch.optim.SGD(model.segmentor.parameters(), lr=1.0), accumulative_counts=3)
    counter, images = model.segmentor.backbone.norm.num_batches_tracked, torch.rand(2, 3, 32, 32).double()
    for domain, move in zip(('source', 'target', None), moves):
        before = int(counter)
        with model.domain_pass(wrapper, domain):
            model.segmentor(images, mode='levels')
        assert int(counter) - before == move
    with pytest.raises(ValueError, match="got 'traget'"), model.domain_pass(wrapper, 'traget'):
        pass
