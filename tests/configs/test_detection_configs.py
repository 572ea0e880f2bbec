"""Every Mask R-CNN config: the norm of every layer as Table 7 has it, and a step, a validation and a checkpoint."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import Runner
from torch import nn

pytest.importorskip('mmdet')
from mmdet.registry import MODELS
from tiny_detection import make_narrow, use_tiny_data

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.whitening import PRESETS, SwitchWhiten2d

CONFIGS = Path(__file__).parent.parent / 'configs'
NAMES = sorted(path.stem for path in CONFIGS.glob('*_maskrcnn*_*.py'))
SITES = ['bn1', *[f'layer{stage}.{block}.bn2' for stage, blocks in ((1, [1]), (2, [0, 2]), (3, [0, 2, 4]))
                  for block in blocks]]
RELEASED = ['bn1', 'layer1.1.bn2', 'layer2.1.bn2', 'layer2.3.bn2', 'layer3.1.bn2', 'layer3.3.bn2', 'layer3.5.bn2']


def sites(name):
    return RELEASED if 'released' in name else SITES


@pytest.fixture(autouse=True)
def mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def load(name):
    return Config.fromfile(CONFIGS / f'{name}.py')


def norms(module):
    """Name -> norm of every layer that has one."""
    kinds = (nn.modules.batchnorm._NormBase, nn.GroupNorm)
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, kinds)}


def kind(layer):
    if isinstance(layer, SwitchWhiten2d):
        return {PRESETS['SWa']: 'sw', PRESETS['SN']: 'sn'}[layer.statistics]
    return {nn.BatchNorm2d: 'bn', nn.GroupNorm: 'gn', MODELS.get('SyncBN'): 'syncbn'}[type(layer)]


def test_the_promised_rows_are_there():
    rows = {'frozenbn', 'syncbn', 'gn', 'sn', 'sw'}
    promised = {f'{row}_maskrcnn_coco' for row in rows} | {f'{row}_maskrcnn_streets' for row in rows - {'frozenbn'}}
    assert promised | {'sw_maskrcnn_cityscapes', 'sw_maskrcnnreleased_coco'} == set(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_norm_of_every_layer(name):
    """53 norms in the backbone, of which seven are the sites; eight in FPN, four in each head."""
    row, _, data = name.split('_')
    config = load(name)
    config.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(config.model)
    backbone = {key.replace('gn', 'bn'): layer for key, layer in norms(model.backbone).items()}
    elsewhere = {'frozenbn': 'bn', 'sw': 'syncbn'}.get(row, row)
    assert len(backbone) == 53 and set(sites(name)) <= set(backbone) and len(sites(name)) == 7
    assert {key: kind(layer) for key, layer in backbone.items()} == {
        key: row if row == 'sw' and key in sites(name) else elsewhere for key in backbone}
    assert all(layer.sync for layer in backbone.values() if isinstance(layer, SwitchWhiten2d))
    frozen = row == 'frozenbn'
    others = {'neck': norms(model.neck), 'rpn': norms(model.rpn_head), 'box': norms(model.roi_head.bbox_head),
              'mask': norms(model.roi_head.mask_head)}
    masks = 2 if data == 'streets' else 4
    assert {key: [kind(layer) for layer in found.values()] for key, found in others.items()} == (
        {'neck': [], 'rpn': [], 'box': [], 'mask': []} if frozen else
        {'neck': [elsewhere] * 8, 'rpn': [], 'box': [elsewhere] * 4, 'mask': [elsewhere] * masks})
    model.train()
    assert all(layer.training != frozen for layer in backbone.values())
    trained = {key.replace('gn', 'bn'): weight.requires_grad for key, weight in model.backbone.named_parameters()}
    assert [trained[key] for key in ('conv1.weight', 'layer1.2.bn3.weight', 'layer2.0.bn1.weight')] == (
        [False, False, True] if frozen else [True, True, True])


@pytest.mark.parametrize('name', NAMES)
def test_one_step_validation_and_checkpoint(name, tmp_path):
    config = load(name)
    make_narrow(config.model)
    use_tiny_data(config, tmp_path)
    config.model.test_cfg.rcnn.score_thr = 0.0  # a network of one step is sure of nothing
    unit = 'epoch' if 'max_epochs' in config.train_cfg else 'iter'
    config.train_cfg.update({f'max_{unit}s': 1, 'val_interval': 1})
    config.default_hooks.checkpoint.interval = 1
    config.visualizer.name = config.experiment_name = name  # mmengine keeps one of a name
    config.update(work_dir=str(tmp_path / name), log_level='ERROR')
    runner = Runner.from_cfg(config)
    init_default_scope('mmdet')
    runner.model.init_weights()
    before = {key: value.clone() for key, value in runner.model.state_dict().items()}
    runner.model.init_weights = lambda: None
    runner.train()
    logged = {key: value.current() for key, value in runner.message_hub.log_scalars.items()}
    losses = {key for key in logged if key.startswith('train/loss')}
    assert {f'train/loss_{part}' for part in ('rpn_cls', 'rpn_bbox', 'cls', 'bbox', 'mask')} < losses
    assert all(torch.isfinite(torch.tensor(float(logged[key]))) for key in losses)
    assert {'val/coco/bbox_mAP', 'val/coco/segm_mAP'} <= set(logged)
    after = runner.model.state_dict()
    assert all(torch.isfinite(value).all() for value in after.values())
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    for part in ('neck.fpn_convs.0', 'rpn_head.rpn_conv', 'roi_head.bbox_head.fc_cls', 'roi_head.mask_head.convs.0'):
        assert any(key.startswith(part) for key in changed), part
    assert ('backbone.conv1.weight' in changed) == (not name.startswith('frozenbn'))
    if name.startswith('sw'):  # zero γ at the end of every residual branch hold the switches in them still at first
        assert {f'backbone.{site}.running_cov' for site in sites(name)} | {'backbone.bn1.cov_logits'} <= changed
    assert (tmp_path / name / f'{unit}_1.pth').is_file()


def test_schedules_are_those_of_mmdet():
    for name in [name for name in NAMES if name.endswith('coco')]:
        config = load(name)
        optimizer, steps = config.optim_wrapper.optimizer, config.param_scheduler[-1]
        assert (optimizer.type, optimizer.lr, optimizer.momentum, optimizer.weight_decay) == ('SGD', 0.02, 0.9, 1e-4)
        assert config.train_cfg.max_epochs == 24 and (steps.milestones, steps.gamma) == ([16, 22], 0.1)
        assert config.train_dataloader.batch_size == 2 and config.auto_scale_lr.base_batch_size == 16
        assert config.val_evaluator.metric == ['bbox', 'segm']


def test_streets_rows_differ_in_their_norm_alone():
    def without_norms(node):
        if isinstance(node, dict):
            words = ('norm_cfg', 'site_norm_cfg', 'every', 'of', 'norm')
            return {key: without_norms(value) for key, value in node.items() if key not in words}
        return node

    rows = [load(f'{row}_maskrcnn_streets') for row in ('syncbn', 'gn', 'sn', 'sw')]
    rows[-1].model.backbone.type = rows[-1].model.backbone.pop('of')
    assert all(without_norms(row.to_dict()) == without_norms(rows[0].to_dict()) for row in rows)
