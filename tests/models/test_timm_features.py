"""Backbones of timm: timm's own maps and embeddings are the oracle; weights from a file, and without a network."""

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save_file

from sw_mmseg.models import PretrainedError, TimmFeatures, TokenPyramid, read_checkpoint


def weights(tmp_path, name, **options):
    """A network of timm with random weights, and a file of them."""
    network = timm.create_model(name, **options).eval()
    path = str(tmp_path / f'{name}.safetensors')
    save_file(network.state_dict(), path)
    return network, {'type': 'ImageNetPretrained', 'checkpoint': path}


def build(name, init_cfg, **options):
    backbone = TimmFeatures(name, init_cfg=init_cfg, **options)
    backbone.init_weights()
    return backbone.eval()


@torch.no_grad()
@pytest.mark.parametrize('name', ['test_convnext', 'test_efficientnet', 'test_resnet'])
def test_maps_are_those_of_timms_list_of_features(tmp_path, name):
    network, init_cfg = weights(tmp_path, name)
    oracle = timm.create_model(name, features_only=True).eval()
    oracle.load_state_dict({key.replace('stages.', 'stages_').replace('stem.', 'stem_'): value
                            for key, value in network.state_dict().items()
                            } if name == 'test_convnext' else network.state_dict(), strict=False)  # fmt: skip
    backbone, image = build(name, init_cfg), torch.randn(1, 3, 64, 96)
    maps = oracle(image)[-4:]
    assert backbone.out_channels == tuple(level.shape[1] for level in maps) and not backbone.tokens
    torch.testing.assert_close(list(backbone(image)), maps)


@torch.no_grad()
def test_tokens_of_the_last_block_are_those_of_timm_at_the_size_of_the_weights(tmp_path):
    network, init_cfg = weights(tmp_path, 'test_vit')
    backbone, image = build('test_vit', init_cfg), torch.randn(2, 3, 160, 160)
    maps = backbone(image)
    assert backbone.out_channels == (64, 64, 64, 64) and {level.shape for level in maps} == {(2, 64, 10, 10)}
    tokens = network.forward_features(image)[:, network.num_prefix_tokens :]
    torch.testing.assert_close(maps[-1], tokens.transpose(1, 2).reshape(2, 64, 10, 10))


@torch.no_grad()
def test_images_of_any_size_are_scaled_to_whole_patches_and_positions_resampled(tmp_path):
    _, init_cfg = weights(tmp_path, 'test_vit')
    backbone, image = build('test_vit', init_cfg), torch.randn(1, 3, 50, 97)
    resized = torch.nn.functional.interpolate(image, (64, 112), mode='bilinear')
    oracle = timm.create_model('test_vit', img_size=(64, 112)).eval()  # timm resamples the positions of the file
    rules = timm.models.vision_transformer.checkpoint_filter_fn
    timm.models.load_checkpoint(oracle, init_cfg['checkpoint'], filter_fn=rules)
    tokens = oracle.forward_features(resized)[:, oracle.num_prefix_tokens :]
    torch.testing.assert_close(backbone(image)[-1], tokens.transpose(1, 2).reshape(1, 64, 4, 7), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_transformer_with_rotary_positions():
    backbone, network = TimmFeatures('vit_tiny_patch16_dinov3_qkvb').eval(), timm.create_model(
        'vit_tiny_patch16_dinov3_qkvb', img_size=(32, 48), num_classes=0
    ).eval()  # fmt: skip
    network.load_state_dict(backbone.net.state_dict())
    image = torch.randn(1, 3, 32, 48)
    tokens = network.forward_features(image)[:, network.num_prefix_tokens :]
    torch.testing.assert_close(backbone(image)[-1], tokens.transpose(1, 2).reshape(1, -1, 2, 3))


def test_the_pyramid_has_four_sizes():
    maps = TokenPyramid([8] * 4, 4)([torch.randn(1, 8, 5, 7)] * 4)
    assert [tuple(level.shape) for level in maps] == [(1, 4, 20, 28), (1, 4, 10, 14), (1, 4, 5, 7), (1, 4, 3, 4)]
    with pytest.raises(ValueError, match='four levels'):
        TokenPyramid([8] * 3)


def test_what_cannot_be_had_is_said(no_network, monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_OFFLINE', True)  # it would try five times, a minute
    with pytest.raises(PretrainedError, match='put model.safetensors of https://huggingface.co/timm/test_vit.* into'):
        read_checkpoint('timm://test_vit.r160_in1k')
    no_network.clear()
    with pytest.raises(PretrainedError, match="has no weights called 'test_vit.none'"):
        read_checkpoint('timm://test_vit.none')
    (tmp_path / 'broken.safetensors').write_text('{}')
    with pytest.raises(PretrainedError, match='not a file of weights'):
        read_checkpoint(str(tmp_path / 'broken.safetensors'))
    with pytest.raises(ValueError, match="has no network 'resnet51'"):
        TimmFeatures('resnet51')
