"""Streets' geometry and pictures: determinism, size, classes and instances, looks inside their ranges."""

import dataclasses
import hashlib

import numpy as np
import pytest

from sw_mmseg.datasets import CLASSES
from sw_mmseg.datasets.labels import ID, LABELS, raw_to_train
from sw_mmseg.datasets.streets import VARIANTS, draw_sample, draw_scene, vehicles
from sw_mmseg.datasets.streets.camera import Camera
from sw_mmseg.datasets.streets.look import draw_shot, hsv_to_rgb
from sw_mmseg.datasets.streets.materials import PALETTES
from sw_mmseg.datasets.streets.raster import rasterise

GAME, CAMERA = VARIANTS['varied']
STEADY = VARIANTS['homogeneous'][1]
# Percent of the labelled pixels in Cityscapes' 500 validation pictures, from the counts in PRBonn/bonnet's issue 72.
CITYSCAPES = (
    37.66,
    5.41,
    21.92,
    0.73,
    0.82,
    1.48,
    0.20,
    0.67,
    17.31,
    0.83,
    3.35,
    1.30,
    0.21,
    6.52,
    0.30,
    0.39,
    0.11,
    0.08,
    0.71,
)


@pytest.fixture(scope='module')
def shares() -> dict[str, np.ndarray]:
    """Shares (19,) of labelled pixels in 200 scenes of each domain, in percent."""
    domain_shares = {}
    for name, domain in (('game', GAME), ('camera', CAMERA)):
        counts = np.zeros(256)
        for index in range(200):
            labels = rasterise(draw_scene(domain.layout, (1, index)), 256, 128, 2).label_map()
            counts += np.bincount(raw_to_train()[labels].ravel(), minlength=256)
        domain_shares[name] = 100 * counts[:19] / counts[:19].sum()
    return domain_shares


def test_the_camera_projects_as_a_pinhole_does():
    camera = Camera(height=1.5, focal=2.0, horizon=0.4)
    points = np.array([(3.0, 0.0, 10.0), (-1.0, 1.5, 4.0)])
    # x = f X / Z, y = horizon + f (h - Y) / Z
    np.testing.assert_allclose(camera.project(points), [(0.6, 0.7), (-0.5, 0.4)])
    np.testing.assert_allclose(camera.ground(np.array([3.0]), np.array([10.0])), [(0.6, 0.7)])
    np.testing.assert_allclose(camera.upright(np.array([(0.0, 1.5)]), -1.0, 4.0), [(-0.5, 0.4)])


def test_the_raster_knows_where_a_pixel_lies():
    raster = rasterise(draw_scene(GAME.layout, 3), 256, 128, 1)
    camera = raster.scene.camera
    rows, columns = np.nonzero((raster.labels == ID['road'])[raster.index])
    points = np.stack((raster.surface[0], np.zeros_like(raster.depth), raster.depth), -1)[rows, columns].astype(float)
    image = camera.project(points)[points[:, 2] > 1]
    pixels = np.stack(((columns + 0.5 - 128) / 128, (rows + 0.5) / 128), -1)[points[:, 2] > 1]
    assert len(pixels) > 5000
    np.testing.assert_allclose(image, pixels, atol=2e-3)


def digest(sample) -> str:
    return hashlib.sha256(b''.join(a.tobytes() for a in (sample.image, sample.labels, sample.instances))).hexdigest()


def test_a_sample_follows_from_seed_split_and_index():
    first = digest(draw_sample(CAMERA, (64, 32), 5, 'target_train', 7))
    np.random.seed(1)
    assert digest(draw_sample(CAMERA, (64, 32), 5, 'target_train', 7)) == first
    samples = [
        draw_sample(CAMERA, (64, 32), *key)
        for key in ((6, 'target_train', 7), (5, 'target_val', 7), (5, 'target_train', 8))
    ]
    assert len({first, *map(digest, samples)}) == 4


