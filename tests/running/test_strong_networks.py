"""`--network` with networks of timm and SegFormer's: what is built, what learns and how fast, names and mistakes."""

import argparse

import pytest
import timm
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from sw_mmseg.running.command_line import network_word
from sw_mmseg.running.named_configs import find_named, load_named
from sw_mmseg.running.networks import STRONG, NetworkError, find_network, network_of, set_network
from tests.helpers.config_runs import load, segmentor_of

SMALL = 'bn_sourceonly_streets2camvid'


@pytest.mark.parametrize(
    'word', ['mit-b2', 'convnext-t', 'dinov2-s', 'dinov3-s+lora8', 'test_vit+rein', 'test_convnext']
)
@pytest.mark.parametrize('name', [SMALL, 'bn_dacs_gta2cityscapes'])
def test_read_back_from_any_network_and_from_each_other(name, word):
    config = set_network(load(name), word)
    assert find_network(network_of(config))._replace(word=word, suffix='') == find_network(word)._replace(suffix='')
    other = set_network(set_network(load(name), 'dinov2-b+lora'), word)
    assert other.to_dict() == config.to_dict()
    wrapper = config.optim_wrapper.get('segmentor', config.optim_wrapper)
    assert (wrapper.optimizer.type, wrapper.optimizer.lr) == ('AdamW', 6e-5)
    assert segmentor_of(config).decode_head.num_classes == segmentor_of(load(name)).decode_head.num_classes


def test_every_word_of_the_table_names_weights_that_timm_has():
    for network in STRONG.values():
        assert network.timm_name is None or network.timm_name in timm.list_pretrained()
    config = set_network(load(SMALL), 'dinov2-s')
    assert config.model.backbone.init_cfg.checkpoint == 'timm://vit_small_patch14_dinov2.lvd142m'
    assert config.model.data_preprocessor.mean == pytest.approx([123.675, 116.28, 103.53])
    assert config.model.neck.in_channels == [384] * 4
    assert config.model.decode_head.loss_decode == load(SMALL).model.decode_head.loss_decode
    assert set_network(load(SMALL), 'test_vit').model.data_preprocessor.mean == [127.5] * 3


def test_what_learns_is_in_the_optimiser_and_in_the_checkpoint_alone(tmp_path):
    init_default_scope('mmseg')
    file = tmp_path / 'vit.pth'
    torch.save(timm.create_model('test_vit').state_dict(), file)
    config = set_network(load(SMALL), 'test_vit+lora4')
    config.model.backbone.init_cfg.checkpoint = str(file)
    model = MODELS.build(config.model)
    model.init_weights()
    groups = build_optim_wrapper(model, config.optim_wrapper).optimizer.param_groups
    rates = {id(group['params'][0]): group['lr'] for group in groups}
    for name, parameter in model.named_parameters():
        if name.startswith('backbone.'):
            assert ('lora_' in name) == parameter.requires_grad == (id(parameter) in rates)
            assert rates.get(id(parameter), 3e-4) == pytest.approx(3e-4)
        else:
            assert rates[id(parameter)] == pytest.approx(6e-4)
    logits = model(torch.zeros(2, 3, 64, 96))
    assert logits.shape == (2, 11, 16, 24)
    kept = {name for name in model.state_dict() if name.startswith('backbone.')}
    assert kept == {name for name, _ in model.named_parameters() if 'lora_' in name} | {'backbone.frozen_sha256'}


def test_names():
    named = find_named('bn_cbst-dinov2-s_streets2camvid')
    assert named.words == 'configs/bn_cbst_streets2camvid.py --network dinov2-s'
    assert network_of(load_named('bn_cbst-convnext-t_streets2camvid')) == 'convnext-t'
    assert network_word('mit-b5') == 'mit-b5'
    with pytest.raises(argparse.ArgumentTypeError, match='or a name of timm'):
        network_word('dinov4-s')


def test_mistakes():
    for word, text in (
        ('vgg16+lora', 'tuning is for transformers of timm'),
        ('mit-b2+lora', 'tuning is for transformers of timm'),
        ('dinov2-s+lora0', 'no network'),
        ('resnet50.no_such_weights', 'no network'),
    ):
        with pytest.raises(NetworkError, match=text):
            find_network(word)
    with pytest.raises(NetworkError, match='the optimiser of mit-b2'):
        set_network(set_network(load(SMALL), 'mit-b2'), 'small')
    with pytest.raises(NetworkError, match='ISW whitens the norms of a convolutional network'):
        set_network(load('bn_isw_gta2cityscapes'), 'mit-b2')
