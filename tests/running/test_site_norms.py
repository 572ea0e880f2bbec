"""`--norm`: the norm at the sites set and read in any config, the names that follow from it, and clear mistakes."""

from pathlib import Path

import pytest
from mmengine.config import Config, ConfigDict

from sw_mmseg.running.configs import find_config, load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.named_configs import find_named, load_named, with_norm
from sw_mmseg.running.norms import NormError, find_norm, name_with_norm, norm_of, set_norm
from sw_mmseg.whitening import NORMS
from tests.helpers.config_runs import ALL_NAMES, FOLDER, load
from tests.helpers.slow_cases import one_in

FIVE = ('bw', 'iw', 'bn', 'in', 'ln')
WITHOUT_SITES = {
    'frozenbn_maskrcnn_coco',
    'mitb5_daformer_gta2cityscapes',
    'mitb5_mic_gta2cityscapes',
    'convnext_daformer_gta2cityscapes',
    'dinov2_daformer_gta2cityscapes',
}
# the entry at the sites, of a network of every kind
ENTRIES = {
    'bn_sourceonly_streets': lambda model: model.backbone.norm_cfg,
    'bn_mic_streets': lambda model: model.segmentor.backbone.norm_cfg,
    'bn_dacs101_gta2cityscapes': lambda model: model.segmentor.backbone.site_norm_cfg,
    'sw_pspnet_ade20k': lambda model: model.backbone.site_norm_cfg,
    'sw_resnet50_imagenet': lambda model: model.backbone.site_norm_cfg,
    'sw_maskrcnn_streets': lambda model: model.backbone.site_norm_cfg,
    'bn_style_coco': lambda model: model.network.norm_cfg,
}
CONFIGS = {
    'in': dict(type='IN', affine=True),
    'ibn': dict(type='IBN'),
    'bw': dict(type='BW'),
    'iw': dict(type='IW'),
    'sw': dict(type='SW'),
    'swb': dict(type='SWb'),
}


@pytest.mark.parametrize('name', one_in(2, [name for name in ALL_NAMES if name not in WITHOUT_SITES]))
def test_a_files_name_says_its_norm_and_a_variable_repeats_it(name):
    config = load(name)
    first = name.split('_')[0]
    assert norm_of(config) == {'sw7': 'sw', 'sw7eigh': 'sw', 'bw7eigh': 'bw', 'swtied': 'sw'}.get(first, first)
    changed = set_norm(load(name), norm_of(config))
    if first in NORMS:
        assert changed.model == config.model
    assert config.norm['type'] == changed.norm['type']


@pytest.mark.parametrize('name', sorted(WITHOUT_SITES))
def test_networks_without_sites(name):
    for use in (norm_of, lambda config: set_norm(config, 'sw')):
        with pytest.raises(NormError, match='without sites|frozen BN'):
            use(load(name))


@pytest.mark.parametrize('word', CONFIGS)
@pytest.mark.parametrize('name', ENTRIES)
def test_the_entry_at_the_sites(name, word):
    config = set_norm(load(name), word)
    assert ENTRIES[name](config.model) == CONFIGS[word] == config.norm
    assert norm_of(config) == word


def test_bn_leaves_no_sites_and_options_of_the_norm_before_go():
    assert 'site_norm_cfg' not in load('sw_pspnet_ade20k', 'bn').model.backbone
    assert load('sw7eigh_fcn_cityscapes', 'swb').model.backbone.site_norm_cfg == dict(type='SWb')
    assert load('sw7eigh_fcn_cityscapes', 'swb').model.backbone.every == 6
    assert load('sw_maskrcnn_streets', 'sn').model.neck.norm_cfg == dict(type='SN', requires_grad=True)


def test_another_way_to_write_a_norm_is_read_as_the_same():
    for entry, word in (
        (dict(type='SW', statistics=list(FIVE)), 'swb'),
        (dict(type='SWa', group_size=8), 'sw'),
        (dict(type='SW', statistics=('bw', 'iw'), tie_weights=True), 'sw'),
        (dict(type='GN', num_groups=1), 'ln'),
        (dict(type='GN', num_groups=8), 'gn'),
    ):
        config = load('bn_sourceonly_streets')
        config.model.backbone.norm_cfg = ConfigDict(entry)
        assert norm_of(config) == word
    config.model.backbone.norm_cfg = ConfigDict(type='SW', statistics=['bw', 'ln'])
    with pytest.raises(NormError, match='no norm of the table'):
        norm_of(config)


def test_names():
    assert find_norm('SWa') is find_norm('sw') is NORMS['sw'] and find_norm('SWb') is NORMS['swb']
    with pytest.raises(NormError, match=r"no norm 'swc': one of bn, .*swb"):
        find_norm('swc')
    assert name_with_norm('configs/bn_fcn_ade20k.py', 'sw') == 'sw_fcn_ade20k'
    assert name_with_norm(Path('my_network.py'), 'sw') == 'sw_my_network'
    assert find_named('sn_pspnet_streets').words == 'configs/bn_pspnet_streets.py --norm sn'
    assert find_named('gn_maskrcnn_streets').words == 'configs/syncbn_maskrcnn_streets.py --norm gn'
    assert find_named('sw_pspnet_streets').words == 'configs/sw_pspnet_streets.py'
    assert norm_of(load_named('iw_style_streets')) == 'iw'
    with pytest.raises(UserError, match=r'no config sw_pspnet_street; did you mean .*configs/sw_pspnet_streets.py'):
        find_named('sw_pspnet_street')


def test_a_config_with_another_norm_is_called_as_its_file_would_be(tmp_path, monkeypatch):
    config = with_norm(load('bn_fcn_ade20k'), 'swb')
    assert Path(config.filename).name == 'swb_fcn_ade20k.py'
    config.dump(tmp_path / Path(config.filename).name)
    again = Config.fromfile(tmp_path / 'swb_fcn_ade20k.py')
    assert again.model == config.model and again.train_dataloader == config.train_dataloader
    monkeypatch.chdir(tmp_path)
    path = str(FOLDER / 'bn_fcn_ade20k.py')
    assert load_config(path, {}, norm='sw').work_dir == 'work_dirs/sw_fcn_ade20k'
    assert load_config(path, {}).work_dir == 'work_dirs/bn_fcn_ade20k'
    options = {'model.backbone.site_norm_cfg.group_size': 8}
    assert load_config(path, options, norm='sw').model.backbone.site_norm_cfg == dict(type='SW', group_size=8)


def test_mistakes():
    with pytest.raises(UserError, match='--cfg-options norm.type changes no layer: say --norm NAME'):
        load_config(str(FOLDER / 'bn_fcn_ade20k.py'), {'norm.type': 'SW'})
    with pytest.raises(UserError, match='it is configs/bn_fcn_ade20k.py --norm sn'):
        find_config('configs/sn_fcn_ade20k.py')