def test_sample_types_and_size():
    sample = draw_sample(GAME, (96, 48), 0, 'source', 0)
    assert sample.image.shape == (48, 96, 3) and sample.image.dtype == np.uint8
    assert sample.labels.shape == sample.instances.shape == (48, 96)
    assert sample.labels.dtype == np.uint8 and sample.instances.dtype == np.uint16
    assert sample.image.std() > 20  # not blank


def test_the_scene_does_not_depend_on_the_size():
    agreement = []
    for index in range(12):
        large = draw_sample(CAMERA, (512, 256), 2, 'target_train', index).labels
        small = draw_sample(CAMERA, (256, 128), 2, 'target_train', index).labels
        agreement.append((large[1::2, 1::2] == small).mean())
    assert min(agreement) > 0.95 and np.mean(agreement) > 0.965


def test_a_wider_picture_sees_more_of_the_same_street():
    scene = draw_scene(GAME.layout, 11)
    narrow, wide = (rasterise(scene, width, 64, 1).label_map() for width in (128, 192))
    assert (wide[:, 32:160] == narrow).mean() > 0.99  # edges that leave the picture are rounded elsewhere


def test_scene_and_look_are_apart():
    """The two variants share every street; only how it looks differs."""
    varied, steady = (draw_sample(domain, (64, 32), 0, 'target_train', 1) for domain in (CAMERA, STEADY))
    np.testing.assert_array_equal(varied.labels, steady.labels)
    assert np.abs(varied.image.astype(int) - steady.image).mean() > 3


@pytest.mark.slow  # many scenes
@pytest.mark.parametrize('domain', ['game', 'camera'])
def test_all_classes_occur_with_a_long_tail(shares, domain):
    percent = shares[domain]
    assert (percent > 0.01).all(), dict(zip(CLASSES, percent.round(3)))
    order = np.argsort(-percent)
    assert set(order[:3]) <= {CLASSES.index(name) for name in ('road', 'building', 'sky', 'vegetation')}
    assert percent[order[:3]].sum() > 65 and percent[order[-8:]].sum() < 4
    tail = [CLASSES.index(name) for name in ('rider', 'motorcycle', 'bicycle', 'train', 'bus', 'traffic light')]
    assert (percent[tail] < 1.0).all()


@pytest.mark.slow
def test_the_cameras_shares_are_like_cityscapes(shares):
    """Within a factor of three for every class, and the ranks agree."""
    ratio = shares['camera'] / np.array(CITYSCAPES)
    assert (ratio > 1 / 3).all() and (ratio < 3).all(), dict(zip(CLASSES, ratio.round(2)))
    ranks = [np.argsort(np.argsort(values)) for values in (shares['camera'], np.array(CITYSCAPES))]
    assert np.corrcoef(*ranks)[0, 1] > 0.9


def test_layouts_differ_as_game_and_city_do(shares):
    differences = dict(zip(CLASSES, shares['camera'] - shares['game']))
    assert differences['sky'] < -5
    assert all(differences[name] > 0 for name in ('vegetation', 'person', 'car', 'bicycle'))


def test_void_labels_occur():
    seen = set()
    for index in range(60):
        seen |= set(np.unique(rasterise(draw_scene(CAMERA.layout, (4, index)), 128, 64, 1).label_map()).tolist())
    assert {ID[name] for name in ('ego vehicle', 'static', 'parking')} <= seen
    assert seen <= {label.id for label in LABELS}


