"""The discriminator's layers and the two-domain preprocessor's arithmetic."""

import pytest
import torch
from torch import nn

from sw_mmseg.models import DomainPreprocessor, OutputDiscriminator
from tests.helpers.tiny_networks import two_domain_batch


def test_published_shape():
    network = OutputDiscriminator(19)
    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 512, 1]
    assert {(layer.kernel_size, layer.stride) for layer in convolutions} == {((4, 4), (2, 2))}
    slopes = [layer.negative_slope for layer in network.modules() if isinstance(layer, nn.LeakyReLU)]
    assert slopes == [0.2] * 4 and isinstance(network.layers[-1], nn.Conv2d)
    assert network(torch.rand(2, 19, 64, 96)).shape == (2, 1, 2, 3)
    with pytest.raises(ValueError, match='31x64 pixels is below 32'):
        network(torch.rand(1, 19, 31, 64))


def test_preprocessor_normalises_each_domain():
    batch = two_domain_batch()
    preprocessor = DomainPreprocessor(mean=[1, 2, 3], std=[4, 5, 6], bgr_to_rgb=True)
    expected = {
        domain: (torch.stack(batch[domain]['inputs']).flip(1).float() - torch.tensor([1.0, 2, 3]).view(3, 1, 1))
        / torch.tensor([4.0, 5, 6]).view(3, 1, 1)
        for domain in batch
    }
    outputs = preprocessor(batch, True)
    assert list(outputs) == ['source', 'target']
    for domain in outputs:
        torch.testing.assert_close(outputs[domain]['inputs'], expected[domain])
    plain = preprocessor(two_domain_batch()['source'], False)
    torch.testing.assert_close(plain['inputs'], expected['source'])
