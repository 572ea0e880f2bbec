"""Tiny models, batches and optimisers for them."""

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.registry import MODELS

from tests.helpers.tiny_networks import players, tiny_config, two_domain_batch


@pytest.fixture
def make_model():
    def make(method='AdaptSegNet', **kwargs):
        torch.manual_seed(1)
        model = MODELS.build(tiny_config(method, **kwargs)).double()
        for parameter in model.segmentor.parameters():  # away from the small initial classifiers
            parameter.data += 0.05 * torch.randn_like(parameter)
        return model.train()

    return make


@pytest.fixture
def make_batch():
    return two_domain_batch


@pytest.fixture
def make_wrappers():
    """Plain descent with a learning rate of 1 and no momentum: parameters change by exactly their gradient."""

    def make(model, lr=1.0, **kwargs):
        def wrapper(part):
            return OptimWrapper(torch.optim.SGD(part.parameters(), lr=lr), **kwargs)

        return OptimWrapperDict(**{name: wrapper(getattr(model, name)) for name in players(model)})

    return make
