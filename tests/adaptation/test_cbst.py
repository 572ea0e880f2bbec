"""Self-training in rounds: labels and step against a second implementation."""

import copy
import inspect
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sw_mmseg.adaptation import ClassBalancedSelfTraining, PseudoLabelError, class_mix
from tests.adaptation.by_hand import cross_entropy_by_hand, network_by_hand, upsampled
from tests.adaptation.cbst_target import COUNT, PATHS, SIZE, Target, batch_of, build, with_files, wrappers_of


def eval_network(parameters, buffers, image):
    """Main logits with running statistics, where `network_by_hand` normalises by the batch."""
    x = F.conv2d(image, parameters['backbone.conv1.weight'], parameters['backbone.conv1.bias'], 2, 1)
    shape = (1, -1, 1, 1)
    x = (x - buffers['backbone.norm.running_mean'].view(shape)) / (
        buffers['backbone.norm.running_var'].view(shape) + 1e-5
    ).sqrt()
    x = x * parameters['backbone.norm.weight'].view(shape) + parameters['backbone.norm.bias'].view(shape)
    x = F.conv2d(x.relu(), parameters['backbone.conv2.weight'], parameters['backbone.conv2.bias'], 2, 1).relu()
    return sum(
        F.conv2d(
            x,
            parameters[f'decode_head.classifiers.{i}.weight'],
            parameters[f'decode_head.classifiers.{i}.bias'],
            padding=i + 1,
            dilation=i + 1,
        )
        for i in range(4)
    )


def labels_by_hand(model, share):
    """Labels (5, H, W) and those that are kept, by sorting the pixels of each class."""
    state, images = model.segmentor.state_dict(), [Target()[index]['inputs'] for index in range(COUNT)]
    probabilities = []
    for image in images:
        image = (image.double()[None] - 120) / 60
        plain, mirror = (upsampled(eval_network(state, state, x), SIZE).softmax(1) for x in (image, image.flip(-1)))
        probabilities.append(((plain + mirror.flip(-1)) / 2)[0])
    sure, labels = torch.stack(probabilities).max(1)
    kept = torch.full_like(labels, 255)
    for number in range(5):
        values = sure[labels == number].sort(descending=True).values
        if len(values):
            threshold = values[int(np.ceil(share * len(values))) - 1]
            kept[(labels == number) & (sure >= threshold)] = number
    return labels, kept


def test_a_round_labels_every_image_and_keeps_the_surest_share_of_each_class(tmp_path):
    model = with_files(build(), tmp_path)
    before = copy.deepcopy(model.state_dict())
    labels, expected = labels_by_hand(model, 0.5)
    assert len(labels.unique()) >= 3
    manifest = model.begin_round(Target())
    round_labels = torch.stack([model.files.read(1, path) for path in PATHS])
    # levels are 0.5 % of 1 - p apart: a few pixels at a threshold are kept together
    assert ((round_labels == 255) | (round_labels == labels)).all()
    assert (round_labels != expected).double().mean() < 0.01
    assert ((expected == 255) | (round_labels == expected)).all()  # at least the share
    assert manifest['pixels'] == [int((labels == number).sum()) for number in range(5)]
    assert manifest['kept'] == [int((round_labels == number).sum()) for number in range(5)]
    assert manifest == {
        key: value
        for key, value in json.loads((tmp_path / 'round_1/round.json').read_text()).items()
        if key != 'images'
    }
    assert model.round == 1 and model.thresholds.tolist() == manifest['thresholds']
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    assert set(changed) == {'round', 'thresholds'}
    assert model.segmentor.training and model.segmentor.backbone.norm.training


