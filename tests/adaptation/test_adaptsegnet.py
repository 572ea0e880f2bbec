"""One adversarial step against a second implementation, written from the formulas without the package's classes."""

import copy
import inspect

import pytest
import torch
from mmengine.runner import load_checkpoint
from mmengine.structures import PixelData
from mmseg.registry import MODELS

from sw_mmseg.adaptation import (
    AdaptSegNet,
    AdvEnt,
    EntropyMinimization,
    InstanceSelectiveWhitening,
    SelfTraining,
)
from sw_mmseg.adaptation.base import without_gradient
from tests.adaptation.by_hand import (
    bce,
    cross_entropy_by_hand,
    judge_by_hand,
    network_by_hand,
    self_information_by_hand,
    softmax_by_hand,
    squares,
    upsampled,
)

METHODS = (AdaptSegNet, AdvEnt, EntropyMinimization, InstanceSelectiveWhitening, SelfTraining)


def step_by_hand(model, batch, loss, see):
    """`see`: what the discriminators are given of upsampled logits."""
    seg = {name: p.detach().clone().requires_grad_() for name, p in model.segmentor.named_parameters()}
    dis = {name: p.detach().clone().requires_grad_() for name, p in model.discriminator.named_parameters()}
    images = {k: (torch.stack(batch[k]['inputs']).double() - 120) / 60 for k in ('source', 'target')}
    labels = torch.stack([s.gt_sem_seg.data[0] for s in batch['source']['data_samples']])
    source, target = network_by_hand(seg, images['source']), network_by_hand(seg, images['target'])
    log, total_seg, total_dis = {}, 0, 0
    for name, lambda_seg, lambda_adv in (('decode_head', 1.0, 0.3), ('auxiliary_head', 0.1, 0.2)):
        prefix = '' if name == 'decode_head' else f'{name}.'
        up_source = upsampled(source[name], images['source'].shape[2:])
        up_target = upsampled(target[name], images['target'].shape[2:])
        loss_seg = cross_entropy_by_hand(up_source, labels)
        loss_adv = loss(judge_by_hand(dis, name, see(up_target)), 0)
        on_source = judge_by_hand(dis, name, see(up_source).detach())
        on_target = judge_by_hand(dis, name, see(up_target).detach())
        loss_dis = (loss(on_source, 0) + loss(on_target, 1)) / 2
        border = 0.0 if loss is bce else 0.5
        log |= {
            f'{prefix}loss_seg': loss_seg,
            f'{prefix}loss_adv': loss_adv,
            f'{prefix}loss_dis': loss_dis,
            f'{prefix}dis_acc_source': (on_source <= border).double().mean(),
            f'{prefix}dis_acc_target': (on_target > border).double().mean(),
        }
        total_seg = total_seg + lambda_seg * loss_seg + lambda_adv * loss_adv
        total_dis = total_dis + loss_dis
    gradients = dict(zip(seg, torch.autograd.grad(total_seg, list(seg.values()))))
    return log, gradients, dict(zip(dis, torch.autograd.grad(total_dis, list(dis.values()))))


@pytest.mark.parametrize('method, see', [('AdaptSegNet', softmax_by_hand), ('AdvEnt', self_information_by_hand)])
@pytest.mark.parametrize('kind, loss', [('vanilla', bce), ('least_squares', squares)])
def test_step_equals_the_formulas(method, see, kind, loss, make_model, make_batch, make_wrappers):
    model = make_model(method, loss_adversarial={'type': 'AdversarialLoss', 'kind': kind})
    before = copy.deepcopy(model)
    expected, seg_gradients, dis_gradients = step_by_hand(before, make_batch(), loss, see)
    log = model.train_step(make_batch(), make_wrappers(model))

    monitors = {name for name in log if name.endswith(('acc_seg', 'entropy', 'target_classes'))}
    assert set(log) - monitors == set(expected) and len(monitors) == (5 if method == 'AdvEnt' else 3)
    for name, value in expected.items():
        torch.testing.assert_close(log[name].double(), value.detach(), rtol=1e-9, atol=1e-9, msg=name)
    for part, gradients in (('segmentor', seg_gradients), ('discriminator', dis_gradients)):
        old, new = getattr(before, part).state_dict(), dict(getattr(model, part).named_parameters())
        assert set(gradients) == set(new)
        for name, gradient in gradients.items():
            assert gradient.abs().max() > 0, name
            torch.testing.assert_close(old[name] - new[name], gradient, rtol=1e-7, atol=1e-10, msg=f'{part}.{name}')


