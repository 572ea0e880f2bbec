"""Every Mask R-CNN config: the norm of every layer as Table 7 has it, and a step, a validation and a checkpoint."""

import pytest
import torch
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import Runner
from torch import nn

from tests.helpers.config_runs import OMEGA, StartHook, load, names_of, reloaded
from tests.helpers.slow_cases import one_in, slow

pytest.importorskip('mmdet')
from mmdet.registry import MODELS

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.running.norms import NormError, norm_of, set_norm
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.tiny_detection import make_narrow, use_tiny_data

NAMES = names_of('configs/test_detection_configs.py')
SITES = [
    'bn1',
    *[f'layer{stage}.{block}.bn2' for stage, blocks in ((1, [1]), (2, [0, 2]), (3, [0, 2, 4])) for block in blocks],
]
RELEASED = ['bn1', 'layer1.1.bn2', 'layer2.1.bn2', 'layer2.3.bn2', 'layer3.1.bn2', 'layer3.3.bn2', 'layer3.5.bn2']


def sites(name):
    return RELEASED if 'released' in name else SITES


@pytest.fixture(autouse=True)
def mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def norms(module):
    """Name -> norm of every layer that has one."""
    kinds = (nn.modules.batchnorm._NormBase, nn.GroupNorm)
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, kinds)}


def kind(layer):
    if isinstance(layer, SwitchWhiten2d):
        return next(word for word, omega in OMEGA.items() if omega == layer.statistics)
    return {nn.BatchNorm2d: 'bn', nn.GroupNorm: 'gn', nn.InstanceNorm2d: 'in', MODELS.get('SyncBN'): 'syncbn'}[
        type(layer)
    ]


def test_the_promised_rows_are_there():
    promised = {f'{row}_maskrcnn_coco' for row in ('frozenbn', 'syncbn', 'gn', 'sw')}
    promised |= {'syncbn_maskrcnn_streets', 'sw_maskrcnn_streets'}
    assert promised | {'sw_maskrcnn_cityscapes', 'sw_maskrcnnreleased_coco'} == set(NAMES)


def check_norms(config, name, row):
    """53 norms in the backbone, of which seven are the sites; eight in FPN, four in each head."""
    config.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(config.model)
    backbone = {key.replace('gn', 'bn'): layer for key, layer in norms(model.backbone).items()}
    at_sites = row in ('sw', 'swb', 'bw', 'iw', 'in')
    elsewhere = 'syncbn' if at_sites else {'frozenbn': 'bn'}.get(row, row)
    assert len(backbone) == 53 and set(sites(name)) <= set(backbone) and len(sites(name)) == 7
    assert {key: kind(layer) for key, layer in backbone.items()} == {
        key: row if at_sites and key in sites(name) else elsewhere for key in backbone
    }
    assert all(layer.sync for layer in backbone.values() if isinstance(layer, SwitchWhiten2d))
    frozen = row == 'frozenbn'
    parts = {
        'neck': norms(model.neck),
        'rpn': norms(model.rpn_head),
        'box': norms(model.roi_head.bbox_head),
        'mask': norms(model.roi_head.mask_head),
    }
    masks = 2 if name.endswith('streets') else 4
    assert {key: [kind(layer) for layer in layers.values()] for key, layers in parts.items()} == (
        {'neck': [], 'rpn': [], 'box': [], 'mask': []}
        if frozen
        else {'neck': [elsewhere] * 8, 'rpn': [], 'box': [elsewhere] * 4, 'mask': [elsewhere] * masks}
    )
    model.train()
    assert all(layer.training != frozen for layer in backbone.values())
    trained = {key.replace('gn', 'bn'): weight.requires_grad for key, weight in model.backbone.named_parameters()}
    assert [trained[key] for key in ('conv1.weight', 'layer1.2.bn3.weight', 'layer2.0.bn1.weight')] == (
        [False, False, True] if frozen else [True, True, True]
    )


@pytest.mark.parametrize('name', NAMES)
def test_norm_of_every_layer(name):
    check_norms(load(name), name, name.split('_')[0])