def step_by_hand(model, batch, labels, pasted=()):
    """Losses and gradients: source, and target images with their round's labels, and classes of the source on them."""
    seg = {name: p.detach().clone().requires_grad_() for name, p in model.segmentor.named_parameters()}
    images = {k: (torch.stack(batch[k]['inputs']).double() - 120) / 60 for k in ('source', 'target')}
    truth = torch.stack([s.gt_sem_seg.data[0] for s in batch['source']['data_samples']])
    for chosen in pasted:
        images['target'] = torch.where((truth == chosen)[:, None], images['source'], images['target'])
        labels = torch.where(truth == chosen, truth, labels)
    log, total = {}, 0
    maps = {domain: network_by_hand(seg, x) for domain, x in images.items()}
    for name, factor in (('decode_head', 1.0), ('auxiliary_head', 0.1)):
        prefix = '' if name == 'decode_head' else f'{name}.'
        log[f'{prefix}loss_seg'] = cross_entropy_by_hand(upsampled(maps['source'][name], SIZE), truth)
        log[f'{prefix}loss_target'] = cross_entropy_by_hand(upsampled(maps['target'][name], SIZE), labels)
        total = total + factor * (log[f'{prefix}loss_seg'] + 0.7 * log[f'{prefix}loss_target'])
    return log, dict(zip(seg, torch.autograd.grad(total, list(seg.values()))))


@pytest.mark.parametrize('pasted', [(), (0, 2)], ids=['target', 'mixed'])
def test_step_equals_the_formulas(tmp_path, monkeypatch, pasted):
    model = with_files(build(target_weight=0.7, class_mix=bool(pasted)), tmp_path)
    model.begin_round(Target())
    monkeypatch.setattr(
        'sw_mmseg.adaptation.cbst.random_views', lambda images, labels, generators, zoom: (images, labels)
    )
    monkeypatch.setattr(class_mix, 'choose_classes', lambda labels, *_: labels.new_tensor(pasted))
    before, batch = copy.deepcopy(model), batch_of(1, 3)
    labels = torch.stack([model.files.read(1, PATHS[index]) for index in (1, 3)])
    expected, gradients = step_by_hand(before, batch_of(1, 3), labels, pasted)
    log = model.train_step(batch, wrappers_of(model))
    assert {name for name in log if 'loss' in name} == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(log[name].double(), value.detach(), rtol=1e-9, atol=1e-9, msg=name)
    assert log['pseudo_share'] == (labels != 255).float().mean() and 0.4 < log['pseudo_share'] < 0.6
    assert log['pseudo_classes'] == len(labels[labels != 255].unique())
    new = dict(model.segmentor.named_parameters())
    for name, gradient in gradients.items():
        difference = before.segmentor.state_dict()[name] - new[name]
        torch.testing.assert_close(difference, gradient, rtol=1e-7, atol=1e-9, msg=name)


@pytest.mark.parametrize('policy', ['both', 'target', 'source', 'separate', 'frozen'])
def test_before_the_first_round_the_target_changes_nothing_and_the_source_stands_in_for_its_statistics(policy):
    models = [build(warmup=2, statistics_from=policy) for _ in range(2)]
    for index, model in enumerate(models):
        batch = batch_of(0, 1)
        if index:
            batch['target']['inputs'] = [255 - image for image in batch['target']['inputs']]
        log = model.train_step(batch, wrappers_of(model, lr=0.1))
        assert set(log) == {'loss_seg', 'acc_seg', 'auxiliary_head.loss_seg', 'auxiliary_head.acc_seg'}
    for one, other in zip(models[0].state_dict().values(), models[1].state_dict().values()):
        assert torch.equal(one, other)
    moved = models[0].segmentor.backbone.norm.num_batches_tracked
    assert moved == (0 if policy in ('frozen', 'separate') else 1)  # 'separate' moves the source's set


def test_views_and_light_differ_from_image_to_image_and_iteration_to_iteration(tmp_path):
    model = with_files(build(augmentation={}, zoom=2.0), tmp_path)
    images = torch.rand(1, 3, *SIZE).double().repeat(3, 1, 1, 1)
    labels = torch.zeros(3, *SIZE, dtype=torch.long)
    first, _ = model.disturb(images, labels)
    assert torch.equal(first, model.disturb(images, labels)[0])
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[1], first[2])
    model.iteration += 1
    assert not torch.equal(first, model.disturb(images, labels)[0])


