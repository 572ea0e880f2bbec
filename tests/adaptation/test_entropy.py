"""A step of entropy minimisation against the formulas, and AdvEnt's monitor; the log and what a target label can do."""

import copy
import math

import pytest
import torch
from mmengine.structures import PixelData

from tests.adaptation.by_hand import cross_entropy_by_hand, network_by_hand, self_information_by_hand, upsampled

METHODS = ('EntropyMinimization', 'AdvEnt')


def step_by_hand(model, batch, robust):
    seg = {name: p.detach().clone().requires_grad_() for name, p in model.segmentor.named_parameters()}
    images = {k: (torch.stack(batch[k]['inputs']).double() - 120) / 60 for k in ('source', 'target')}
    labels = torch.stack([s.gt_sem_seg.data[0] for s in batch['source']['data_samples']])
    source, target = network_by_hand(seg, images['source']), network_by_hand(seg, images['target'])
    log, total = {}, 0
    for name, lambda_seg, lambda_ent in (('decode_head', 1.0, 0.3), ('auxiliary_head', 0.1, 0.2)):
        prefix = '' if name == 'decode_head' else f'{name}.'
        loss_seg = cross_entropy_by_hand(upsampled(source[name], images['source'].shape[2:]), labels)
        entropy = self_information_by_hand(upsampled(target[name], images['target'].shape[2:])).sum(1)
        loss_ent = ((entropy**2 + 0.001**2) ** robust if robust else entropy).mean()
        log |= {f'{prefix}loss_seg': loss_seg, f'{prefix}loss_ent': loss_ent, f'{prefix}entropy': entropy.mean()}
        total = total + lambda_seg * loss_seg + lambda_ent * loss_ent
    return log, dict(zip(seg, torch.autograd.grad(total, list(seg.values()))))


@pytest.mark.parametrize('robust', [None, 2.0])
def test_step_equals_the_formulas(robust, make_model, make_batch, make_wrappers):
    model = make_model('EntropyMinimization', loss_entropy={'type': 'EntropyLoss', 'robust': robust})
    before = copy.deepcopy(model)
    expected, gradients = step_by_hand(before, make_batch(), robust)
    log = model.train_step(make_batch(), make_wrappers(model))
    assert {name for name in log if not name.endswith(('acc_seg', 'target_classes'))} == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(log[name].double(), value.detach(), rtol=1e-9, atol=1e-9, msg=name)
    for name, parameter in model.segmentor.named_parameters():
        change = before.segmentor.state_dict()[name] - parameter
        assert gradients[name].abs().max() > 0, name
        torch.testing.assert_close(change, gradients[name], rtol=1e-7, atol=1e-10, msg=name)


def test_entropy_falls_when_nothing_else_is_learnt(make_model, make_batch, make_wrappers):
    model = make_model(
        'EntropyMinimization', levels=1, names=[{'head': 'decode_head', 'lambda_seg': 0.0, 'lambda_ent': 1.0}]
    )
    wrappers = make_wrappers(model, lr=0.3)
    entropies = [model.train_step(make_batch(), wrappers)['entropy'].item() for _ in range(8)]
    assert 0 < entropies[-1] < entropies[0] - 0.05 and all(b < a for a, b in zip(entropies, entropies[1:]))


@pytest.mark.parametrize('method', METHODS)
def test_monitors_are_no_losses(method, make_model, make_batch, make_wrappers):
    model = make_model(method)
    log = model.train_step(make_batch(), make_wrappers(model))
    assert not any('loss' in name for name in log if name.endswith(('entropy', 'acc_seg')))
    assert all(not value.requires_grad for value in log.values())
    images = model.data_preprocessor(make_batch(), True)['target']['inputs']
    untrained = make_model(method)
    logits = upsampled(untrained.segmentor(images, mode='levels')['decode_head'], images.shape[2:])
    coarse = untrained.segmentor(images, mode='levels')['decode_head']
    assert log['target_classes'].item() == len(coarse.argmax(1).unique()) > 1
    expected = self_information_by_hand(logits).sum(1).mean()
    assert log['entropy'].item() == pytest.approx(expected.item()) and 0 < log['entropy'] < 1


@pytest.mark.parametrize('method', METHODS)
def test_no_target_label_reaches_a_loss(method, make_model, make_batch, make_wrappers):
    plain, labelled = make_model(method), make_model(method)
    plain.train_step(make_batch(), make_wrappers(plain))
    batch = make_batch()
    for data_sample in batch['target']['data_samples']:
        data_sample.gt_sem_seg = PixelData(data=torch.zeros(1, 32, 48, dtype=torch.long))
    labelled.train_step(batch, make_wrappers(labelled))
    for name, value in plain.state_dict().items():
        assert torch.equal(value, labelled.state_dict()[name]), name


@pytest.mark.parametrize('method', METHODS)
def test_a_certain_network_is_trained_without_nan(method, make_model, make_batch, make_wrappers):
    """Probabilities that underflow to zero, in fp32."""
    model = make_model(method, levels=1).float()
    for parameter in model.segmentor.decode_head.parameters():
        parameter.data *= 1e5
    log = model.train_step(make_batch(), make_wrappers(model, lr=1e-6))
    assert all(torch.isfinite(value) for value in log.values()) and log['entropy'] < 0.1
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_clear_errors(make_model):
    with pytest.raises(TypeError, match='lambda_adv'):
        make_model('EntropyMinimization', levels=1, names=[{'head': 'decode_head', 'lambda_adv': 1.0}])
    with pytest.raises(ValueError, match='levels must name each head'):
        make_model('EntropyMinimization', names=[{'head': 'decode_head'}])
    assert math.isclose(
        make_model('EntropyMinimization', levels=1, names=[{'head': 'decode_head'}]).levels[0].lambda_ent, 0.001
    )
