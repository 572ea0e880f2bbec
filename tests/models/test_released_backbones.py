"""A converted released model starts classification, segmentation and detection backbones: every entry arrives."""

import importlib

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.models.released import convert_released, released_norms
from tests.helpers.released_networks import published_network, published_state

# a scope, and the options of its ResNet that make it torchvision's
SCOPES = {'mmseg': {}, 'mmdet': {}, 'mmpretrain': {'out_indices': (0, 1, 2, 3)}}


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    network = published_network('resnet50')
    state = published_state(network, 'resnet50')
    folder = tmp_path_factory.mktemp('released')
    torch.save({'state_dict': convert_released(state).state}, folder / 'whole.pth')
    torch.save({'state_dict': convert_released(state, layout='backbone').state}, folder / 'backbone.pth')
    return network, folder


@pytest.mark.parametrize('prefix', ['backbone.', None], ids=['whole', 'backbone'])
@pytest.mark.parametrize('scope', SCOPES)
@torch.no_grad()
def test_every_entry_arrives_and_features_are_the_same(checkpoint, scope, prefix):
    network, folder = checkpoint
    importlib.import_module(f'{scope}.models')
    path = folder / ('whole.pth' if prefix else 'backbone.pth')
    start = dict(type='Pretrained', checkpoint=str(path), **({'prefix': prefix} if prefix else {}))
    with DefaultScope.overwrite_default_scope(scope):
        backbone = MODELS.build(
            dict(
                type='SwitchSites',
                of='ResNet',
                depth=50,
                site_norm_cfg=dict(type='SW'),
                at=released_norms('resnet50', 'backbone'),
                init_cfg=start,
                **SCOPES[scope],
            )
        )
    assert type(backbone).__module__.startswith(scope)
    backbone.init_weights()
    saved = torch.load(path, weights_only=True)['state_dict']
    state = backbone.state_dict()
    assert len(state) == 332 and all(torch.equal(value, saved[(prefix or '') + key]) for key, value in state.items())
    images = torch.randn(1, 3, 64, 64)
    expected = torch.nn.Sequential(*list(network.children())[:-2])(images)
    backbone.eval()
    torch.testing.assert_close(backbone(images)[-1], expected, rtol=1e-3, atol=1e-3)