@pytest.mark.parametrize('policy', ['target', 'both', 'separate', 'source', 'frozen'])
def test_statistics_are_the_targets_before_it_labels_unless_the_policy_forbids(policy, tmp_path):
    """The pooled mean over all images, of what enters the norm, worked out in one go."""
    model = with_files(build(statistics_images=5, statistics_from=policy), tmp_path)
    before = copy.deepcopy(model.state_dict())
    model.begin_round(Target(), batch_size=2)
    norm, moved = model.segmentor.backbone.norm, policy not in ('source', 'frozen')
    if moved:
        images = torch.stack([Target()[index]['inputs'] for index in range(COUNT)]).double()
        values = model.segmentor.backbone.conv1((images - 120) / 60)
        torch.testing.assert_close(norm.running_mean, values.mean((0, 2, 3)), rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(norm.running_var, values.var((0, 2, 3)), rtol=1e-6, atol=1e-8)
    else:
        assert torch.equal(norm.running_mean, before['segmentor.backbone.norm.running_mean'])
    if policy == 'separate':
        key = 'statistics.source/backbone/norm/running_mean'
        assert torch.equal(model.state_dict()[key], before[key])


def test_rounds_begin_when_they_are_due():
    model = build(warmup=3, round_length=2, shares=[0.3, 0.5, 0.6])
    due = []
    for iteration in range(12):
        model.iteration.fill_(iteration)
        due.append(model.next_round())
    assert due == [None, None, None, 1, None, 2, None, 3, None, None, None, None]  # the last one goes on


def test_clear_errors(tmp_path):
    for match, kwargs in {
        'one in .0, 1. for each round, growing': {'shares': [0.5, 0.4]},
        'one in': {'shares': [0.0]},
        'round_length and zoom at least 1': {'zoom': 0.5},
        'levels must name each head': {'levels': [{'head': 'decode_head'}]},
    }.items():
        with pytest.raises(ValueError, match=match):
            build(**kwargs)
    model = build()
    model.round.fill_(1)
    with pytest.raises(PseudoLabelError, match='custom_hooks needs .*PseudoLabelRoundsHook'):
        model.train_step(batch_of(0, 1), wrappers_of(model))
    with_files(model, tmp_path).files.start(1)
    model.files.write(1, PATHS[0], torch.zeros(3, 4))
    with pytest.raises(PseudoLabelError, match=r'pseudo-labels of \[\(3, 4\)\] pixels for images of \(32, 48\)'):
        model.train_step(batch_of(0), wrappers_of(model))


def test_its_step_is_short():
    assert len(inspect.getsource(ClassBalancedSelfTraining.train_step).strip().splitlines()) <= 30


@pytest.mark.parametrize('weighted', [False, True])
def test_classes_weigh_alike_on_the_target_unless_told_otherwise(weighted):
    model = build(target_class_weights=weighted)
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0, 8.0])
    for head in model.heads().values():
        head.loss_decode.class_weight, head.loss_decode.avg_non_ignore = weights.tolist(), False
    generator = torch.Generator().manual_seed(0)
    logits = {name: torch.randn(2, 5, *SIZE, generator=generator) for name in model.heads()}
    labels = torch.randint(5, (2, *SIZE), generator=generator)
    labels[:, : SIZE[0] // 2] = 255
    losses = model.target_loss(logits, labels).values
    for name, value in losses.items():
        terms = F.cross_entropy(logits[name].double(), labels, ignore_index=255, reduction='none')[labels != 255]
        weight = weights.double()[labels[labels != 255]] if weighted else torch.ones_like(terms)
        expected = (weight * terms).sum() / weight.sum()
        torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-6)


def test_without_a_kept_label_the_target_teaches_nothing():
    model = build()
    logits = {name: torch.randn(1, 5, *SIZE, requires_grad=True) for name in model.heads()}
    loss = model.target_loss(logits, torch.full((1, *SIZE), 255)).total
    gradients = torch.autograd.grad(loss, list(logits.values()))
    assert loss == 0 and not any(gradient.any() for gradient in gradients)