@pytest.mark.parametrize(
    'name, norm',
    one_in(
        3,
        [(name, norm) for name in NAMES if not name.startswith('frozenbn') for norm in ('syncbn', 'gn', 'in', *OMEGA)],
        several=True,
    ),
)
def test_every_norm_can_stand_there(name, norm):
    """Rows of Table 7: SyncBN, GN and SN everywhere, the others at the sites."""
    config = load(name, norm)
    assert norm_of(config) == norm
    check_norms(config, name, norm)


def test_groups_of_gn_divide_the_narrowest_layers():
    assert load('syncbn_maskrcnn_streets', 'gn').model.backbone.norm_cfg.num_groups == 16
    assert load('syncbn_maskrcnn_coco', 'gn').model.backbone.norm_cfg.num_groups == 32


def test_the_frozen_baseline_has_no_norm_to_replace():
    for use in (lambda config: set_norm(config, 'sw'), norm_of):
        with pytest.raises(NormError, match='configs/syncbn_maskrcnn_coco.py'):
            use(load('frozenbn_maskrcnn_coco'))


def step(config, name, work_dir):
    """The runner after an iteration, a validation and a checkpoint, and what changed."""
    make_narrow(config.model)
    use_tiny_data(config, work_dir.parent)
    config.model.test_cfg.rcnn.score_thr = 0.0  # a network of one step is sure of nothing
    unit = 'epoch' if 'max_epochs' in config.train_cfg else 'iter'
    config.train_cfg.update({f'max_{unit}s': 1, 'val_interval': 1})
    config.default_hooks.checkpoint.interval = 1
    config.visualizer.name = config.experiment_name = work_dir.name  # mmengine keeps one of a name
    config.update(work_dir=str(work_dir), log_level='ERROR')
    runner, start = Runner.from_cfg(config), StartHook()
    init_default_scope('mmdet')
    runner.register_hook(start)
    runner.train()
    logged = {key: value.current() for key, value in runner.message_hub.log_scalars.items()}
    losses = {key for key in logged if key.startswith('train/loss')}
    assert {f'train/loss_{part}' for part in ('rpn_cls', 'rpn_bbox', 'cls', 'bbox', 'mask')} < losses
    assert all(torch.isfinite(torch.tensor(float(logged[key]))) for key in losses)
    assert {'val/coco/bbox_mAP', 'val/coco/segm_mAP'} <= set(logged)
    assert all(torch.isfinite(value).all() for value in runner.model.state_dict().values())
    changed = start.changed(runner.model)
    for part in ('neck.fpn_convs.0', 'rpn_head.rpn_conv', 'roi_head.bbox_head.fc_cls', 'roi_head.mask_head.convs.0'):
        assert any(key.startswith(part) for key in changed), part
    assert (work_dir / f'{unit}_1.pth').is_file()
    return changed


@pytest.mark.parametrize('name', [name if name.startswith('sw') else slow(name) for name in NAMES])
def test_one_step_validation_and_checkpoint(name, tmp_path):
    changed = step(load(name), name, tmp_path / name)
    assert ('backbone.conv1.weight' in changed) == (not name.startswith('frozenbn'))
    if name.startswith('sw'):  # zero γ at the end of every residual branch hold the switches in them still at first
        assert {f'backbone.{site}.running_cov' for site in sites(name)} | {'backbone.bn1.cov_logits'} <= changed


@pytest.mark.parametrize('norm', ['sn', slow('gn'), slow('swb')])
def test_a_config_with_another_norm_is_whole(norm, tmp_path):
    config = reloaded(load('sw_maskrcnn_streets', norm), tmp_path)
    check_norms(reloaded(load('sw_maskrcnn_streets', norm), tmp_path), 'sw_maskrcnn_streets', norm)
    changed = step(config, 'sw_maskrcnn_streets', tmp_path / f'{norm}_maskrcnn_streets')
    assert ('backbone.bn1.cov_logits' in changed) == (norm in OMEGA)


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
            words = ('norm_cfg', 'site_norm_cfg', 'norm')
            return {key: without_norms(value) for key, value in node.items() if key not in words}
        return node

    rows = [load('syncbn_maskrcnn_streets', row) for row in ('syncbn', 'gn', 'sn', 'sw')]
    rows += [load('syncbn_maskrcnn_streets'), load('sw_maskrcnn_streets')]
    assert all(without_norms(row.to_dict()) == without_norms(rows[0].to_dict()) for row in rows)
