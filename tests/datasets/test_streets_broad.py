"""The broad source: what photographs show is inside its ranges, and one sees through its bare trees."""

import dataclasses

import numpy as np
import pytest

from sw_mmseg.datasets.labels import ID
from sw_mmseg.datasets.streets import VARIANTS, draw_sample, draw_scene
from sw_mmseg.datasets.streets.camera import Camera
from sw_mmseg.datasets.streets.materials import PALETTES
from sw_mmseg.datasets.streets.raster import rasterise
from sw_mmseg.datasets.streets.shapes import FRONT, PLAIN, TWIGS, Scene, Shape

BROAD = VARIANTS['broad'][0]
SQUARE = np.array([(-0.4, 0.1), (0.4, 0.1), (0.4, 0.9), (-0.4, 0.9)])


@pytest.fixture
def crown():
    """A wall, a crown before its right half, and a pole before both."""
    wall = SQUARE * (0.8, 1.0)
    pole = np.array([(0.1, 0.0), (0.12, 0.0), (0.12, 1.0), (0.1, 1.0)])
    scene = Scene(Camera(1.5, 1.4, 0.4))
    for outline, label, pattern in (
        (wall, 'wall', PLAIN),
        (SQUARE * (0.5, 1.0) + (0.2, 0.0), 'vegetation', TWIGS),
        (pole, 'pole', PLAIN),
    ):
        scene.shapes.append(Shape([outline], ID[label], scene.swatch('trunk'), FRONT, 10.0, pattern=pattern))
    return rasterise(scene, 96, 64, 2)


def test_a_crown_has_its_class_everywhere_and_shows_what_is_behind(crown):
    owned = crown.owner == 2
    shown = crown.index[owned]
    assert 0.3 < np.mean(shown == 2) < 0.7  # twigs
    assert {0, 1} < set(np.unique(shown))  # sky, and the wall
    behind = np.unique(crown.index[owned & (crown.index != 2)])
    np.testing.assert_array_equal(behind, (0, 1))
    np.testing.assert_array_equal(crown.index[~owned], crown.owner[~owned])  # the pole and the rest are opaque
    assert set(np.unique(crown.label_map())) == {ID[name] for name in ('sky', 'wall', 'vegetation', 'pole')}


def test_without_twigs_what_is_shown_is_what_is_labelled():
    for domain in VARIANTS['varied']:
        raster = rasterise(draw_scene(domain.layout, (3, 1)), 64, 32, 2)
        assert raster.index is raster.owner


def test_it_has_the_materials_of_the_others_and_twigs():
    assert PALETTES['broad'].keys() == PALETTES['game'].keys() | {'twigs'}
    used = {name for i in range(60) for name in draw_scene(BROAD.layout, (7, i)).swatches}
    assert 'twigs' in used <= PALETTES['broad'].keys()
    for name, material in PALETTES['game'].items():
        assert set(material.colors) | set(PALETTES['camera'][name].colors) <= set(PALETTES['broad'][name].colors)


def test_its_skies_and_exposures_hold_those_of_both_domains():
    for field in ('overcast', 'exposure'):
        low, high = getattr(BROAD.look, field)
        for domain in VARIANTS['varied']:
            other = getattr(domain.look, field)
            assert low <= other[0] and other[1] <= high, field
    assert BROAD.layout.bare > 0.3 and all(domain.layout.bare == 0 for domain in VARIANTS['varied'])


def test_pavements_are_no_brighter_than_the_road_as_often_as_they_are():
    gaps = []
    for index in range(40):
        sample = draw_sample(BROAD, (128, 64), 0, 'source', index)
        road, walk = (sample.image[sample.labels == ID[name]] for name in ('road', 'sidewalk'))
        if len(walk) > 50:
            gaps.append(float(walk.mean()) - float(road.mean()))
    assert 0.2 < np.mean(np.array(gaps) < 0) < 0.7  # in GAME pavements are brighter by 50 and more


def test_lines_along_the_kerb_may_be_missing():
    def lines(layout, index):
        return [marking.width > 0 for marking in draw_scene(layout, (11, index)).markings]

    painted = [all(lines(BROAD.layout, index)) for index in range(60)]
    assert 0.2 < np.mean(painted) < 0.6
    always = dataclasses.replace(BROAD.layout, edge_lines=1.0)
    assert all(all(lines(always, index)) for index in range(20))
