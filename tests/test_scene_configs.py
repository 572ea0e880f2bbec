"""Every scene parsing config: the paper's numbers, sites and norms; and a step on tiny streets by the row's command.

Steps go through `use_streets`, what `tools/train.py CONFIG --streets` does: the config's own data set class, pipeline,
heads, norms and placement, on files in the layout it expects.
"""


import pytest
from mmengine.config import Config
from mmseg.registry import MODELS
from test_configs import ALL_NAMES, STEPPED_IN, load, one_iteration, train
from torch import nn

from sw_mmseg.datasets.streets import generate_streets, write_ade20k
from sw_mmseg.engine.optimizers import check_coverage
from sw_mmseg.running import streets as streets_option
from sw_mmseg.whitening import PRESETS, SwitchWhiten2d, convolution_sites

NAMES = [name for name in ALL_NAMES if STEPPED_IN.get(name.split('_')[1]) == 'test_scene_configs.py']
FULL = [name for name in NAMES if not name.endswith('_streets')]
OMEGA = {'sn': 'SN', 'bw': 'BW', 'sw': 'SWa', 'swb': 'SWb'}


def norm_of(name):
    """'bw7eigh_fcn_cityscapes' -> ('bw', 7 sites, 'eigh')."""
    word = name.split('_')[0]
    sites = 7 if '7' in word else 31 if 'pspnet101' in name else 14
    return word.removesuffix('eigh').removesuffix('7'), sites, 'eigh' if word.endswith('eigh') else 'newton'


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    root = generate_streets(tmp_path_factory.mktemp('streets'), size=(64, 32), source=0, target_train=4, target_val=2)
    write_ade20k(root)
    return root


def small(name, streets, work_dir):
    """What `--streets` makes of a config, on two pictures a batch, for one iteration."""
    config = load(name)
    if name in FULL:
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
    promised = {f'{norm}_{method}_{data}' for norm in ('bn', 'sn', 'bw', 'sw', 'swb') for method in ('pspnet', 'fcn')
                for data in ('ade20k', 'cityscapes')}
    promised |= {f'{norm}_pspnet_streets' for norm in ('bn', 'sn', 'bw', 'sw', 'swb')}
    promised |= {'bn_pspnet101_ade20k', 'sw_pspnet101_ade20k'}  # Table 4
    promised |= {'sw7_fcn_cityscapes', 'sw7eigh_fcn_cityscapes', 'bw7eigh_fcn_cityscapes'}  # Table 5
    assert promised == set(NAMES)


@pytest.mark.parametrize('name', NAMES)
def test_a_step_on_streets(name, streets, tmp_path):
    """One iteration, a validation by the config's own pipeline and metric, a checkpoint."""
    runner, _, losses, changed = train(small(name, streets, tmp_path / name))
    assert {'loss', 'decode.loss_ce', 'aux.loss_ce'} <= set(losses)
    assert {'backbone.conv1.weight', 'decode_head.conv_seg.weight', 'auxiliary_head.conv_seg.weight'} <= changed
    check_coverage(runner.model, {'all': runner.optim_wrapper})
    if name in ('sw_pspnet_ade20k', 'bn_pspnet_streets'):  # the others' validation is the same
        metrics = runner.val()
        assert {'aAcc', 'mIoU'} <= set(metrics) and 0 <= metrics['aAcc'] <= 100


@pytest.mark.parametrize('name', NAMES)
def test_norms_stand_where_the_paper_puts_them(name):
    """SW at the sites, synchronised BN everywhere else, in backbone and heads."""
    config = load(name)
    config.model.backbone.init_cfg = None
    model = MODELS.build(config.model)
    word, count, inverse_sqrt = norm_of(name)
    found = [site.index for site in convolution_sites(model.backbone) if isinstance(site.norm, SwitchWhiten2d)]
    step = 6 if count == 7 else 3
    assert found == ([] if word == 'bn' else [1, *range(step, step * count, step)])
    for module in model.modules():
        if isinstance(module, SwitchWhiten2d):
            assert (module.statistics, module.inverse_sqrt) == (PRESETS[OMEGA[word]], inverse_sqrt)
        elif isinstance(module, nn.modules.batchnorm._NormBase):
            assert type(module).__name__ == 'SyncBatchNorm'  # torch's, or where there is no card ours
    classes = 150 if name.endswith('ade20k') else 19
    assert model.decode_head.num_classes == model.auxiliary_head.num_classes == classes
    assert type(model.decode_head).__name__ == ('FCNHead' if '_fcn_' in name else 'PSPHead')
    if name in FULL:
        assert model.backbone.depth == (101 if '101' in name else 50) and model.backbone.feat_dim == 2048


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
        for word in ('sn', 'bw', 'sw', 'swb'):
            other = load(f'{word}_pspnet_{data}').to_dict()
            assert other['model']['backbone'].pop('site_norm_cfg')
            assert other == base


def test_streets_refuses_what_it_cannot_make_small():
    for name in ('bn_pspnet_streets', 'sw_adaptsegnet_gta2cityscapes'):
        with pytest.raises(streets_option.UserError, match='--streets makes small what parses scenes'):
            streets_option.use_streets(load(name))


def test_streets_keep_network_sites_and_proportions(streets):
    config = load('sw_pspnet_cityscapes')
    streets_option.use_streets(config, streets)
    assert tuple(config.model.data_preprocessor.size) == (64, 128)  # 512x1024 by 8, as 2048x1024 to 256x128
    assert config.train_dataloader.dataset.dataset.data_root == str(streets / 'cityscapes')
    model = MODELS.build(Config(config.model))
    assert model.backbone.feat_dim == 512 and model.decode_head.channels == 128
    assert sum(isinstance(module, SwitchWhiten2d) for module in model.modules()) == 14
