"""A frozen transformer that LoRA tunes, trained, stopped, resumed and exported; a tiny one of timm."""

import copy

import numpy as np
import pytest
import timm
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import MODELS

from sw_mmseg.reporting.runs import network, open_run
from sw_mmseg.running.export_formats import runner_of, save, torch_runner
from sw_mmseg.running.exporting import deployed
from sw_mmseg.running.networks import set_network
from tests.helpers.camvid_files import smaller, write_camvid
from tests.helpers.config_runs import load

pytestmark = pytest.mark.usefixtures('one_thread')


def tuned_config(word, folder):
    """A config of drawn streets to CamVid with a transformer of timm, whose weights are random and in a file."""
    init_default_scope('mmseg')
    torch.manual_seed(0)
    file = folder / 'vit.pth'
    torch.save(timm.create_model(word.partition('+')[0]).state_dict(), file)
    config = set_network(load('bn_jitter_streets2camvid'), word)
    config.model.backbone.init_cfg.checkpoint = str(file)
    return config


def trained(config, folder, iterations, resume=None):
    """What is left of a training that ends after so many iterations, whatever its schedule is for."""
    config = copy.deepcopy(config)
    config.work_dir, config.experiment_name = str(folder), f'{folder.name}-{iterations}'
    config.train_cfg.max_iters, config.resume, config.load_from = iterations, resume is not None, resume
    Runner.from_cfg(config).train()
    return torch.load(folder / f'iter_{iterations}.pth', weights_only=False)


@pytest.mark.slow
@pytest.mark.parametrize('word', ['test_vit+lora4'])
def test_a_stopped_training_goes_on_bit_for_bit(tmp_path, word):
    config = Config(smaller(tuned_config(word, tmp_path).to_dict(), write_camvid(tmp_path / 'data')))
    config.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=4, val_interval=9)
    config.default_hooks.checkpoint.interval, config.custom_hooks = 2, []
    config.randomness = {'seed': 5}
    whole = trained(config, tmp_path / 'whole', 4)
    half = trained(config, tmp_path / 'half', 2)
    assert not any('qkv.weight' in key for key in half['state_dict'])  # what is frozen is not in it
    resumed = trained(config, tmp_path / 'resumed', 4, str(tmp_path / 'half/iter_2.pth'))
    moved = [key for key, value in whole['state_dict'].items() if not torch.equal(value, half['state_dict'][key])]
    assert sum('lora_b' in key for key in moved) == 24  # four layers in each of six blocks
    assert all(torch.equal(value, resumed['state_dict'][key]) for key, value in whole['state_dict'].items())
    states = [checkpoint['optimizer']['state'] for checkpoint in (whole, resumed)]
    assert states[0].keys() == states[1].keys() and len(states[0]) >= 48
    for number, state in states[0].items():
        assert all(torch.equal(torch.as_tensor(v), torch.as_tensor(states[1][number][k])) for k, v in state.items())


@torch.no_grad()
@pytest.mark.parametrize(
    'word, kind',
    [
        ('test_vit+lora4', 'onnx'),
        pytest.param('test_vit2+rein', 'onnx', marks=pytest.mark.slow),
        pytest.param('test_vit+lora4', 'torchscript', marks=pytest.mark.slow),
        pytest.param('vit_tiny_patch16_dinov3_qkvb+frozen', 'onnx', marks=pytest.mark.slow),
        pytest.param('vit_tiny_patch16_dinov3_qkvb+frozen', 'torchscript', marks=pytest.mark.slow),
    ],
)
def test_an_exported_transformer_takes_any_size(tmp_path, word, kind):
    config = tuned_config(word, tmp_path)
    resize = next(step for step in config.test_dataloader.dataset.pipeline if step.type == 'Resize')
    resize.update(scale=(640, 40), keep_ratio=True)
    model = MODELS.build(config.model).eval()
    model.init_weights()
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.dim() > 1:
            parameter.normal_(std=0.1)
    unmerged = copy.deepcopy(model)
    module = deployed(config, model)
    assert module.backbone.merge() == 0  # done
    assert {'net.cls_token', 'net.reg_token'} & module.backbone.state_dict().keys()
    file = tmp_path / 'network'
    save(module, file, kind)
    if kind == 'onnx':
        import onnx

        assert not any('lora' in tensor.name for tensor in onnx.load(file).graph.initializer)
    run, here = runner_of(file, kind), torch_runner(module)
    for size in ((60, 90), (110, 70), (48, 64)):
        image = np.random.default_rng(1).integers(0, 256, (1, *size, 3), np.uint8)
        (labels, logits), (labels_here, logits_here) = run(image), here(image)
        assert logits.shape == (1, 11, *size) and np.abs(logits_here).max() > 0.1
        np.testing.assert_allclose(logits, logits_here, atol=2e-3, rtol=1e-3)
        assert (labels == labels_here).mean() > 0.99
    pixels = torch.randn(1, 3, 64, 96)
    torch.testing.assert_close(model(pixels), unmerged(pixels), atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize('word', ['test_vit+lora4', 'test_vit+rein', 'test_vit+frozen'])
def test_a_finished_run_opens_with_its_frozen_weights(tmp_path, word):
    """A checkpoint has only what was learnt; what analyses open computes what was trained all the same."""
    config = tuned_config(word, tmp_path)
    model = MODELS.build(config.model)
    model.init_weights()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.normal_(std=0.1)
    folder = tmp_path / 'run'
    folder.mkdir()
    torch.save({'state_dict': model.state_dict()}, folder / 'iter_1.pth')
    config.dump(folder / 'config.py')
    opened = network(open_run(folder))
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(opened(x), model.eval()(x)) and not opened.training
