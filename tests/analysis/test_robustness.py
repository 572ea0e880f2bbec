"""Changed images: what each change does, that it is reproducible, and errors counted."""

import numpy as np
import pytest

from sw_mmseg.analysis import CORRUPTIONS, ILLUMINATION, SEVERITIES, corrupt, error_rate, robustness


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.integers(60, 160, (4, 16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize('name', CORRUPTIONS)
def test_every_change_is_reproducible_stronger_with_severity_and_leaves_its_input(images, name):
    before = images.copy()
    distances = []
    for severity in SEVERITIES:
        changed = corrupt(images, name, severity, seed=3)
        assert changed.shape == images.shape and changed.dtype == np.uint8
        assert np.array_equal(changed, corrupt(images, name, severity, seed=3))
        assert np.array_equal(changed[1:2], corrupt(images, name, severity, seed=3)[1:2])
        distances.append(np.abs(changed.astype(float) - images).mean())
    assert 1 < distances[0] < distances[1] < distances[2]
    assert np.array_equal(images, before)


def test_what_they_do(images):
    values = images.astype(float)
    contrast = corrupt(images, 'contrast', 2).astype(float)
    assert np.allclose(contrast.mean((1, 2, 3)), values.mean((1, 2, 3)), atol=0.1)
    assert np.allclose(contrast.std((1, 2, 3)), 0.35 * values.std((1, 2, 3)), rtol=0.01)
    assert np.array_equal(corrupt(images, 'brightness', 1), images + 30)
    assert np.array_equal(corrupt(images, 'exposure', 1), np.round(values * 0.6).astype(np.uint8))
    gains = (corrupt(images, 'colour cast', 1) / values).mean((1, 2))
    near = np.isclose(gains, np.exp(0.2), atol=0.01) | np.isclose(gains, np.exp(-0.2), atol=0.01)
    assert near.all() and not (np.ptp(gains, axis=1) < 0.1).any()  # of an image, never all channels alike
    flat = np.full((1, 16, 16, 3), 200, np.uint8)
    shaded = corrupt(flat, 'shading', 2)[0, ..., 0].astype(float)
    assert shaded.max() == 200 and shaded.min() == pytest.approx(60, abs=1)
    assert np.abs(np.diff(shaded, 2, axis=0)).max() <= 2  # a plane, but for rounding
    assert corrupt(flat, 'noise', 3).std() == pytest.approx(50, rel=0.25)  # of which some is cut off at 255
    assert corrupt(images, 'blur', 2).std() < images.std() / 2
    assert set(ILLUMINATION) < set(CORRUPTIONS)
    with pytest.raises(ValueError, match="name='fog', severity=1"):
        corrupt(images, 'fog', 1)
    with pytest.raises(ValueError, match='severity=4'):
        corrupt(images, 'blur', 4)


def test_errors_are_counted_over_uneven_batches():
    images = np.arange(7, dtype=np.uint8).reshape(7, 1, 1, 1).repeat(3, -1)
    labels = np.array([0, 1, 2, 3, 4, 0, 0])
    batches = []

    def predict(batch):
        batches.append(len(batch))
        return batch[:, 0, 0, 0].astype(int)

    assert error_rate(predict, images, labels, batch_size=3) == pytest.approx(100 * 2 / 7)
    assert batches == [3, 3, 1]
    for count in (0, 3):
        with pytest.raises(ValueError, match=f'{count} images and 7 labels'):
            error_rate(predict, images[:count], labels)


def test_robustness_has_a_value_a_severity(images):
    def dark(batch):
        return (batch.mean((1, 2, 3)) < 80).astype(int)

    errors = robustness(dark, images, np.zeros(4, int), names=('exposure', 'brightness'))
    assert errors == {'exposure': [100.0, 100.0, 100.0], 'brightness': [0.0, 0.0, 0.0]}
    assert list(robustness(dark, images, np.zeros(4, int), severities=(1,))) == list(CORRUPTIONS)
