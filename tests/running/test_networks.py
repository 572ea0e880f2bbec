"""`--network`: the segmentor of an adaptation config replaced and read back, what follows with it, and mistakes."""

import copy
import itertools
from pathlib import Path

import pytest
from mmengine.config import ConfigDict

from sw_mmseg.running.configs import find_config, load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.named_configs import find_named, with_network
from sw_mmseg.running.networks import NETWORKS, NetworkError, find_network, name_with_network, network_of, set_network
from sw_mmseg.running.norms import norm_of, set_norm
from tests.helpers.config_runs import ALL_NAMES, FOLDER, load, segmentor_of

METHODS = ('adaptsegnet', 'advent', 'dacs', 'fda', 'isw', 'jitter', 'mic', 'minent', 'sourceonly')
WIDE = [f'bn_{method}_gta2cityscapes' for method in METHODS]
# what the authors' settings say of the two levels: weights of the segmentation loss and of the method's own
LEVELS = {
    'adaptsegnet': [(1.0, 0.001), (0.1, 0.0002)],
    'advent': [(1.0, 0.001), (0.1, 0.0002)],
    'minent': [(1.0, 0.001), (0.1, 0.0002)],
    'fda': [(1.0, 0.005), (0.1, 0.001)],
    'isw': [(1.0,), (0.1,)],
}


def own_network(name):
    if 'gta2cityscapes' in name or name == 'sw_adaptsegnet_folders':
        return 'vgg16'
    return 'small' if 'camvid' in name or 'streets2cameras' in name else 'narrow'


def test_the_network_of_every_config_of_adaptation():
    methods = {*METHODS, 'oracle', 'cbst'}
    names = [name for name in ALL_NAMES if name.startswith(('bn_', 'sw_')) and name.split('_')[1] in methods]
    assert len(names) > 25
    for name in names:
        assert network_of(load(name)) == own_network(name)


@pytest.mark.parametrize(
    'name',
    [
        'bn_fcn_ade20k',
        'sw_pspnet_streets',
        'convnext_daformer_gta2cityscapes',
        'bn_style_coco',
        'bn_resnet20_digits',
        'sw_maskrcnn_streets',
    ],
)
def test_other_networks_are_told_apart(name):
    with pytest.raises(NetworkError, match=f'the network of {name}.py is none of narrow, vgg16, resnet101, small'):
        network_of(load(name))


@pytest.mark.parametrize('name', WIDE)
def test_resnet101(name):
    method, before, config = name.split('_')[1], load(name), set_network(load(name), 'resnet101')
    assert network_of(config) == 'resnet101' and norm_of(config) == 'bn'
    segmentor, data_preprocessor = segmentor_of(config), config.model.data_preprocessor
    assert (segmentor.backbone.of, segmentor.backbone.depth, segmentor.decode_head.in_channels) == ('ResNet', 101, 2048)
    assert segmentor.backbone.init_cfg.checkpoint == 'torchvision://resnet101'
    assert data_preprocessor.mean == [123.675, 116.28, 103.53]
    two = method not in ('dacs', 'mic')
    assert (segmentor.auxiliary_head is not None) == two
    if method in LEVELS:
        levels = [tuple(level.values()) for level in config.model.levels]
        assert levels == [(head, *weights) for head, weights in zip(('decode_head', 'auxiliary_head'), LEVELS[method])]
    else:
        assert 'levels' not in config.model
    if method in ('jitter', 'sourceonly'):
        assert segmentor.auxiliary_head.loss_decode == dict(
            type='CrossEntropyLoss', avg_non_ignore=True, loss_weight=0.1
        )
    if method == 'isw':
        assert config.model.layers == ['bn1', 'layer1.2.bn2', 'layer2.3.bn2']
    wrapper = config.optim_wrapper.get('segmentor', config.optim_wrapper)
    heads = ['decode_head', 'auxiliary_head'] if two else ['decode_head']
    assert wrapper.pop('paramwise_cfg') == {'custom_keys': {head: {'lr_mult': 10.0} for head in heads}}
    for key in before.keys() - {'model', 'norm', 'norm_groups', 'data_preprocessor', 'segmentor'}:
        assert config[key] == before[key], key
    kept = before.model.keys() - {'segmentor', 'data_preprocessor', 'levels', 'layers', *segmentor}
    assert all(config.model[key] == before.model[key] for key in kept)


