"""Recorded training steps, with a tape in place of a CUDA graph: it holds the operations of one step with the tensors
and numbers that they had, and runs them again."""

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import nn

from sw_mmseg.engine import CUDAGraphHook
from sw_mmseg.engine.recorded_step import RecordedStep, filled, tensors_of
from sw_mmseg.whitening import SwitchWhiten2d
from sw_mmseg.whitening.graphs import GraphedStep
from tests.helpers.tape import recorder_of


class Small(BaseModel):
    """A convolution, SW, a mean over pixels."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3), SwitchWhiten2d(8, group_size=4), nn.ReLU())
        self.fc = nn.Linear(8, 2)

    def forward(self, inputs, data_samples, mode='tensor'):
        inputs = torch.stack(inputs) if isinstance(inputs, list) else inputs
        logits = self.fc(self.backbone(inputs).mean((2, 3)))
        return {'loss': F.cross_entropy(logits, torch.cat([sample.label for sample in data_samples]))}


def batch(count=4, size=8):
    samples = [
        BaseDataElement(
            metainfo={'name': str(index)}, label=torch.randint(2, (1,)), box=BaseDataElement(at=torch.rand(2))
        )
        for index in range(count)
    ]
    return {'inputs': torch.randn(count, 3, size, size), 'data_samples': samples}


def wrapper_of(model, **options):
    settings = {'lr': 0.2, 'momentum': 0.9, 'weight_decay': 0.01, 'fused': True} | options
    groups = [{'params': model.backbone.parameters()}, {'params': model.fc.parameters(), 'lr': 0.05}]
    return OptimWrapper(torch.optim.SGD(groups, **settings))


def pair(**options):
    """A model and its copy, their optimisers, and tapes of what the first records."""
    torch.manual_seed(0)
    model = Small()
    twin = copy.deepcopy(model)
    wrapper, tapes = wrapper_of(model, **options), []
    recorder = recorder_of(model, wrapper.optimizer, tapes)
    step = RecordedStep(model, wrapper, torch.device('cpu'), 2, recorder)
    return step, model, wrapper, twin, wrapper_of(twin, **options), tapes


def same(model, twin):
    for (name, value), other in zip(model.state_dict().items(), twin.state_dict().values(), strict=True):
        assert torch.allclose(value, other, rtol=1e-4, atol=1e-5), name


def test_recorded_steps_are_the_eager_steps():
    """Losses, weights, running statistics and momentum, through new learning rates, a small batch, a part that stops
    learning."""
    step, model, wrapper, twin, other, tapes = pair()
    for index in range(12):
        for optimizer in (wrapper.optimizer, other.optimizer):
            optimizer.param_groups[0]['lr'] = 0.2 if index < 4 else 0.02
            optimizer.param_groups[1]['lr'] = 0.05 * (index + 1)
        if index == 8:
            for network in (model, twin):
                network.backbone[0].weight.requires_grad_(False)
        data = batch(2 if index == 5 else 4)
        logged = step(copy.deepcopy(data), wrapper)
        expected = twin.train_step(data, other)
        assert torch.allclose(logged['loss'], expected['loss'], rtol=1e-4, atol=1e-5), index
        same(model, twin)
        assert wrapper.get_lr() == other.get_lr()  # numbers again
        assert len(tapes) == (0 if index < 2 else 1 if index < 10 else 2), index
    assert int(model.backbone[1].num_batches_tracked) == 12
    for state, expected in zip(wrapper.optimizer.state.values(), other.optimizer.state.values(), strict=True):
        assert torch.allclose(state['momentum_buffer'], expected['momentum_buffer'], rtol=1e-4, atol=1e-5)
    assert not {'lift_fresh', '_local_scalar_dense'} & {f._schema.name[6:] for f, *_ in tapes[0].operations}


def test_what_is_logged_stays_what_it_was():
    step, _, wrapper, *_ = pair()
    first, second = [step(batch(), wrapper)['loss'] for _ in range(5)][-2:]
    assert first.data_ptr() != second.data_ptr() and first != second


def test_a_learning_rate_that_is_a_number_would_be_recorded():
    """So that the test above says something."""
    _, model, wrapper, twin, other, tapes = pair()

    def steps_of(network, optimizer):
        def step(images, labels):
            optimizer.zero_grad()
            loss = F.cross_entropy(network.fc(network.backbone(images).mean((2, 3))), labels)
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step

    recorder = recorder_of(model, wrapper.optimizer, tapes)
    run = GraphedStep(steps_of(model, wrapper.optimizer), 'cpu', recorder=recorder)
    eager = steps_of(twin, other.optimizer)
    for index in range(5):
        if index == 4:
            same(model, twin)
            for optimizer in (wrapper.optimizer, other.optimizer):
                optimizer.param_groups[0]['lr'] = 2.0
        images, labels = torch.randn(4, 3, 8, 8), torch.randint(2, (4,))
        run(images, labels), eager(images, labels)
    assert not torch.allclose(model.backbone[0].weight, twin.backbone[0].weight, rtol=1e-4, atol=1e-3)


def test_batches_are_taken_apart_and_put_together():
    data = batch(2)
    tensors = tensors_of(data)
    assert len(tensors) == 5
    again = filled(data, iter([tensor + 1 for tensor in tensors]))
    assert [sample.name for sample in again['data_samples']] == ['0', '1']
    assert all(torch.equal(new, old + 1) for new, old in zip(tensors_of(again), tensors, strict=True))


def test_images_of_another_size_are_refused():
    step, _, wrapper, *_ = pair()
    step(batch(), wrapper)
    with pytest.raises(ValueError, match='images of 9×9 after images of 8×8'):
        step(batch(size=9), wrapper)


def test_a_step_that_waits_for_its_gpu_is_named():
    step, _, wrapper, *_ = pair()

    def refuse(*_):
        raise RuntimeError('CUDA error: operation not permitted when stream is capturing')

    step._graphed._recorder = refuse
    step(batch(), wrapper), step(batch(), wrapper)
    with pytest.raises(RuntimeError, match='training step of Small cannot be recorded'):
        step(batch(), wrapper)
    assert wrapper.get_lr()['lr'] == [0.2, 0.05]


class OwnStep(Small):
    def train_step(self, data, optim_wrapper):
        return {}


def compiled():
    model = Small()
    model.train_step = lambda *_: None  # what mmengine puts there
    return model


@pytest.mark.parametrize(
    'model, wrap, message',
    [
        (Small, wrapper_of, 'the model is on cpu'),
        (OwnStep, wrapper_of, 'OwnStep has a training step of its own'),
        (compiled, wrapper_of, 'the step is compiled'),
        (lambda: nn.Linear(1, 1), lambda _: None, 'Linear is for several processes'),
        (Small, lambda model: OptimWrapperDict(fc=wrapper_of(model)), 'OptimWrapperDict decides in each step'),
        (Small, lambda model: OptimWrapper(wrapper_of(model).optimizer, clip_grad={'max_norm': 1}), 'clip_grad'),
        (Small, lambda model: OptimWrapper(wrapper_of(model).optimizer, accumulative_counts=2), 'accumulative_counts'),
        (Small, lambda model: wrapper_of(model, fused=False), 'SGD reads its learning rates on the host.*fused=True'),
        (Small, lambda model: OptimWrapper(torch.optim.Adam(model.parameters())), 'Adam.*capturable=True'),
    ],
)
def test_refusals(model, wrap, message):
    model = model()
    with pytest.raises(ValueError, match=message):
        CUDAGraphHook().before_train(SimpleNamespace(model=model, optim_wrapper=wrap(model)))


def test_a_warm_up_is_needed():
    with pytest.raises(ValueError, match='warmup=0'):
        CUDAGraphHook(warmup=0)


def test_a_training_takes_it_from_its_config(tmp_path, monkeypatch):
    """And has the model's own step again when it ends; without a GPU it says so at the start."""
    generator = torch.Generator().manual_seed(0)
    images = [
        {
            'inputs': torch.randn(3, 8, 8, generator=generator),
            'data_samples': BaseDataElement(label=torch.tensor([index % 2])),
        }
        for index in range(16)
    ]
    tapes = []

    def trained(name, hooks):
        torch.manual_seed(0)
        runner = Runner(
            model=Small(),
            work_dir=str(tmp_path / name),
            train_cfg=dict(by_epoch=False, max_iters=6),
            custom_hooks=hooks,
            train_dataloader=dict(
                batch_size=4,
                dataset=images,
                sampler=dict(type='InfiniteSampler', shuffle=False),
                collate_fn=dict(type='pseudo_collate'),
            ),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.2, momentum=0.9, fused=True)),
            param_scheduler=dict(type='MultiStepLR', milestones=[4], gamma=0.1, by_epoch=False),
            default_scope='mmengine',
            experiment_name=name,
            log_level='ERROR',
        )
        runner.train()
        return runner

    with pytest.raises(ValueError, match='the model is on cpu'):
        trained('refused', [dict(type='CUDAGraphHook')])

    def record(step, inputs):
        model, wrapper = step.__self__._model, step.__self__._wrapper
        return recorder_of(model, wrapper.optimizer, tapes)(step, inputs)

    monkeypatch.setattr(CUDAGraphHook, 'recorder', staticmethod(record))
    graphed = trained('graphed', [dict(type='CUDAGraphHook', warmup=2)])
    assert len(tapes) == 1 and 'train_step' not in vars(graphed.model)
    same(graphed.model, trained('eager', []).model)
