"""Training in half precision follows training in single precision."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sw_mmseg.whitening import PRESETS, SwitchWhiten2d

HALVES = [torch.float16, torch.bfloat16]


def network(norm):
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        norm(),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, stride=2, bias=False),
        norm(),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 4),
    )


def gratings(step):
    """16 images of one of four frequencies, in noise, at a random brightness."""
    generator = torch.Generator().manual_seed(step)
    classes = torch.randint(0, 4, (16,), generator=generator)
    waves = torch.sin(torch.arange(1, 5).unsqueeze(1) * 0.4 * torch.arange(16))[classes]
    x = torch.randn(16, 3, 16, 16, generator=generator)
    x[:, 0] += 2 * waves.unsqueeze(1)
    x[:, 1] += 2 * waves.unsqueeze(2)
    return x + torch.randn(16, 3, 1, 1, generator=generator), classes


def loss_curve(norm, dtype=None, steps=100):
    """Mean loss of every ten steps."""
    model = network(norm)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    losses = []
    for step in range(steps):
        x, classes = gratings(step)
        with torch.autocast('cpu', dtype=dtype or torch.bfloat16, enabled=dtype is not None):
            loss = F.cross_entropy(model(x).float(), classes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.dtype == torch.float32 for p in model.parameters())
    return torch.tensor(losses).view(-1, 10).mean(1)


@pytest.mark.parametrize(
    'options',
    [
        dict(statistics=PRESETS['SWa']),
        pytest.param(dict(statistics=PRESETS['SWb']), marks=pytest.mark.slow),
        pytest.param(dict(statistics=PRESETS['SWa'], inverse_sqrt='eigh'), marks=pytest.mark.slow),
    ],
    ids=['SWa', 'SWb', 'eigh'],
)
def test_training_in_half_follows_training_in_single(options):
    """Within 0.03 of a loss that falls from 1.4 to below 0.4; BatchNorm's two curves lie 0.01 apart."""

    def norm():
        return SwitchWhiten2d(16, **options)

    single = loss_curve(norm)
    assert single[0] > 1.0 and single[-1] < 0.4
    for dtype in HALVES:
        assert (loss_curve(norm, dtype) - single).abs().max() < 0.03
