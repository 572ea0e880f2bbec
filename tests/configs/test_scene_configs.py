"""Every scene parsing config: the paper's numbers, sites and norms; and a step on tiny streets by the row's command.

Steps go through `use_streets`, what `tools/train.py CONFIG --streets` does: the config's own data set class, pipeline,
heads, norms and placement, on files in the layout it expects.
"""

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import nn

from sw_mmseg.datasets.streets import generate_streets, write_ade20k
from sw_mmseg.engine.optimizers import check_coverage
from sw_mmseg.running import streets as streets_option
from sw_mmseg.running.norms import norm_of
from sw_mmseg.whitening import SwitchWhiten2d, convolution_sites
from tests.helpers.config_runs import OMEGA, load, names_of, one_iteration, reloaded, train
from tests.helpers.slow_cases import one_in

NAMES = names_of('configs/test_scene_configs.py')
FULL = [name for name in NAMES if not name.endswith('_streets')]
# Table 5: the norm at the sites, which are seven there, and its inverse square root
SEVEN = {
    'sw7_fcn_cityscapes': ('sw', 'newton'),
    'sw7eigh_fcn_cityscapes': ('sw', 'eigh'),
    'bw7eigh_fcn_cityscapes': ('bw', 'eigh'),
}


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    root = generate_streets(tmp_path_factory.mktemp('streets'), size=(64, 32), source=0, target_train=4, target_val=2)
    write_ade20k(root)
    return root


def small(config, streets, work_dir):
    """What `--streets` makes of a config, on two pictures a batch, for one iteration."""
    if streets_option.knows(config):
        streets_option.use_streets(config, streets)
    for loader in streets_option.LOADERS:
        config[loader].update(num_workers=0, persistent_workers=False, batch_size=2)
        dataset = streets_option.innermost(config[loader].dataset)
        dataset.data_root = str(streets / streets_option.LAYOUTS[dataset.type])
        for transform in dataset.pipeline:
            for key in {'scale', 'crop_size'} & transform.keys():
                transform[key] = streets_option.shrunk(transform[key], 2)
    config.model.data_preprocessor.size = streets_option.shrunk(config.model.data_preprocessor.size, 2)
    config.train_cfg.val_interval = 10
    return one_iteration(config, work_dir)


def test_the_promised_configs_are_there():
    promised = {f'bn_{method}_{data}' for method in ('pspnet', 'fcn') for data in ('ade20k', 'cityscapes')}
    promised |= {'sw_pspnet_ade20k', 'bn_pspnet_streets', 'sw_pspnet_streets', 'bn_pspnet101_ade20k', *SEVEN}
    assert promised == set(NAMES)


@pytest.mark.parametrize('name', one_in(2, NAMES))
def test_a_step_on_streets(name, streets, tmp_path):
    """One iteration, a validation by the config's own pipeline and metric, a checkpoint."""
    runner, _, losses, changed = train(small(load(name), streets, tmp_path / name))
    assert {'loss', 'decode.loss_ce', 'aux.loss_ce'} <= set(losses)
    assert {'backbone.conv1.weight', 'decode_head.conv_seg.weight', 'auxiliary_head.conv_seg.weight'} <= changed
    check_coverage(runner.model, {'all': runner.optim_wrapper})
    if name in ('sw_pspnet_ade20k', 'bn_pspnet_streets'):  # the others' validation is the same
        metrics = runner.val()
        assert {'aAcc', 'mIoU'} <= set(metrics) and 0 <= metrics['aAcc'] <= 100


def check_sites(config, word, step, inverse_sqrt='newton'):
    """The norm at the sites, `step` convolutions apart, synchronised BN everywhere else, in backbone and heads."""
    config.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(config.model)
    sites = [site.index for site in convolution_sites(model.backbone) if isinstance(site.norm, SwitchWhiten2d)]
    count = {(3, 50): 14, (6, 50): 7, (3, 101): 31}[step, config.model.backbone.depth]
    assert sites == ([] if word == 'bn' else [1, *range(step, step * count, step)])
    for module in model.modules():
        if isinstance(module, SwitchWhiten2d):
            assert (module.statistics, module.inverse_sqrt) == (OMEGA[word], inverse_sqrt)
        elif isinstance(module, nn.modules.batchnorm._NormBase):
            assert type(module).__name__ == 'SyncBatchNorm'  # torch's, or where there is no card ours
    return model