def test_instances_are_numbered_as_cityscapes_does():
    counted = {label.id for label in LABELS if label.has_instances}
    people = 0
    for index in range(20):
        sample = draw_sample(CAMERA, (256, 128), 1, 'target_train', index)
        instances = sample.instances.astype(int)
        for label in np.unique(sample.labels):
            numbers = np.unique(instances[sample.labels == label])
            if label in counted:
                assert (numbers // 1000 == label).all()
                people += (label == ID['person']) * len(numbers)
            else:
                assert numbers.tolist() == [label]
    assert people > 40


def test_objects_hide_each_other():
    """Somewhere a nearer car covers part of a farther one: an instance that is cut off by another of its class."""
    touching = 0
    for index in range(15):
        instances = draw_sample(CAMERA, (256, 128), 3, 'target_train', index).instances.astype(int)
        left, right = instances[:, :-1], instances[:, 1:]
        touching += ((left // 1000 == 26) & (right // 1000 == 26) & (left != right)).any()
    assert touching >= 5


@pytest.mark.parametrize('kind', ['sedan', 'hatchback', 'suv', 'van', 'truck', 'bus', 'train', 'caravan'])
def test_vehicles_have_the_size_of_vehicles(kind):
    length, height, width = vehicles.extent(kind)
    assert 3.5 < length < 17 and 1.3 < height < 3.8 and 1.7 < width < 2.6
    assert vehicles.model(kind)[0][:, 1].min() == pytest.approx(0, abs=0.41)  # it stands on the street


@pytest.mark.parametrize('look', [GAME.look, CAMERA.look, STEADY.look])
def test_shots_stay_inside_their_look(look):
    rng = np.random.default_rng(0)
    shots = [draw_shot(look, rng) for _ in range(400)]
    for field in dataclasses.fields(look):
        limits = getattr(look, field.name)
        if isinstance(limits, tuple):
            values = np.array([getattr(shot, field.name) for shot in shots])
            assert values.min() >= limits[0] - 1e-9 and values.max() <= limits[1] + 1e-9, field.name
            assert np.ptp(values) >= 0.8 * (limits[1] - limits[0]) * (field.name != 'visibility')
    assert np.mean([shot.raining for shot in shots]) == pytest.approx(look.rain, abs=0.06)
    assert not any(shot.drops and not shot.raining for shot in shots)


def test_homogeneous_is_narrow_and_within_varied():
    for field in dataclasses.fields(STEADY.look):
        narrow, wide = getattr(STEADY.look, field.name), getattr(CAMERA.look, field.name)
        if isinstance(narrow, tuple):
            assert wide[0] <= narrow[0] and narrow[1] <= wide[1], field.name
            assert narrow[1] - narrow[0] < 0.5 * (wide[1] - wide[0]) or field.name == 'sharpen'


def test_varied_pictures_differ_among_each_other_more_than_homogeneous():
    def spread(domain):
        means = [draw_sample(domain, (64, 32), 0, 'target_train', i).image.mean(axis=(0, 1)) for i in range(40)]
        return np.std(means, axis=0).mean()

    assert spread(CAMERA) > 1.5 * spread(STEADY)


def test_colours_mislead_between_the_domains():
    """The game's road is darker than its sidewalk by far; the camera's is not."""

    def contrast(domain, split):
        gaps = []
        for index in range(30):
            sample = draw_sample(domain, (128, 64), 0, split, index)
            road, walk = (sample.image[sample.labels == ID[name]] for name in ('road', 'sidewalk'))
            if len(walk) > 50:
                gaps.append(walk.mean() - road.mean())
        return np.mean(gaps)

    assert contrast(GAME, 'source') > 50 > 25 > contrast(STEADY, 'target_train')


def test_palettes_name_the_same_materials():
    assert PALETTES['game'].keys() == PALETTES['camera'].keys()
    used = {name for domain in (GAME, CAMERA) for i in range(60) for name in draw_scene(domain.layout, (7, i)).swatches}
    assert used <= PALETTES['game'].keys()
    unused = PALETTES['game'].keys() - used - {'sky', 'marking'}
    assert not unused


def test_hsv_is_converted_as_the_standard_library_does():
    import colorsys

    values = np.random.default_rng(0).random((50, 3)) * (360, 1, 1)
    expected = [colorsys.hsv_to_rgb(h / 360, s, v) for h, s, v in values]
    np.testing.assert_allclose(hsv_to_rgb(values), expected, atol=1e-12)
