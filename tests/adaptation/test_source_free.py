"""Self-training without a source: the step against a second implementation, and what it is not given."""

import copy

import pytest
import torch
from mmseg.registry import DATASETS, MODELS

from tests.adaptation.by_hand import cross_entropy_by_hand, network_by_hand, upsampled
from tests.adaptation.cbst_target import METHOD, PATHS, PLAIN, SIZE, Target, batch_of, with_files, wrappers_of
from tests.helpers.own_folders import write_folders
from tests.helpers.tiny_networks import tiny_config


def build(**kwargs):
    torch.manual_seed(1)
    config = {**tiny_config(METHOD), **PLAIN, 'type': 'SourceFreeSelfTraining', **kwargs}
    model = MODELS.build(config).double()
    for parameter in model.segmentor.parameters():  # away from the small initial classifiers
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.train()


@pytest.mark.parametrize('in_a_round', [True, False])
def test_step_equals_the_formula(tmp_path, monkeypatch, in_a_round):
    model = with_files(build(target_weight=0.7), tmp_path)
    monkeypatch.setattr(
        'sw_mmseg.adaptation.cbst.random_views', lambda images, labels, generators, zoom: (images, labels)
    )
    before, batch = copy.deepcopy(model), batch_of(1, 3)['target']
    seg = {name: p.detach().clone().requires_grad_() for name, p in model.segmentor.named_parameters()}
    images = (torch.stack(batch['inputs']).double() - 120) / 60
    maps = {head: upsampled(logits, SIZE) for head, logits in network_by_hand(seg, images).items()}
    labels = maps['decode_head'].argmax(1)
    if in_a_round:
        model.begin_round(Target())
        labels = torch.stack([model.files.read(1, PATHS[index]) for index in (1, 3)])
    losses = {head: cross_entropy_by_hand(logits, labels) for head, logits in maps.items()}
    total = 0.7 * (losses['decode_head'] + 0.1 * losses['auxiliary_head'])
    gradients = dict(zip(seg, torch.autograd.grad(total, list(seg.values()))))
    log = model.train_step(batch, wrappers_of(model))
    assert set(log) == {'loss_target', 'pseudo_share', 'pseudo_classes'}
    torch.testing.assert_close(log['loss_target'].double(), losses['decode_head'].detach(), rtol=1e-9, atol=1e-9)
    assert log['pseudo_share'] == (labels != 255).float().mean() and (log['pseudo_share'] == 1) != in_a_round
    assert log['pseudo_classes'] == len(labels[labels != 255].unique())
    new = dict(model.segmentor.named_parameters())
    for name, gradient in gradients.items():
        difference = before.segmentor.state_dict()[name] - new[name]
        torch.testing.assert_close(difference, gradient, rtol=1e-7, atol=1e-9, msg=name)
    assert model.iteration == 1 and model.segmentor.backbone.norm.num_batches_tracked == (1 if in_a_round else 2)


def test_training_on_a_source_first_is_refused():
    assert build().next_round() == 1  # at once
    with pytest.raises(ValueError, match='leave it at 0'):
        build(warmup=3)
    with pytest.raises(ValueError, match='class_mix pastes pieces of labelled source images'):
        build(class_mix=True)


def test_target_images_alone_come_in_order_and_without_labels(tmp_path):
    root = write_folders(tmp_path)
    load, pack = dict(type='LoadImage'), dict(type='PackSegInputs')
    target = dict(type='UnlabelledImages', data_root=str(root / 'target'), pipeline=[load, pack])
    alone = DATASETS.build(dict(type='TargetAlone', target=target, classes={'classes': {'one': 1, 'two': 2}}, seed=0))
    assert alone.metainfo['classes'] == ('one', 'two') and len(alone.metainfo['palette']) == 2
    assert {alone[n]['data_samples'].img_path for n in range(4)} == {str(root / f'target/{n}.jpg') for n in range(4)}
    labelled = dict(
        type='LabelledImages',
        images=str(root / 'source/images'),
        labels=str(root / 'source/labels'),
        classes={'classes': {'one': 1, 'two': 2}},
        pipeline=[load, dict(type='LoadLabels'), pack],
    )
    wrong = DATASETS.build(dict(type='TargetAlone', target=labelled, classes={'classes': {'one': 1, 'two': 2}}, seed=0))
    with pytest.raises(ValueError, match='brought labels'):
        wrong[0]
