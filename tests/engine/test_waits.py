"""Segmentors whose steps are recorded, and those that are refused, by the operation for which a host would wait."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.engine.recorded_step import RecordedStep
from sw_mmseg.engine.waits import Waits, WaitsForDevice
from tests.helpers.config_runs import load
from tests.helpers.recordable import Recordable
from tests.helpers.tape import recorder_of
from tests.helpers.tiny_networks import side

CPU, META = torch.device('cpu'), torch.device('meta')
CROSS_ENTROPY = {'type': 'CrossEntropyLoss', 'avg_non_ignore': True}


def segmentor(loss=None, **head):
    """Two convolutions and SW, a head of mmseg, and another."""
    torch.manual_seed(0)
    init_default_scope('mmseg')
    common = {
        'type': 'FCNHead',
        'num_convs': 1,
        'num_classes': 5,
        'channels': 4,
        'norm_cfg': {'type': 'SW', 'group_size': 2},
    }
    return MODELS.build(
        {
            'type': 'EncoderDecoder',
            'data_preprocessor': {
                'type': 'SegDataPreProcessor',
                'mean': [120.0] * 3,
                'std': [60.0] * 3,
                'size': (16, 16),
            },
            'backbone': {'type': 'TinyBackbone', 'norm': 'sw'},
            'decode_head': {**common, 'in_channels': 6, 'in_index': 1, 'loss_decode': loss or CROSS_ENTROPY, **head},
            'auxiliary_head': {**common, 'in_channels': 4, 'in_index': 0, 'dropout_ratio': 0, **head},
        }
    )


def wrapper_of(model):
    return OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, fused=True))


def recorded(model, warmup=2):
    wrapper, tapes = wrapper_of(model), []
    return RecordedStep(model, wrapper, CPU, warmup, recorder_of(model, wrapper.optimizer, tapes)), wrapper, tapes


def test_steps_of_a_segmentor_are_recorded():
    """Losses, accuracies and weights are those of eager steps, with other labels in every batch, in one all void."""
    model = segmentor(dropout_ratio=0)
    twin = copy.deepcopy(model)
    step, wrapper, tapes = recorded(model)
    other = wrapper_of(twin)
    for index in range(5):
        data = side((16, 16), 2, labelled=True)
        if index == 3:
            data['data_samples'][0].gt_sem_seg.data.fill_(255), data['data_samples'][1].gt_sem_seg.data.fill_(255)
        logged = step(copy.deepcopy(data), wrapper)
        expected = twin.train_step(data, other)
        assert set(logged) == {'loss', 'decode.loss_ce', 'decode.acc_seg', 'aux.loss_ce', 'aux.acc_seg'}
        for name, value in expected.items():
            assert torch.allclose(logged[name], value, rtol=1e-4, atol=1e-5), (index, name)
    assert len(tapes) == 1
    for (name, value), trained in zip(model.state_dict().items(), twin.state_dict().values(), strict=True):
        assert torch.allclose(value, trained, rtol=1e-4, atol=1e-5), name


@pytest.mark.parametrize('name', ['sw_pspnet_streets', 'sw_sourceonly_streets'])
def test_nothing_in_a_step_of_the_configs_waits(name):
    """PSPNet with its second head, DeepLab-v2 on VGG16: forward, losses, backward, by the test's own list."""
    init_default_scope('mmseg')
    config = load(name)
    config.model.backbone.init_cfg = None
    model = MODELS.build(config.model).train()
    data = model.data_preprocessor(side((64, 64), 2, labelled=True), True)
    with Recordable():
        loss, logged = model.parse_losses(model(**data, mode='loss'))
        loss.backward()
    assert 'decode.acc_seg' in logged


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'loss': {'type': 'CrossEntropyLoss', 'class_weight': [1.0] * 5}},
            'lift_fresh.*cross_entropy_loss.py: class_weight =',
        ),
        ({'sampler': {'type': 'OHEMPixelSampler', 'min_kept': 10}}, 'index, .*ohem_pixel_sampler.py: '),
        ({'loss': {'type': 'LovaszLoss', 'reduction': 'none'}}, 'nonzero, .*lovasz_loss.py: '),
        ({'loss': {'type': 'CrossEntropyLoss', 'use_sigmoid': True}}, 'nonzero, .*cross_entropy_loss.py: inds ='),
    ],
)
def test_other_losses_of_mmseg_are_refused_with_their_line(options, message):
    """In the last step of the warm-up, before anything is recorded."""
    step, wrapper, tapes = recorded(segmentor(**options))
    step(side((16, 16), 2, labelled=True), wrapper)
    with pytest.raises(RuntimeError, match=f'EncoderDecoder cannot be recorded.*{message}.*Train without the hook'):
        step(side((16, 16), 2, labelled=True), wrapper)
    assert not tapes and wrapper.get_lr()['lr'] == [0.1]


@pytest.mark.parametrize(
    'work',
    [
        lambda x: x.sum().item(),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: x.masked_select(x > 0),
        lambda x: x.unique(),
        lambda x: x.equal(x),
        lambda x: x.index_put_((x > 0,), x[:2]),
        lambda x: torch.tensor([1.0, 2.0]) + x[:2],
        lambda x: x.to('meta'),
        lambda x: x.repeat_interleave(torch.tensor([1, 2, 3])),
    ],
)
def test_what_waits(work):
    x = torch.tensor([1.0, 2.0, -1.0])
    with pytest.raises(WaitsForDevice, match=r'asked for by line \d+ of test_waits.py: lambda x: '), Waits(CPU):
        work(x)


def test_copies_from_the_host_wait():
    with pytest.raises(WaitsForDevice, match='^_to_copy'), Waits(META):
        torch.ones(3).to('meta')
    with pytest.raises(WaitsForDevice, match='^copy_'), Waits(META):
        torch.ones(3, device='meta').copy_(torch.ones(3))


def test_what_does_not_wait():
    """On the device, and on another one than the step's."""
    x = torch.tensor([1.0, 2.0, -1.0])
    with Waits(CPU):
        x[x > 1] = 0  # fills by the mask
        x[torch.zeros(1, dtype=torch.int64)], x.to(torch.float64), torch.where(x > 0, x, 0), x.new_zeros(())
    assert x.tolist() == [1, 0, -1]
    with Waits(META):
        assert torch.tensor([1.0, 2.0]).sum().item() == 3
