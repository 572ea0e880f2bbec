"""DeepLab-v2 on VGG16 against torchvision's VGG16 and against its own description."""

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from sw_mmseg.models import DeepLabV2Head, MultiLevelSegmentor, VGG16DeepLab
from sw_mmseg.models.vgg import CONVOLUTIONS, scale_width
from sw_mmseg.whitening import SwitchWhiten2d


def narrow(**kwargs):
    return VGG16DeepLab(width=1 / 16, **kwargs)


def test_features_equal_torchvisions_up_to_the_last_common_layer():
    """The key map is right and the network is VGG16: same values after conv4_3's ReLU, the last before pool4."""
    theirs = torchvision.models.vgg16(weights=None)
    ours = VGG16DeepLab(with_fc=False)
    missing, unexpected = ours.load_state_dict(ours.remap_pretrained(theirs.state_dict()), strict=False)
    assert missing == [] and all(key.startswith('classifier.') for key in unexpected)
    image = torch.randn(1, 3, 48, 32)
    with torch.no_grad():
        expected = theirs.features[:23](image)
        features = image
        for group in range(1, 5):
            features = ours.forward_group(features, group)
        assert torch.equal(features, expected)
        # what follows differs by design: no pool4, dilated by 2
        for index in (24, 26, 28):
            layer = theirs.features[index]
            expected = F.conv2d(expected, layer.weight, layer.bias, padding=2, dilation=2).relu()
        torch.testing.assert_close(ours(image)[0], expected)


def test_every_convolution_has_its_place_in_the_key_map():
    network = VGG16DeepLab(with_fc=False)
    convolutions = [name for name, layer in network.named_modules() if isinstance(layer, nn.Conv2d)]
    assert convolutions == list(CONVOLUTIONS) and len(convolutions) == 13
    theirs = torchvision.models.vgg16(weights=None).features
    renamed = VGG16DeepLab.remap_pretrained({f'features.{key}': value for key, value in theirs.state_dict().items()})
    assert set(renamed) == set(network.state_dict())
    assert all(renamed[key].shape == value.shape for key, value in network.state_dict().items())


def test_output_stride_receptive_field_and_widths():
    network = narrow().eval()
    assert network(torch.zeros(1, 3, 64, 128))[0].shape == (1, 64, 8, 16)
    assert network.fc6.dilation == network.fc7.dilation == (4, 4)
    assert [network.conv5_1.dilation, network.conv4_1.dilation] == [(2, 2), (1, 1)]
    assert VGG16DeepLab(width=0.25).out_channels == 256
    assert [scale_width(c, 0.25) for c in (64, 128, 256, 512, 1024)] == [16, 32, 64, 128, 256]
    assert [scale_width(64, width) for width in (0.01, 0.3, 1, 1.5)] == [16, 16, 64, 96]
    assert narrow(in_channels=4)(torch.zeros(1, 4, 16, 16))[0].shape[1] == 64


@pytest.mark.parametrize('norm', [None, 'BN', 'SW', 'IN'])
def test_one_norm_behind_the_first_convolution_of_each_group(norm):
    """The order convolution, norm, ReLU is read off the running network."""
    network = narrow(norm_cfg=norm and {'type': norm})
    order = []
    for name, module in network.named_modules():
        if name:
            module.register_forward_hook(lambda module, args, output, name=name: order.append(name))
    network(torch.randn(2, 3, 32, 32))
    norms = [name for name in order if name.startswith('norm')]
    assert norms == ([f'norm{group}' for group in range(1, 6)] if norm else [])
    for name in norms:
        position = order.index(name)
        assert order[position - 1 : position + 2] == [f'conv{name[-1]}_1', name, 'relu']
    if norm == 'SW':
        assert all(isinstance(getattr(network, name), SwitchWhiten2d) for name in norms)


def test_frozen_stages_and_norm_eval():
    network = narrow(norm_cfg={'type': 'SW'}, frozen_stages=2).train()
    trained = {name.split('.')[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
    frozen = {name.split('.')[0] for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert frozen == {'conv1_1', 'conv1_2', 'norm1', 'conv2_1', 'conv2_2', 'norm2'} and not frozen & trained
    before = network.norm1.running_mean.clone(), network.norm3.running_mean.clone()
    network(torch.randn(2, 3, 32, 32))
    assert torch.equal(network.norm1.running_mean, before[0])
    assert not torch.equal(network.norm3.running_mean, before[1])

    network = narrow(norm_cfg={'type': 'SW'}, norm_eval=True).train()
    assert not any(getattr(network, f'norm{group}').training for group in range(1, 6)) and network.conv1_1.training
    with pytest.raises(ValueError, match='between -1 and 5'):
        narrow(frozen_stages=6)


def test_activations_keep_their_scale_from_scratch():
    """He initialisation: through fifteen convolutions without a norm the signal neither fades nor explodes."""
    network = VGG16DeepLab(width=0.25)
    network.init_weights()
    torch.manual_seed(0)
    with torch.no_grad():
        scale = network(torch.randn(2, 3, 64, 64))[0].pow(2).mean().sqrt()
    assert 0.1 < scale < 10


@pytest.mark.parametrize('branches, dilations', [('four', (6, 12, 18, 24)), ('two', (6, 12))])
def test_head_sums_its_branches(branches, dilations):
    head = DeepLabV2Head(8, 5, branches=branches).double()
    features = torch.randn(2, 8, 9, 11).double()
    expected = sum(
        F.conv2d(features, layer.weight, layer.bias, padding=dilation, dilation=dilation)
        for layer, dilation in zip(head.classifiers, dilations, strict=True)
    )
    torch.testing.assert_close(head([features]), expected)
    assert not [name for name, _ in head.named_parameters() if not name.startswith('classifiers.')]
    assert head.align_corners


def test_loss_is_the_mean_over_labelled_pixels():
    from tests.helpers.tiny_networks import side

    torch.manual_seed(3)
    head, samples = DeepLabV2Head(4, 5), side((8, 8), 2, labelled=True)['data_samples']
    logits = torch.randn(2, 5, 8, 8)
    labels = torch.stack([data_sample.gt_sem_seg.data[0] for data_sample in samples])
    assert (labels == 255).any()
    expected = F.cross_entropy(logits, labels, ignore_index=255)  # torch's mean leaves ignored pixels out
    torch.testing.assert_close(head.loss_by_feat(logits, samples)['loss_ce'], expected)


def test_head_refuses_unknown_words():
    with pytest.raises(ValueError, match=r"one of \['four', 'two'\], got 'three'"):
        DeepLabV2Head(8, 5, branches='three')
    with pytest.raises(ValueError, match='needs 4 dilations'):
        DeepLabV2Head(8, 5, dilations=(1, 2))


def test_levels_of_a_segmentor_with_several_auxiliary_heads():
    head = {'type': 'DeepLabV2Head', 'num_classes': 5, 'in_channels': 64, 'dilations': (1, 2, 3, 4)}
    segmentor = MultiLevelSegmentor({'type': 'VGG16DeepLab', 'width': 1 / 16}, head, auxiliary_head=[head, head]).eval()
    image = torch.randn(1, 3, 32, 32)
    levels = segmentor(image, mode='levels')
    assert list(levels) == ['decode_head', 'auxiliary_head_0', 'auxiliary_head_1']
    assert torch.equal(levels['decode_head'], segmentor(image))
    assert torch.equal(levels['auxiliary_head_1'], segmentor.auxiliary_head[1](segmentor.extract_feat(image)))
