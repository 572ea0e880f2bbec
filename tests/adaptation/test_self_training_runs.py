"""Self-training over several iterations: stopped and resumed, in two processes, in half precision, with its hooks."""

import copy
import os

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from mmengine.model import MMSeparateDistributedDataParallel
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from mmengine.runner.checkpoint import get_state_dict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from test_distributed import free_port, part
from test_resume import flat
from tiny_networks import self_training_config, side, two_domain_batch
from torch.utils.data import Dataset

from sw_mmseg.engine import PseudoLabelAccuracyHook
from sw_mmseg.engine.pseudo_accuracy import accuracies

SIZE = (32, 48)
EVERYTHING = {'threshold': 0.3, 'alpha': 0.6, 'augmentation': {}, 'masking': {'block': 8}}


class Pairs(Dataset):
    metainfo = {'classes': tuple('abcde'), 'palette': [[0, 0, 0]] * 5}

    def __len__(self):
        return 6

    def __getitem__(self, index):
        batch = two_domain_batch(source=SIZE, target=SIZE, count=1, seed=index)
        return {domain: {key: value[0] for key, value in side.items()} for domain, side in batch.items()}


def run(work_dir, iterations, norm, resume=False):
    poly = {'type': 'PolyLR', 'power': 0.9, 'eta_min': 0.0, 'begin': 0, 'end': 6, 'by_epoch': False}
    runner = Runner(
        model=self_training_config(norm=norm, statistics_from='separate', warmup=1, **EVERYTHING),
        work_dir=str(work_dir),
        train_dataloader={
            'dataset': Pairs(), 'batch_size': 2, 'num_workers': 0,
            'sampler': {'type': 'InfiniteSampler', 'shuffle': True, 'seed': 3},
            'collate_fn': {'type': 'pseudo_collate'}},
        train_cfg={'type': 'IterBasedTrainLoop', 'max_iters': iterations},
        optim_wrapper={
            'constructor': 'DomainOptimWrapperConstructor',
            'segmentor': {'type': 'OptimWrapper', 'optimizer': {'type': 'SGD', 'lr': 0.05, 'momentum': 0.9}}},
        param_scheduler={'segmentor': [poly]},
        default_hooks={'checkpoint': {'type': 'CheckpointHook', 'interval': 2, 'by_epoch': False},
                       'logger': {'type': 'LoggerHook', 'interval': 10}},
        custom_hooks=[{'type': 'SelfTrainingHealthHook', 'window': 1, 'interval': 1}],
        randomness={'seed': 4}, resume=resume, log_level='ERROR', default_scope='mmseg',
        experiment_name=f'selftraining-{work_dir.name}-{iterations}-{resume}')
    torch.rand(3 if resume else 1)  # what others draw between does not matter
    runner.train()
    return torch.load(work_dir / f'iter_{iterations}.pth', weights_only=False)


@pytest.mark.parametrize('norm', ['sw', 'bn'])
def test_resumed_run_equals_an_uninterrupted_one(tmp_path, norm):
    whole = run(tmp_path / f'whole-{norm}', 4, norm)
    short = run(tmp_path / f'parts-{norm}', 2, norm)
    parts = run(tmp_path / f'parts-{norm}', 4, norm, resume=True)
    for section in ('state_dict', 'optimizer', 'param_schedulers'):
        expected, found = flat(whole[section]), flat(parts[section])
        assert expected and set(expected) == set(found)
        for path, value in expected.items():
            same = torch.equal(value, found[path]) if isinstance(value, torch.Tensor) else value == found[path]
            assert same, f'{section}{path}'
    state = whole['state_dict']
    assert state['teacher.updates'] == 4 and state['seed'] == 4
    for part_ in ('segmentor', 'teacher.network'):
        name = f'{part_}.backbone.conv1.weight'
        assert not torch.equal(state[name], short['state_dict'][name])
    assert not torch.equal(state['segmentor.backbone.conv1.weight'], state['teacher.network.backbone.conv1.weight'])


def build(norm):
    torch.manual_seed(2)
    model = MODELS.build(self_training_config(norm=norm, statistics_from='both', **EVERYTHING)).double().train()
    for parameter in model.segmentor.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model


def full_batch(seed):
    """Without ignored pixels: then the mean over processes is the mean over all."""
    batch = two_domain_batch(source=SIZE, target=SIZE, count=2, seed=seed)
    for data_sample in batch['source']['data_samples']:
        data_sample.gt_sem_seg.data %= 5
    return batch