def test_no_monitored_value_would_be_summed_as_a_loss(make_model, make_batch, make_wrappers):
    """mmengine sums what has "loss" in its name: of this log, the losses of the formulas and nothing else."""
    model = make_model('AdvEnt')
    expected, _, _ = step_by_hand(copy.deepcopy(model), make_batch(), bce, self_information_by_hand)
    log = model.train_step(make_batch(), make_wrappers(model))
    total, summed = model.parse_losses(dict(log))
    losses = [value for name, value in expected.items() if 'acc' not in name]
    assert len(losses) == 6 and set(summed) == {*log, 'loss'}
    torch.testing.assert_close(total.double(), sum(losses).detach(), rtol=1e-9, atol=1e-9)
    assert all(not value.requires_grad for value in log.values())


def test_discriminator_gets_no_gradient_in_the_segmentors_part(make_model, make_batch):
    model = make_model()
    images = model.data_preprocessor(make_batch(), True)['target']['inputs']
    maps = model.judged(model.segmentor(images, mode='levels'), images)
    model.adversarial_loss(maps).total.backward()
    assert all(parameter.grad is None for parameter in model.discriminator.parameters())
    assert all(parameter.grad is not None for parameter in model.segmentor.parameters())
    assert all(parameter.requires_grad for parameter in model.discriminator.parameters())


def test_segmentor_gets_no_gradient_in_the_discriminators_part(make_model, make_batch, make_wrappers):
    model = make_model()
    wrappers = make_wrappers(model)
    wrappers['segmentor'].update_params = lambda loss: None  # leaves the source part's gradient only
    wrappers['segmentor'].backward = lambda loss: None
    model.train_step(make_batch(), wrappers)
    assert all(parameter.grad is None for parameter in model.segmentor.parameters())


def test_without_gradient_leaves_frozen_parameters_frozen(make_model):
    discriminator = make_model().discriminator
    frozen = next(discriminator.parameters()).requires_grad_(False)
    with pytest.raises(KeyError), without_gradient(discriminator):
        raise KeyError
    assert not frozen.requires_grad and sum(p.requires_grad for p in discriminator.parameters()) == 19


def test_no_target_label_reaches_a_loss(make_model, make_batch, make_wrappers):
    """A step on a target that carries (wrong) labels is the step on a target that carries none."""
    plain, labelled = make_model(), make_model()
    batch = make_batch()
    plain.train_step(make_batch(), make_wrappers(plain))
    for data_sample in batch['target']['data_samples']:
        data_sample.gt_sem_seg = PixelData(data=torch.zeros(1, 32, 48, dtype=torch.long))
    labelled.train_step(batch, make_wrappers(labelled))
    for name, value in plain.state_dict().items():
        assert torch.equal(value, labelled.state_dict()[name]), name


def test_accumulation_of_two_iterations_is_one_step_on_their_mean(make_model, make_batch, make_wrappers):
    """Two half batches, norm free, no ignored labels: the mean of their gradients is the gradient of the whole."""
    whole, halves = make_model(norm=None, levels=1), make_model(norm=None, levels=1)
    batch = make_batch()
    for data_sample in batch['source']['data_samples']:
        data_sample.gt_sem_seg.data %= 5
    parts = [
        {domain: {key: value[i : i + 1] for key, value in copy.deepcopy(batch[domain]).items()} for domain in batch}
        for i in range(2)
    ]
    whole.train_step(batch, make_wrappers(whole, lr=0.1))
    wrappers = make_wrappers(halves, lr=0.1, accumulative_counts=2)
    start = copy.deepcopy(halves.state_dict())
    halves.train_step(parts[0], wrappers)
    assert all(torch.equal(value, start[name]) for name, value in halves.state_dict().items())
    halves.train_step(parts[1], wrappers)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(halves.state_dict()[name], value, rtol=1e-9, atol=1e-12, msg=name)


def test_predicts_as_its_segmentor(make_model, make_batch):
    model = make_model().eval()
    side = make_batch()['source']
    predictions = model.val_step(copy.deepcopy(side))
    with torch.no_grad():
        images = (torch.stack(side['inputs']).double() - 120) / 60
        logits = upsampled(model.segmentor(images, mode='levels')['decode_head'], images.shape[2:])
    assert [p.pred_sem_seg.data.shape for p in predictions] == [(1, 64, 32)] * 2
    for i, prediction in enumerate(predictions):
        assert torch.equal(prediction.pred_sem_seg.data[0], logits[i].argmax(0))


