"""Which code computes the layer, chosen by the environment or by hand; and how its running statistics move."""

import pytest
import torch

from sw_mmseg.whitening import SwitchWhiten2d, choose_backend, using_backend
from sw_mmseg.whitening.backends import Counters, select, torch_backend
from sw_mmseg.whitening.backends.cpu import backend as cpu_backend
from sw_mmseg.whitening.maths import Moments
from tests.whitening.helpers.builds import built


@pytest.fixture(autouse=True)
def _compiled():
    """Where there is a compiler, C code that it cannot build is an error, not a skip."""
    built('native')


def test_the_layer_takes_them_unless_told_not_to(monkeypatch):
    x = torch.randn(2, 32, 8, 8)
    assert select(x, 16) is cpu_backend
    assert select(x.double(), 16) is torch_backend and select(torch.randn(2, 128, 2, 2), 128) is torch_backend
    layer = SwitchWhiten2d(32)
    ours = layer(x)
    with using_backend('torch'):
        assert select(x, 16) is torch_backend
        torch.testing.assert_close(ours, layer(x), rtol=1e-4, atol=1e-4)
    assert select(x, 16) is cpu_backend
    with pytest.raises(ValueError, match="backend 'fast' is unknown: choose 'auto' or 'torch'"):
        choose_backend('fast')


def test_the_environment_variable_chooses(monkeypatch):
    x = torch.randn(2, 32, 8, 8)
    with using_backend('auto'):  # what is chosen here ends with the block
        monkeypatch.setenv('SW_MMSEG_KERNELS', 'torch')
        assert select(x, 16) is cpu_backend  # it is read once
        choose_backend(None)
        assert select(x, 16) is torch_backend
        monkeypatch.setenv('SW_MMSEG_KERNELS', 'fast')
        with pytest.raises(ValueError, match="SW_MMSEG_KERNELS=fast is unknown: choose 'auto' or 'torch'"):
            choose_backend(None)


def test_running_statistics_move_as_in_torch():
    running, new = (Moments(torch.randn(32), torch.randn(2, 16, 16)) for _ in range(2))
    counters, expected = (
        Counters(*torch.tensor([3, 0])),
        [
            tensor + 0.1 * (other - tensor)
            for tensor, other in ((running.mean, new.mean), (running.cov, 1.25 * new.cov))
        ],
    )
    cpu_backend.track(running, counters, new, 0.1, 1.25, 1)
    assert counters == (4, 0)
    for ours, exact in zip(running, expected):
        torch.testing.assert_close(ours.double(), exact.double(), rtol=0, atol=1e-6)
