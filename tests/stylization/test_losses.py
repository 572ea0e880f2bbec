"""Perceptual losses by hand, and loss networks: published weights, weights trained here, random filters."""

import urllib.error

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.losses.perceptual import PerceptualLoss, content_loss, gram_matrix, style_loss, total_variation
from sw_mmseg.models import PretrainedError
from sw_mmseg.stylization import LossNetwork

LAYERS = {'relu1_2': 3, 'relu2_2': 8, 'relu3_3': 15, 'relu4_3': 22}


def test_losses_by_hand():
    x = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    assert torch.allclose(gram_matrix(x), torch.tensor([[[5.0, 11.0], [11.0, 25.0]]]) / 4)
    assert total_variation(torch.tensor([[[[0.0, 1.0], [2.0, 5.0]]]])) == pytest.approx((4 + 16) / 2 + (1 + 9) / 2)
    assert content_loss(x, x + 2) == 4 and content_loss(x, 2 * x, relative=True) == pytest.approx(1 / 4)
    ones, style = torch.ones(2, 2, 2), [torch.full((1, 2, 2), 3.0), torch.full((1, 2, 2), -1.0)]
    assert style_loss([ones, ones], style) == 4 + 4  # (1 − 3)² and (1 + 1)²
    assert style_loss([ones, ones], style, relative=True) == pytest.approx(4 / 9 + 4)


def test_relative_losses_do_not_depend_on_the_scale_of_features():
    torch.manual_seed(0)
    images, features, content = torch.rand(2, 3, 8, 8), torch.rand(2, 4, 5, 5), torch.rand(2, 4, 5, 5)
    style = gram_matrix(torch.rand(1, 4, 5, 5))
    loss = PerceptualLoss(2.0, 3.0, 0.0, relative=True)
    one = loss(images, {'relu3_3': features}, content, {'relu3_3': style})
    other = loss(images, {'relu3_3': 7 * features}, 7 * content, {'relu3_3': 49 * style})
    assert one['loss_variation'] == 0
    for name in ('loss_content', 'loss_style'):
        assert torch.allclose(one[name], other[name]) and one[name] > 0
    with pytest.raises(ValueError, match='at least 0'):
        PerceptualLoss(content=-1.0)


def test_gram_matrices_are_fp32_under_autocast():
    """1 + 2^-9 squared, summed, has no place in bfloat16."""
    x = torch.full((1, 1, 1, 512), 1 + 2**-9)
    with torch.autocast('cpu', torch.bfloat16):
        assert torch.allclose(gram_matrix(x), torch.tensor((1 + 2**-9) ** 2))


def test_published_weights_answer_as_torchvision(tmp_path):
    from torchvision.models.vgg import cfgs, make_layers  # of vgg16 without its fully connected layers

    torch.manual_seed(0)
    published = make_layers(cfgs['D'])
    torch.save({f'features.{key}': value for key, value in published.state_dict().items()}, tmp_path / 'vgg16.pth')
    network = LossNetwork(str(tmp_path / 'vgg16.pth'))
    images = torch.rand(1, 3, 24, 32)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    features = network(images)
    assert set(features) == set(LAYERS) and not any(p.requires_grad for p in network.parameters())
    for name, index in LAYERS.items():
        assert torch.allclose(features[name], published[: index + 1]((images - mean) / std), atol=1e-6)


@pytest.mark.parametrize('norm', [None, dict(type='BN')])
@pytest.mark.parametrize('prefix', ['backbone.', 'segmentor.backbone.', ''])
def test_a_backbone_trained_here_is_a_loss_network(norm, prefix, tmp_path):
    torch.manual_seed(0)
    backbone = MODELS.build(dict(type='VGG16DeepLab', width=0.0625, norm_cfg=norm)).train()
    backbone.init_weights()
    for _ in range(2):
        backbone(torch.randn(2, 3, 32, 32))  # moves running statistics
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    backbone.eval()
    state = {prefix + key: value for key, value in backbone.state_dict().items()}
    torch.save({'state_dict': state, 'message_hub': print}, tmp_path / 'iter_1.pth')  # a training saves objects, too
    network = LossNetwork(str(tmp_path / 'iter_1.pth'))
    images = torch.rand(1, 3, 32, 32)
    x, pooled = (images - network.mean) / network.std, {}
    for group, name in ((1, 'relu1_2'), (2, 'relu2_2'), (3, 'relu3_3'), (4, 'relu4_3')):
        x = backbone.forward_group(x, group)
        pooled[name] = x
    for name, features in network(images).items():
        features = nn.functional.max_pool2d(features, 2) if name != 'relu4_3' else features
        assert torch.allclose(features, pooled[name], atol=1e-4)


def test_random_filters_are_standardised_and_seeded():
    network, same, other = (LossNetwork(None, seed, width=0.25) for seed in (0, 0, 1))
    assert torch.equal(network.features[0].weight, same.features[0].weight)
    assert not torch.equal(network.features[0].weight, other.features[0].weight)
    edges = network.features[0].weight[1::2].sum((2, 3))
    assert edges.abs().max() < 1e-5 < network.features[0].weight[::2].sum((2, 3)).abs().min()
    sizes = [features.square().mean().item() for features in network(torch.rand(1, 3, 64, 64)).values()]
    assert all(0.01 < size < 100 for size in sizes)


def test_weights_that_cannot_be_had(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise urllib.error.URLError('no route')

    monkeypatch.setattr(torch.hub, 'load_state_dict_from_url', offline)
    with pytest.raises(PretrainedError, match='(?s)no route.*checkpoint=None.*relative=True'):
        LossNetwork()
    with pytest.raises(PretrainedError, match='no loss network .*nothing.pth'):
        LossNetwork(str(tmp_path / 'nothing.pth'))
    (tmp_path / 'broken.pth').write_text('no')
    with pytest.raises(PretrainedError, match='broken.pth'):
        LossNetwork(str(tmp_path / 'broken.pth'))
    torch.save({'fc.weight': torch.zeros(1)}, tmp_path / 'other.pth')
    with pytest.raises(PretrainedError, match='is no VGG16'):
        LossNetwork(str(tmp_path / 'other.pth'))
    backbone = MODELS.build(dict(type='VGG16DeepLab', width=0.0625, norm_cfg=dict(type='SW')))
    torch.save({f'backbone.{k}': v for k, v in backbone.state_dict().items()}, tmp_path / 'sw.pth')
    with pytest.raises(PretrainedError, match='norm1 is no BatchNorm'):
        LossNetwork(str(tmp_path / 'sw.pth'))
