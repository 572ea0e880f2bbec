"""Rounds of self-training: labels and step against a second implementation, what resumes, what several processes do."""

import copy
import inspect
import json
import logging
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS
from PIL import Image
from test_adaptsegnet import cross_entropy_by_hand, network_by_hand, upsampled
from tiny_networks import sample, side, tiny_config
from torch.utils.data import Dataset

from sw_mmseg.adaptation import ClassBalancedSelfTraining, PseudoLabelError, PseudoLabelFiles
from sw_mmseg.engine import PseudoLabelRoundsHook

METHOD, SIZE, COUNT = 'ClassBalancedSelfTraining', (32, 48), 5
PATHS = [f'/target/{name}.jpg' for name in 'abcde']
PLAIN = {'warmup': 0, 'augmentation': None, 'zoom': 1.0, 'statistics_images': 0}


class Target(Dataset):
    """Five images without labels, packed, always the same."""

    pipeline = SimpleNamespace(transforms=[])

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        state = torch.get_rng_state()
        _, packed = sample(SIZE, labelled=False)
        torch.set_rng_state(state)
        packed.set_metainfo({'img_path': PATHS[index]})
        image = torch.randint(0, 256, (3, *SIZE), dtype=torch.uint8, generator=generator)
        return {'inputs': image // (index + 1), 'data_samples': packed}

    def get_data_info(self, index):
        return {'img_path': PATHS[index]}


@DATASETS.register_module(force=True)
class Pairs(Dataset):
    metainfo = {'classes': tuple('abcde'), 'palette': [[40 * index, 0, 0] for index in range(5)]}

    def __init__(self):
        self.target = Target()

    def __len__(self):
        return 6

    def __getitem__(self, index):
        torch.manual_seed(index)
        source = {key: value[0] for key, value in side(SIZE, 1, labelled=True).items()}
        return {'source': source, 'target': self.target[index % COUNT]}


def build(**kwargs):
    torch.manual_seed(1)
    model = MODELS.build({**tiny_config(METHOD), **PLAIN, **kwargs}).double()
    for parameter in model.segmentor.parameters():  # away from the small initial classifiers
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.segmentor.backbone.norm.running_mean.uniform_(-0.2, 0.2)
    return model.train()


def with_files(model, folder):
    model.files = PseudoLabelFiles(folder, PATHS, Pairs.metainfo['palette'])
    return model


def wrappers_of(model, lr=1.0):
    """Plain descent: with lr 1 parameters change by exactly their gradient."""
    return OptimWrapperDict(segmentor=OptimWrapper(torch.optim.SGD(model.segmentor.parameters(), lr=lr)))


def batch_of(*indices):
    data = Pairs()
    items = [data[index] for index in indices]
    return {domain: {key: [item[domain][key] for item in items] for key in ('inputs', 'data_samples')}
            for domain in ('source', 'target')}


def eval_network(parameters, buffers, image):
    """Main logits with running statistics: `network_by_hand` normalises by the batch, so the norm is turned into one
    whose batch statistics cancel."""
    x = torch.nn.functional.conv2d(image, parameters['backbone.conv1.weight'], parameters['backbone.conv1.bias'], 2, 1)
    shape = (1, -1, 1, 1)
    x = (x - buffers['backbone.norm.running_mean'].view(shape)) / (
        buffers['backbone.norm.running_var'].view(shape) + 1e-5).sqrt()
    x = x * parameters['backbone.norm.weight'].view(shape) + parameters['backbone.norm.bias'].view(shape)
    x = torch.nn.functional.conv2d(
        x.relu(), parameters['backbone.conv2.weight'], parameters['backbone.conv2.bias'], 2, 1).relu()
    return sum(torch.nn.functional.conv2d(
        x, parameters[f'decode_head.classifiers.{i}.weight'], parameters[f'decode_head.classifiers.{i}.bias'],
        padding=i + 1, dilation=i + 1) for i in range(4))


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
    found = torch.stack([model.files.read(1, path) for path in PATHS])
    # levels are 0.5 % of 1 - p apart: a few pixels at a threshold are kept together
    assert ((found == 255) | (found == labels)).all() and (found != expected).double().mean() < 0.01
    assert ((expected == 255) | (found == expected)).all()  # at least the share
    assert manifest['pixels'] == [int((labels == number).sum()) for number in range(5)]
    assert manifest['kept'] == [int((found == number).sum()) for number in range(5)]
    assert manifest == {key: value for key, value in json.loads(
        (tmp_path / 'round_1/round.json').read_text()).items() if key != 'images'}
    assert model.round == 1 and model.thresholds.tolist() == manifest['thresholds']
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    assert set(changed) == {'round', 'thresholds'}
    assert model.segmentor.training and model.segmentor.backbone.norm.training


def step_by_hand(model, batch, labels):
    """Losses and gradients: source, and target images with their round's labels."""
    seg = {name: p.detach().clone().requires_grad_() for name, p in model.segmentor.named_parameters()}
    images = {k: (torch.stack(batch[k]['inputs']).double() - 120) / 60 for k in ('source', 'target')}
    truth = torch.stack([s.gt_sem_seg.data[0] for s in batch['source']['data_samples']])
    log, total = {}, 0
    maps = {domain: network_by_hand(seg, x) for domain, x in images.items()}
    for name, factor in (('decode_head', 1.0), ('auxiliary_head', 0.1)):
        prefix = '' if name == 'decode_head' else f'{name}.'
        log[f'{prefix}loss_seg'] = cross_entropy_by_hand(upsampled(maps['source'][name], SIZE), truth)
        log[f'{prefix}loss_target'] = cross_entropy_by_hand(upsampled(maps['target'][name], SIZE), labels)
        total = total + factor * (log[f'{prefix}loss_seg'] + 0.7 * log[f'{prefix}loss_target'])
    return log, dict(zip(seg, torch.autograd.grad(total, list(seg.values()))))


def test_step_equals_the_formulas(tmp_path, monkeypatch):
    model = with_files(build(target_weight=0.7), tmp_path)
    model.begin_round(Target())
    monkeypatch.setattr('sw_mmseg.adaptation.cbst.random_views',
                        lambda images, labels, generators, zoom: (images, labels))
    before, batch = copy.deepcopy(model), batch_of(1, 3)
    labels = torch.stack([model.files.read(1, PATHS[index]) for index in (1, 3)])
    expected, gradients = step_by_hand(before, batch_of(1, 3), labels)
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


def test_before_the_first_round_the_target_changes_nothing():
    models = [build(warmup=2, statistics_from='both') for _ in range(2)]
    for index, model in enumerate(models):
        batch = batch_of(0, 1)
        if index:
            batch['target']['inputs'] = [255 - image for image in batch['target']['inputs']]
        log = model.train_step(batch, wrappers_of(model, lr=0.1))
        assert set(log) == {'loss_seg', 'acc_seg', 'auxiliary_head.loss_seg', 'auxiliary_head.acc_seg'}
    for one, other in zip(models[0].state_dict().values(), models[1].state_dict().values()):
        assert torch.equal(one, other)


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


def run(work_dir, iterations, norm='bn', accumulate=1, resume=False, hook=None):
    config = tiny_config(METHOD, norm=norm, statistics_from='separate')  # a warm-up of 1, rounds of 2
    runner = Runner(
        model=config,
        work_dir=str(work_dir),
        train_dataloader={
            'dataset': {'type': 'Pairs'}, 'batch_size': 2, 'num_workers': 0,
            'sampler': {'type': 'InfiniteSampler', 'shuffle': True, 'seed': 3},
            'collate_fn': {'type': 'pseudo_collate'}},
        train_cfg={'type': 'IterBasedTrainLoop', 'max_iters': iterations},
        optim_wrapper={'constructor': 'DomainOptimWrapperConstructor', 'segmentor': {
            'type': 'OptimWrapper', 'optimizer': {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9},
            'accumulative_counts': accumulate}},
        default_hooks={'checkpoint': {'type': 'CheckpointHook', 'interval': 1, 'by_epoch': False},
                       'logger': {'type': 'LoggerHook', 'interval': 10}},
        custom_hooks=[hook or {'type': 'PseudoLabelRoundsHook', 'batch_size': 2}],
        randomness={'seed': 4}, resume=resume, log_level='ERROR', default_scope='mmseg',
        experiment_name=f'{work_dir.name}-{iterations}-{resume}')
    runner.train()
    return torch.load(work_dir / f'iter_{iterations}.pth', weights_only=False)['state_dict']


@pytest.mark.parametrize('norm, accumulate, stop', [
    ('sw', 1, 1), ('sw', 1, 2), ('sw', 1, 3),  # where the first round begins, within it, where the second begins
    ('bn', 2, 2)])
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
            one, other = ((tmp_path / f'{part}/pseudo_labels/round_{number}/{name}').read_bytes()
                          for part in ('whole', 'parts'))
            assert one == other
    rounds = [json.loads((tmp_path / f'whole/pseudo_labels/round_{number}/round.json').read_text())
              for number in (1, 2)]
    assert [(entry['iteration'], entry['share']) for entry in rounds] == [(1, 0.5), (3, 0.8)]
    assert not torch.equal(whole['segmentor.backbone.conv1.weight'],
                           run(tmp_path / 'short', 3, norm, accumulate)['segmentor.backbone.conv1.weight'])


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
    model.restart()
    assert (model.iteration, model.round, model.next_round()) == (0, 0, None)


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
        return SimpleNamespace(model=model or build(), work_dir=str(tmp_path), iter=0,
                               logger=logging.getLogger('rounds'), train_dataloader=SimpleNamespace(dataset=data))

    def test_rounds_are_reported_and_collapse_is_warned_of(self, tmp_path, caplog):
        runner = self.runner(tmp_path)
        hook = PseudoLabelRoundsHook(batch_size=2)
        hook.before_train(runner)
        with caplog.at_level(logging.INFO):
            hook.before_train_iter(runner, 0)
        line, = caplog.messages
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