@pytest.mark.parametrize('name', [*WIDE, 'bn_isw_streets', 'bn_cbst_streets2camvid'])
def test_network_and_norm_in_either_order_and_back(name):
    config = load(name)
    for word, norm in itertools.product(NETWORKS, ('bn', 'gn', 'sw', 'swb')):
        one, other = (copy.deepcopy(config) for _ in range(2))
        set_norm(set_network(one, word), norm), set_network(set_norm(other, norm), word)
        assert one.to_dict() == other.to_dict()
        assert (network_of(one), norm_of(one)) == (word, norm)
        assert set_network(one, own_network(name)).to_dict() == set_norm(copy.deepcopy(config), norm).to_dict()


def test_classes_rates_of_other_parameters_and_options_of_the_norm_stay():
    config = load('bn_adaptsegnet_streets2camvid')
    set_network(config, 'resnet101')
    heads = config.model.segmentor.decode_head, config.model.segmentor.auxiliary_head
    assert [head.num_classes for head in heads] == [11, 11]
    assert {key: rate.lr_mult for key, rate in config.optim_wrapper.segmentor.paramwise_cfg.custom_keys.items()} == {
        'mean_logits': 10.0,
        'cov_logits': 10.0,
        'decode_head': 10.0,
        'auxiliary_head': 10.0,
    }
    assert config.optim_wrapper.segmentor.paramwise_cfg.norm_decay_mult == 0.0
    config = load('sw_adaptsegnet_streets')
    config.model.segmentor.backbone.norm_cfg = ConfigDict(type='SW', group_size=8)
    assert set_network(config, 'resnet101').model.segmentor.backbone.site_norm_cfg == dict(type='SW', group_size=8)
    assert config.norm == dict(type='SW', group_size=8)
    config = load('bn_adaptsegnet_gta2cityscapes')
    config.model.levels[0].lambda_adv = 0.01
    assert set_network(config, 'resnet101').model.levels[1].lambda_adv == pytest.approx(0.002)


def test_names(tmp_path, monkeypatch):
    assert name_with_network('configs/bn_fda_gta2cityscapes.py', 'resnet101') == 'bn_fda101_gta2cityscapes'
    assert name_with_network(Path('my_network.py'), 'resnet101') == 'my_network_resnet101'
    assert Path(with_network(load('bn_fda_streets'), 'narrow').filename).stem == 'bn_fda_streets'
    wide = 'configs/bn_mic_gta2cityscapes.py --network resnet101'
    assert find_named('bn_mic101_gta2cityscapes').words == wide
    assert find_named('swb_mic101_gta2cityscapes').words == f'{wide} --norm swb'
    assert find_named('bn_iswsmall_streets').words == 'configs/bn_isw_streets.py --network small'
    monkeypatch.chdir(tmp_path)
    path = str(FOLDER / 'bn_fda_gta2cityscapes.py')
    config = load_config(path, {'model.levels.1.lambda_ent': 0.5}, network='resnet101', norm='sw')
    assert config.work_dir == 'work_dirs/sw_fda101_gta2cityscapes' and config.model.levels[1].lambda_ent == 0.5
    assert load_config(path, {}, network='vgg16').work_dir == 'work_dirs/bn_fda_gta2cityscapes'


def test_mistakes():
    with pytest.raises(NetworkError, match="no network 'resnet51': one of narrow, vgg16, resnet101, small, mit-b2"):
        find_network('resnet51')
    with pytest.raises(UserError, match='it is configs/bn_fda_gta2cityscapes.py --network resnet101'):
        find_config('configs/bn_fda101_gta2cityscapes.py')
    with pytest.raises(UserError, match='no config bn_fcn101_ade20k; did you mean configs/bn_fcn_ade20k.py'):
        find_named('bn_fcn101_ade20k')
    config = load('bn_adaptsegnet_gta2cityscapes')
    config.model.segmentor.decode_head.branches = 'two'
    before = config.to_dict()
    with pytest.raises(NetworkError, match='changes decode_head.branches of .*vgg16.py, which another network would'):
        set_network(config, 'resnet101')
    assert config.to_dict() == before and set_network(config, 'vgg16').to_dict() == before


def test_weights_of_classes_are_the_datas_and_stay():
    config = load('bn_cbst_streets2camvid')
    loss = config.model.segmentor.decode_head.loss_decode.to_dict()
    head = set_network(config, 'narrow').model.segmentor.decode_head
    assert head.type == 'DeepLabV2Head' and head.num_classes == 11 == len(loss['class_weight'])
    assert head.loss_decode.to_dict() == loss