def steps(model, batches):
    wrappers = build_optim_wrapper(model, {
        'constructor': 'DomainOptimWrapperConstructor', 'segmentor': {'optimizer': {'type': 'SGD', 'lr': 0.1}}})
    for batch in batches:
        model.train_step(batch, optim_wrapper=wrappers)


def process(rank, port, folder, norm):
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group('gloo', rank=rank, world_size=2)
    try:
        wrapped = MMSeparateDistributedDataParallel(build(norm))
        steps(wrapped, [part(full_batch(seed), rank) for seed in range(3)])
        torch.save(get_state_dict(wrapped), os.path.join(folder, f'{rank}.pth'))
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize('norm', [None, 'sw'])
def test_two_processes_equal_one(tmp_path, norm):
    """The draws are those of one process, and so are, with a norm that synchronises, the teachers' labels."""
    alone = build(norm)
    start = copy.deepcopy(alone.state_dict())
    steps(alone, [full_batch(seed) for seed in range(3)])
    mp.start_processes(process, (free_port(), str(tmp_path), norm), nprocs=2, start_method='spawn')
    expected = alone.state_dict()
    for rank in range(2):
        state = torch.load(tmp_path / f'{rank}.pth')
        assert set(state) == set(expected)
        for name, value in expected.items():
            torch.testing.assert_close(state[name], value, rtol=1e-7, atol=1e-9, msg=f'{rank}: {name}')
    name = 'teacher.network.backbone.conv1.weight'
    assert not torch.equal(start[name], state[name])


def test_bfloat16_step_is_close_to_the_fp32_one():
    exact, mixed = build('sw').float(), build('sw').float()
    start, logs = copy.deepcopy(exact.state_dict()), []
    for model, kind in ((exact, 'OptimWrapper'), (mixed, 'Bfloat16OptimWrapper')):
        wrappers = build_optim_wrapper(model, {
            'type': kind, 'constructor': 'DomainOptimWrapperConstructor',
            'segmentor': {'optimizer': {'type': 'SGD', 'lr': 1.0}}})
        logs.append(model.train_step(full_batch(0), wrappers))
    for name in ('loss_seg', 'loss_mix', 'loss_mask'):
        assert logs[1][name].dtype == torch.float32
        torch.testing.assert_close(logs[1][name], logs[0][name], rtol=0.05, atol=0.0)
    names = [name for name, _ in exact.segmentor.named_parameters()]
    one, other = (torch.cat([(model.segmentor.state_dict()[name] - start[f'segmentor.{name}']).flatten()
                             for name in names]) for model in (exact, mixed))
    assert torch.cosine_similarity(one, other, dim=0) > 0.98 and not torch.equal(one, other)


def test_accuracy_counts_right_pixels_and_confident_ones():
    """A teacher that sees class 2 everywhere, with probability 1 / (1 + 4 / e^5) = 0.974."""
    model = MODELS.build(self_training_config(threshold=0.97)).eval()
    for classifier in model.teacher.network.decode_head.classifiers:
        torch.nn.init.zeros_(classifier.weight)
        torch.nn.init.constant_(classifier.bias, 0.0)
    model.teacher.network.decode_head.classifiers[0].bias[2] = 5.0
    labels = torch.zeros(1, *SIZE, dtype=torch.long)
    labels[:, :8] = 2  # a quarter
    labels[:, 24:] = 255  # another does not count: 1 of 3
    batch = side(SIZE, 2, labelled=True)
    batch['data_samples'][0].gt_sem_seg = PixelData(data=labels)
    batch['data_samples'][1].gt_sem_seg = PixelData(data=torch.full((1, 16, 24), 2))  # of another size: all right
    samples = [{key: value[index] for key, value in batch.items()} for index in range(2)]
    expected = 100 * (0.25 + 1) / (0.75 + 1)
    for batches in ([samples], [[sample] for sample in samples]):
        scores = accuracies(model, batches)
        assert scores['pseudo_accuracy'] == pytest.approx(expected) == scores['pseudo_accuracy_confident']
    model.threshold = 0.98
    assert accuracies(model, [samples])['pseudo_accuracy_confident'] == 0


def test_accuracy_needs_labels_and_a_teacher():
    class Run:
        val_loop, model = None, torch.nn.Identity()

    with pytest.raises(ValueError, match='needs a labelled validation set'):
        PseudoLabelAccuracyHook().before_train(Run)
    Run.val_loop = 'one'
    with pytest.raises(ValueError, match='needs a teacher, Identity has none'):
        PseudoLabelAccuracyHook().before_train(Run)
    with pytest.raises(ValueError, match='must be positive'):
        PseudoLabelAccuracyHook(images=0)
