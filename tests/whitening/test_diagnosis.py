"""What a diagnosis says, against numpy on matrices with known eigenvalues and on the layer's own output."""

import numpy as np
import pytest
import torch
from torch import nn

from sw_mmseg.whitening import PRESETS, BatchWhiten2d, InstanceWhiten2d, SwitchNorm2d, SwitchWhiten2d

from .helpers.reference import moments, root_by_eigenvalues, root_by_newton

DOUBLE = dict(dtype=torch.float64)
CLOSE = dict(rtol=1e-8, atol=1e-12)


def with_spectrum(values, samples=1):
    """Images (N, D, H, W) each of which has a covariance with exactly these eigenvalues, and mean 3."""
    d, generator = len(values), np.random.default_rng(3)
    images = []
    for _ in range(samples):
        columns = np.column_stack([np.ones(64), generator.standard_normal((64, d))])
        rows = 8 * np.linalg.qr(columns)[0][:, 1:].T  # no mean, the identity as covariance
        turn = np.linalg.qr(generator.standard_normal((d, d)))[0]
        images.append(turn @ (np.sqrt(values)[:, None] * rows) + 3)
    return torch.tensor(np.stack(images)).view(samples, d, 8, 8)


@pytest.mark.parametrize('method', ['newton', 'eigh'])
def test_known_eigenvalues(method):
    values = np.array([0.5, 2.0, 3.0, 50.0])
    layer = InstanceWhiten2d(4, group_size=4, eps=1e-3, inverse_sqrt=method, iterations=4, **DOUBLE)
    diagnosis = layer.diagnose(with_spectrum(values, samples=2))
    for ours, expected in (
        (diagnosis.smallest, 0.501),
        (diagnosis.largest, 50.001),
        (diagnosis.condition, 50.001 / 0.501),
    ):
        np.testing.assert_allclose(ours, np.full((2, 1), expected), **CLOSE)
    # in the eigenvector basis Newton is a scalar iteration on σ / tr Σ
    scaled = (values + 1e-3) / (values + 1e-3).sum()
    p = np.ones(4)
    for _ in range(4):
        p = 0.5 * (3 * p - p**3 * scaled)
    residual = np.sqrt(np.mean((p**2 * scaled - 1) ** 2))
    np.testing.assert_allclose(diagnosis.newton_residual, np.full((2, 1), residual), **CLOSE)
    assert diagnosis.eigh_residual.max() < 1e-12
    gains = p**2 / (values + 1e-3).sum() if method == 'newton' else 1 / (values + 1e-3)
    whiteness = np.sqrt(np.mean((gains * values - 1) ** 2))
    np.testing.assert_allclose(diagnosis.image_distance, np.full((2, 1), whiteness), **CLOSE)


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
@pytest.mark.parametrize('method', ['newton', 'eigh'])
@pytest.mark.parametrize('statistics', [PRESETS['SWa'], PRESETS['SWb'], PRESETS['SN'], ('bw',), ('iw',)], ids='+'.join)
def test_whiteness_is_that_of_the_output(statistics, method, training):
    """From the layer's own output, without γ and β, as loops take its moments."""
    layer = SwitchWhiten2d(8, affine=False, statistics=statistics, group_size=4, inverse_sqrt=method, **DOUBLE)
    nn.init.normal_(layer.mean_logits), nn.init.normal_(layer.cov_logits)
    for _ in range(2):
        layer(torch.randn(3, 8, 5, 5, **DOUBLE) + 1)
    layer.train(training)
    x = torch.randn(3, 8, 4, 5, **DOUBLE) * 2 + 1
    diagnosis = layer.diagnose(x)
    y, d = layer(x).detach().numpy().reshape(3, 8, -1), layer.group_size

    def distance(columns):
        return np.linalg.norm(moments(columns)[1] - np.eye(d)) / np.sqrt(d)

    groups = [slice(start, start + d) for start in range(0, 8, d)]
    np.testing.assert_allclose(diagnosis.image_distance, [[distance(image[g]) for g in groups] for image in y], **CLOSE)
    np.testing.assert_allclose(
        diagnosis.batch_distance, [distance(np.concatenate(y[:, g], axis=1)) for g in groups], **CLOSE
    )