@pytest.mark.parametrize('name', NAMES)
def test_norms_stand_where_the_paper_puts_them(name):
    word, inverse_sqrt = SEVEN.get(name, (name.split('_')[0], 'newton'))
    config = load(name)
    assert norm_of(config) == word
    model = check_sites(config, word, 6 if name in SEVEN else 3, inverse_sqrt)
    classes = 150 if name.endswith('ade20k') else 19
    assert model.decode_head.num_classes == model.auxiliary_head.num_classes == classes
    assert type(model.decode_head).__name__ == ('FCNHead' if '_fcn_' in name else 'PSPHead')
    if name in FULL:
        assert model.backbone.depth == (101 if '101' in name else 50) and model.backbone.feat_dim == 2048


TABLES = (
    'bn_fcn_ade20k',
    'sw7_fcn_cityscapes',
    'bn_pspnet101_ade20k',
    'sw_pspnet_ade20k',
    'bn_pspnet_cityscapes',
    'bn_pspnet_streets',
)


@pytest.mark.parametrize(
    'name, norm', one_in(5, [(name, norm) for name in TABLES for norm in ('bn', *OMEGA)], several=True)
)
def test_every_norm_can_stand_there(name, norm):
    """Rows of Tables 3 and 4: a leaf with `--norm`."""
    config = load(name, norm)
    assert norm_of(config) == norm
    check_sites(config, norm, 6 if name in SEVEN else 3)


@pytest.mark.parametrize(('name', 'norm'), [('bn_fcn_cityscapes', 'swb'), ('sw_pspnet_streets', 'in')])
def test_a_config_with_another_norm_is_whole(name, norm, streets, tmp_path):
    config = reloaded(load(name, norm), tmp_path)
    assert norm_of(config) == norm
    runner, *_ = train(small(config, streets, tmp_path / f'{norm}_{name}'))
    kind = {'swb': SwitchWhiten2d, 'in': nn.InstanceNorm2d}[norm]
    layers = [module for module in runner.model.backbone.modules() if isinstance(module, kind)]
    assert len(layers) == 14 and all(layer.statistics == OMEGA['swb'] for layer in layers if norm == 'swb')


@pytest.mark.parametrize('name', FULL)
def test_pspnets_numbers(name):
    """SGD with 0.01, poly 0.9, 16 pictures a step by four processes; 150,000 or 90,000 iterations; aux loss 0.4."""
    config = load(name)
    assert config.optim_wrapper.optimizer == dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4)
    length = 150_000 if name.endswith('ade20k') else 90_000
    assert [(p.type, p.power, p.end, p.by_epoch) for p in config.param_scheduler] == [('PolyLR', 0.9, length, False)]
    assert config.train_cfg.max_iters == length and config.train_dataloader.batch_size * 4 == 16
    assert config.model.auxiliary_head.loss_decode.loss_weight == 0.4
    depth = 101 if '101' in name else 50
    assert config.model.backbone.init_cfg.checkpoint == f'torchvision://resnet{depth}'
    crop = next(t.crop_size for t in config.train_dataloader.dataset.dataset.pipeline if t.type == 'RandomCrop')
    assert tuple(crop) == tuple(config.model.data_preprocessor.size) == tuple(config.crop_size)


def test_norms_of_a_table_differ_in_nothing_but_the_norm():
    for data in ('ade20k', 'cityscapes', 'streets'):
        base = load(f'bn_pspnet_{data}').to_dict()
        rows = [load(f'bn_pspnet_{data}', word).to_dict() for word in OMEGA]
        rows += [load(name).to_dict() for name in NAMES if name == f'sw_pspnet_{data}']
        for row in rows:
            assert row['model']['backbone'].pop('site_norm_cfg')
            assert row.pop('norm') != base['norm']
            assert {**row, 'norm': base['norm']} == base


def test_streets_refuses_what_it_cannot_make_small():
    for name in ('bn_pspnet_streets', 'sw_adaptsegnet_gta2cityscapes'):
        with pytest.raises(streets_option.UserError, match='--streets makes small what parses scenes'):
            streets_option.use_streets(load(name))


def test_streets_keep_network_sites_and_proportions(streets):
    config = load('bn_pspnet_cityscapes', 'sw')
    streets_option.use_streets(config, streets)
    assert tuple(config.model.data_preprocessor.size) == (64, 128)  # 512x1024 by 8, as 2048x1024 to 256x128
    assert config.train_dataloader.dataset.dataset.data_root == str(streets / 'cityscapes')
    model = MODELS.build(Config(config.model))
    assert model.backbone.feat_dim == 512 and model.decode_head.channels == 128
    assert sum(isinstance(module, SwitchWhiten2d) for module in model.modules()) == 14
