"""The step of self-training against a second implementation, written from the formulas; teacher and policies."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import load_checkpoint
from mmseg.registry import MODELS
from torch import nn

from sw_mmseg.adaptation import MeanTeacher
from sw_mmseg.adaptation.class_mix import class_masks
from tests.adaptation.by_hand import cross_entropy_by_hand, network_by_hand, upsampled
from tests.helpers.tiny_networks import tiny_config, two_domain_batch

SIZE = (32, 48)
PLAIN = {'threshold': 0.968, 'alpha': 0.99, 'warmup': 0, 'augmentation': None, 'masking': None}


def build(**kwargs):
    torch.manual_seed(1)
    model = MODELS.build({**tiny_config('SelfTraining'), **PLAIN, **kwargs}).double()
    for parameter in model.segmentor.parameters():  # away from the small initial classifiers
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.train()


def wrappers_of(model, lr=1.0, **kwargs):
    """Plain descent: with lr 1 parameters change by exactly their gradient."""
    return OptimWrapperDict(segmentor=OptimWrapper(torch.optim.SGD(model.segmentor.parameters(), lr=lr), **kwargs))


def batch_of(seed=0, count=2):
    return two_domain_batch(source=SIZE, target=SIZE, count=count, seed=seed)


def weighted_by_hand(logits, labels, weights):
    """Mean over all pixels of -w log softmax at the label; there is no ignored one among them."""
    log_softmax = logits - logits.exp().sum(1, keepdim=True).log()
    picked = log_softmax.gather(1, labels[:, None])[:, 0]
    return -(weights * picked).sum() / labels.numel()


def step_by_hand(model, batch, masks, seen):
    """Losses and gradients, given which pixels are pasted and which stay visible."""
    seg = {name: p.detach().clone().requires_grad_() for name, p in model.segmentor.named_parameters()}
    images = {k: (torch.stack(batch[k]['inputs']).double() - 120) / 60 for k in ('source', 'target')}
    truth = torch.stack([s.gt_sem_seg.data[0] for s in batch['source']['data_samples']])
    # the first update copies the student, and DACS' teacher normalises with its batch
    teacher = upsampled(network_by_hand(seg, images['target'])['decode_head'], SIZE).softmax(1).detach()
    probability, pseudo = teacher.max(1)
    share = (probability > 0.45).double().mean((1, 2))
    weights = share[:, None, None].expand(-1, *SIZE).clone()
    weights[:, :3] = 0
    weights[:, -5:] = 0
    mixed = torch.where(masks[:, None], images['source'], images['target'])
    log, total = {'pseudo_share': share.mean(), 'pseudo_classes': torch.tensor(float(len(pseudo.unique())))}, 0
    maps = [network_by_hand(seg, x) for x in (images['source'], mixed, images['target'] * seen[:, None])]
    for name, factor in (('decode_head', 1.0), ('auxiliary_head', 0.1)):
        prefix = '' if name == 'decode_head' else f'{name}.'
        source, mix, mask = (upsampled(map_[name], SIZE) for map_ in maps)
        losses = {
            'loss_seg': cross_entropy_by_hand(source, truth),
            'loss_mix': weighted_by_hand(mix, torch.where(masks, truth, pseudo), torch.where(masks, 1.0, weights)),
            'loss_mask': weighted_by_hand(mask, pseudo, weights),
        }
        log |= {prefix + key: value for key, value in losses.items()}
        total = total + factor * (losses['loss_seg'] + 0.7 * (losses['loss_mix'] + 0.5 * losses['loss_mask']))
    return log, dict(zip(seg, torch.autograd.grad(total, list(seg.values()))))


def test_step_equals_the_formulas():
    model = build(threshold=0.45, target_weight=0.7, ignore_rows=(3, 5), masking={'block': 8, 'weight': 0.5})
    before, batch = copy.deepcopy(model), batch_of()
    truth = torch.stack([s.gt_sem_seg.data[0] for s in batch['source']['data_samples']])
    drawn = model.generators(2)
    masks = class_masks(truth, drawn['mix'])
    seen = model.masking(torch.ones(2, 1, *SIZE), drawn['mask'])[:, 0].double()
    expected, gradients = step_by_hand(before, batch_of(), masks, seen)
    assert 0.02 < expected['pseudo_share'] < 0.98 and 0.1 < masks.double().mean() < 0.9 and 0.1 < seen.mean() < 0.6

    log = model.train_step(batch, wrappers_of(model))
    assert set(log) - {'acc_seg', 'auxiliary_head.acc_seg'} == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(log[name].double(), value.detach().double(), rtol=1e-9, atol=1e-9, msg=name)
        assert not log[name].requires_grad
    new = dict(model.segmentor.named_parameters())
    for name, gradient in gradients.items():
        assert gradient.abs().max() > 0, name
        difference = before.segmentor.state_dict()[name] - new[name]
        torch.testing.assert_close(difference, gradient, rtol=1e-7, atol=1e-9, msg=name)


def test_warmup_learns_from_the_source_alone():
    """Until it is over, target images change nothing but statistics; then they do."""
    models = [build(warmup=1, threshold=0.1, statistics_from='source') for _ in range(2)]
    for iteration in range(2):
        for index, model in enumerate(models):
            batch = batch_of(iteration)
            if index:
                batch['target']['inputs'] = [255 - image for image in batch['target']['inputs']]
            model.train_step(batch, wrappers_of(model, lr=0.1))
        one, other = (torch.cat([p.flatten() for p in model.segmentor.parameters()]) for model in models)
        assert torch.equal(one, other) == (iteration == 0)


def test_teacher_is_the_average_it_says():
    """Updates keep 0, 1/2, 2/3, then alpha = 0.7 of the average; counters are copied; gradients never reach it."""
    student = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1)).double()
    teacher, values, expected = MeanTeacher(student, alpha=0.7), (3.0, 5.0, 13.0, 1.0), (3.0, 4.0, 7.0, 5.2)
    for count, (value, average) in enumerate(zip(values, expected), 1):
        nn.init.constant_(student[0].weight, value)
        nn.init.constant_(student[1].running_mean, 10 * value)
        student[1].num_batches_tracked.fill_(count)
        teacher.update(student)
        torch.testing.assert_close(teacher.network[0].weight.item(), average)
        torch.testing.assert_close(teacher.network[1].running_mean.item(), 10 * average)
        assert teacher.network[1].num_batches_tracked == count == teacher.updates
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert not teacher.train().training and not teacher.network[1].training


@pytest.mark.parametrize('statistics', ['batch', 'running'])
def test_teacher_labels_with_the_statistics_it_is_told(statistics):
    model = build(teacher_statistics=statistics, threshold=0.3)
    model.train_step(batch_of(), wrappers_of(model, lr=0.01))
    model.teacher.update(model.segmentor)
    images = torch.randn(3, 3, *SIZE).double()
    state = copy.deepcopy(model.teacher.state_dict())
    logits = model.teacher.logits(images)
    reference = copy.deepcopy(model.teacher.network).train(statistics == 'batch')
    torch.testing.assert_close(logits, reference(images, mode='tensor'), rtol=1e-9, atol=1e-9)
    assert torch.equal(logits[:1], model.teacher.logits(images[:1])) == (statistics == 'running')
    assert all(torch.equal(value, state[name]) for name, value in model.teacher.state_dict().items())
    assert not any(module.training for module in model.teacher.modules())


@pytest.mark.parametrize('policy, moves', [('source', 1), ('target', 1), ('both', 2), ('separate', 1), ('frozen', 0)])
def test_masked_images_move_no_statistics(policy, moves):
    running = {'teacher_statistics': 'running'} if policy == 'frozen' else {}
    model = build(statistics_from=policy, masking={'block': 8}, **running)
    model.train_step(batch_of(), wrappers_of(model))
    assert model.segmentor.backbone.norm.num_batches_tracked == moves
    assert model.segmentor.backbone.norm.training and model.segmentor.backbone.norm.track_running_stats
    if policy == 'separate':
        assert model.statistics.get_buffer('source/backbone/norm/num_batches_tracked') == 1


def test_evaluation_is_the_students_or_the_teachers():
    model = build().eval()
    images = torch.randn(1, 3, *SIZE).double()
    with torch.no_grad():
        for parameter in model.teacher.parameters():
            parameter.mul_(2)
        assert torch.equal(model(images), model.segmentor(images))
        model.evaluate_model = 'teacher'
        assert torch.equal(model(images), model.teacher.network(images))
        assert not torch.allclose(model(images), model.segmentor(images))
    with pytest.raises(RuntimeError, match="no mode 'loss'"):
        model(images, mode='loss')


def test_starts_from_a_source_only_checkpoint(tmp_path):
    """The teacher follows with its first update."""
    segmentor, model = copy.deepcopy(build().segmentor), build()
    for tensor in segmentor.state_dict().values():
        tensor.fill_(3)
    torch.save({'state_dict': segmentor.state_dict()}, tmp_path / 'source_only.pth')
    load_checkpoint(model, str(tmp_path / 'source_only.pth'), logger='silent')
    assert all((tensor == 3).all() for tensor in model.segmentor.state_dict().values())
    model.teacher.update(model.segmentor)
    assert all((tensor == 3).all() for tensor in model.teacher.network.state_dict().values())


def test_a_new_run_from_a_checkpoint_warms_up_with_its_own_seed():
    """As from the same student without a past: the same draws, losses, teacher and weights."""
    past = build(warmup=2)
    past.teacher.updates.fill_(4000)
    past.seed.fill_(99)
    for parameter in past.teacher.parameters():
        parameter.data += 1
    begun, fresh = build(warmup=2), build(warmup=2)
    begun.load_state_dict(past.state_dict())
    begun.restart()
    fresh.segmentor.load_state_dict(past.segmentor.state_dict())
    assert begun.seed == fresh.seed == 1 and begun.teacher.updates == 0
    for _ in range(3):
        for model in (begun, fresh):
            model.train_step(batch_of(7), wrappers_of(model, lr=0.1))
    state = fresh.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in begun.state_dict().items())


def test_augmented_images_differ_and_the_teacher_sees_clean_ones():
    """Augmentation changes the student's losses on mixed images, and no pseudo-label."""
    logs = [
        build(augmentation=augmentation, threshold=0.45).train_step(batch_of(), wrappers_of(build()))
        for augmentation in (None, {'blur_probability': 1.0})
    ]
    assert logs[0]['loss_mix'] != logs[1]['loss_mix'] and logs[0]['loss_seg'] == logs[1]['loss_seg']
    assert logs[0]['pseudo_share'] == logs[1]['pseudo_share']


def test_clear_errors():
    model = build()
    with pytest.raises(ValueError, match='of one size: source .*64, 32.*Crop both'):
        model.train_step(two_domain_batch(), wrappers_of(model))
    for match, kwargs in {
        'alpha must lie in': {'alpha': 1.0},
        'teacher_statistics must be one of': {'teacher_statistics': 'btach'},
        'evaluate_model must be one of': {'evaluate_model': 'pupil'},
        "no source's set": {'evaluate_model': 'teacher', 'statistics_from': 'separate', 'evaluate_with': 'source'},
        "needs teacher_statistics='running'": {'statistics_from': 'frozen'},
        'masking needs block': {'masking': {'ratio': 2.0}},
        'levels must name each head': {'levels': [{'head': 'decode_head'}]},
    }.items():
        with pytest.raises(ValueError, match=match):
            build(**kwargs)
    with pytest.raises(TypeError, match='bloc'):
        build(masking={'bloc': 3})