def test_batch_statistics_have_one_matrix_for_all_images():
    layer = BatchWhiten2d(8, group_size=4, iterations=3, **DOUBLE)
    x = torch.randn(3, 8, 4, 5, **DOUBLE)
    columns = x.transpose(0, 1).flatten(1).numpy()
    diagnosis = layer.diagnose(x)
    assert diagnosis.condition.shape == (1, 2) and diagnosis.image_distance.shape == (3, 2)
    for group, rows in enumerate((columns[:4], columns[4:])):
        cov = moments(rows)[1] + 1e-5 * np.eye(4)
        np.testing.assert_allclose(diagnosis.condition[0, group], np.linalg.cond(cov), **CLOSE)
        for ours, root in (
            (diagnosis.newton_residual, root_by_newton(cov, 3)),
            (diagnosis.eigh_residual, root_by_eigenvalues(cov)),
        ):
            expected = np.linalg.norm(root @ cov @ root - np.eye(4)) / 2
            np.testing.assert_allclose(ours[0, group], expected, **CLOSE)


def test_evaluation_judges_the_running_statistics():
    layer = BatchWhiten2d(4, group_size=4, **DOUBLE).eval()
    layer.running_cov.copy_(torch.diag(torch.tensor([1.0, 2.0, 4.0, 8.0])))
    diagnosis = layer.diagnose(torch.randn(2, 4, 3, 3, **DOUBLE))
    np.testing.assert_allclose(diagnosis.condition, [[(8 + 1e-5) / (1 + 1e-5)]], **CLOSE)


@pytest.mark.parametrize('training', [True, False], ids=['train', 'eval'])
def test_nothing_moves_and_nothing_is_recorded(training):
    layer = SwitchWhiten2d(8, group_size=4).train(training)
    state = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    x = torch.randn(2, 8, 4, 4, requires_grad=True)
    diagnosis = layer.diagnose(x)
    assert layer.training == training
    assert not diagnosis.condition.requires_grad and diagnosis.condition.dtype == torch.float64
    assert state and all(torch.equal(tensor, state[name]) for name, tensor in layer.state_dict().items())


def test_single_precision_shows_in_the_exact_root():
    """Rounding of a root in fp32 grows with the condition number; the same layer in fp64 has none to show."""
    x = with_spectrum(np.array([1e-3, 1.0, 1.0, 1e2]))
    options = dict(group_size=4, inverse_sqrt='eigh')
    single = InstanceWhiten2d(4, **options).diagnose(x.float()).eigh_residual.item()
    double = InstanceWhiten2d(4, **options, **DOUBLE).diagnose(x).eigh_residual.item()
    assert double < 1e-9 < 1e-6 < single < 1e-1
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert InstanceWhiten2d(4, **options).diagnose(x.float()).eigh_residual.item() == single


def test_half_precision_input_and_not_a_number():
    layer = SwitchWhiten2d(8, group_size=4)
    x = torch.randn(2, 8, 4, 4).bfloat16()
    assert torch.isfinite(layer.diagnose(x).condition).all()
    x[0, 1, 2, 2] = torch.nan
    diagnosis = layer.eval().diagnose(x)
    for values in (
        diagnosis.condition,
        diagnosis.smallest,
        diagnosis.newton_residual,
        diagnosis.eigh_residual,
        diagnosis.image_distance,
    ):
        assert torch.isnan(values[0, 0]) and torch.isfinite(values[1]).all() and torch.isfinite(values[0, 1])


def test_printed():
    layer = SwitchWhiten2d(8, statistics=('bw', 'iw'), group_size=4)
    x = torch.randn(3, 8, 6, 6)
    x[2, 4] = x[2, 5] * 1.001
    text = str(layer.diagnose(x))
    assert 'bw+iw, Newton, T = 5' in text and 'training mode: (3, 8, 6, 6), groups of 4' in text
    assert 'ratios of covariances       bw 0.500  iw 0.500' in text
    assert 'worst conditioned: group 1 of image 2' in text
    assert 'exact root' in str(SwitchNorm2d(8).diagnose(x))
    assert 'of image' not in str(BatchWhiten2d(8, group_size=4).diagnose(x))
    assert len({len(line) for line in text.splitlines()[1:9]}) == 1  # the columns stand under each other


@pytest.mark.parametrize(
    'x, message',
    [
        (torch.randn(0, 16, 4, 4), 'nothing to diagnose'),
        (torch.randn(2, 8, 4, 4), 'built for 16 channels'),
        (torch.randn(1, 16, 1, 1), 'one pixel'),
    ],
)
def test_inputs_that_have_no_statistics_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        SwitchWhiten2d(16).diagnose(x)