def test_images_of_unlike_size_are_padded_within_their_domain(make_model, make_batch, make_wrappers):
    batch, small = make_batch(), make_batch(source=(40, 32), count=1, seed=5)
    batch['source'] = {key: [batch['source'][key][0], small['source'][key][0]] for key in batch['source']}
    model = make_model()
    data = model.data_preprocessor(copy.deepcopy(batch), True)
    assert data['source']['inputs'].shape == (2, 3, 64, 32) and data['target']['inputs'].shape == (2, 3, 32, 48)
    assert (data['source']['data_samples'][1].gt_sem_seg.data[:, 40:] == 255).all()
    assert torch.isfinite(model.train_step(batch, make_wrappers(model))['loss_seg'])


def test_starts_from_a_source_only_checkpoint(make_model, tmp_path):
    """Through torch, and through mmengine as `load_from` does."""
    model, segmentor = make_model(), copy.deepcopy(make_model().segmentor)
    for tensor in segmentor.state_dict().values():
        tensor.fill_(3)
    missing, unexpected = model.load_state_dict(segmentor.state_dict(), strict=False)
    assert unexpected == [] and all(name.startswith('discriminator.') for name in missing)
    assert all((tensor == 3).all() for tensor in model.segmentor.state_dict().values())

    torch.save({'state_dict': segmentor.state_dict()}, tmp_path / 'source_only.pth')
    model = make_model()
    load_checkpoint(model, str(tmp_path / 'source_only.pth'), logger='silent')
    assert all((tensor == 3).all() for tensor in model.segmentor.state_dict().values())

    separate = make_model(statistics_from='separate')  # the source's set of statistics starts there too
    load_checkpoint(separate, str(tmp_path / 'source_only.pth'), logger='silent', strict=False)
    assert len(separate.statistics.state_dict()) > 0
    assert all((tensor == 3).all() for tensor in separate.statistics.state_dict().values())

    several = {key.replace('segmentor.', 'segmentor.module.'): value for key, value in separate.state_dict().items()}
    other = make_model(statistics_from='separate')  # trained in several processes, loaded in one
    assert other.load_state_dict(several)
    assert all(torch.equal(tensor, other.state_dict()[key]) for key, tensor in separate.state_dict().items())

    adapted = make_model().state_dict()  # its own checkpoints load as they are
    assert model.load_state_dict(adapted) and torch.equal(
        model.state_dict()['segmentor.backbone.conv1.weight'], adapted['segmentor.backbone.conv1.weight']
    )


def test_clear_errors(make_model, make_batch, make_wrappers):
    with pytest.raises(ValueError, match='levels must name each head'):
        make_model(names=[{'head': 'decode_head'}])  # the auxiliary head is left out
    with pytest.raises(TypeError, match='lambda_avd'):
        make_model(levels=1, names=[{'head': 'decode_head', 'lambda_avd': 1}])
    with pytest.raises(ValueError, match='statistics_from must be one of'):
        make_model(statistics_from='tagret')
    with pytest.raises(ValueError, match="needs statistics_from='separate'"):
        make_model(evaluate_with='source')
    with pytest.raises(ValueError, match='kind must be one of'):
        make_model(loss_adversarial={'type': 'AdversarialLoss', 'kind': 'hinge'})
    with pytest.raises(RuntimeError, match="no mode 'loss'"):
        make_model()(torch.zeros(1, 3, 32, 32), mode='loss')
    with pytest.raises(KeyError, match='two-domain batch'):
        model = make_model()
        model.train_step({'source': make_batch()['source']}, make_wrappers(model))
    with pytest.raises(ValueError, match='16x48 pixels is below 32'):
        model = make_model()
        model.train_step(make_batch(target=(16, 48)), make_wrappers(model))


@pytest.mark.parametrize('method', METHODS, ids=lambda method: method.__name__)
def test_methods_are_registered_and_their_steps_are_short(method):
    assert MODELS.get(method.__name__) is method
    assert len(inspect.getsource(method.train_step).strip().splitlines()) <= 30


def test_arguments_that_no_method_has_are_refused(make_model):
    for method in METHODS:
        with pytest.raises(TypeError, match='statistic_from'):
            make_model(method.__name__, statistic_from='target')
