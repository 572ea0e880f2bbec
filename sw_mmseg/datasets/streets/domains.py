"""The two domains, as data: what their streets are like and how their pictures are taken. Read the gap here.

A `Layout` holds the ranges that a scene's geometry is drawn from, a `Look` the ranges that one picture's light, weather
and camera are drawn from; both are drawn anew for every image. Materials' colours are in `materials.py`, by name of
palette. GAME stands where GTA5 stands: one sunny season in one renderer, wide American streets, palms, much sky, few
people. CAMERA stands where Cityscapes stands: dense European streets through a real lens. Its pictures differ among
each other (`varied`) in hour, weather, exposure and white balance, or hardly (`homogeneous`), at the same mean gap; or
every other picture is of either kind (`mixed`). The variant `broad` has another source, for photographs (`broad.py`).
"""

from .broad import BROAD
from .ranges import Domain, Layout, Look

__all__ = ['DEFAULT', 'TARGETS', 'VARIANTS', 'domain_of']

_GAME_STREET = Layout(
    camera_height=(1.3, 2.2),
    focal=(1.15, 1.5),
    horizon=(0.40, 0.52),
    curvature=(-0.0022, 0.0022),
    lanes=(1, 3),
    lane_width=(3.4, 3.9),
    sidewalk=(2.2, 4.5),
    verge=0.35,
    setback=(0.0, 5.0),
    building_height=(5.0, 22.0),
    building_length=(10.0, 30.0),
    segments=dict(building=0.52, park=0.14, wall=0.13, fence=0.12, open=0.11),
    crossing=0.35,
    parked_per_10m=0.35,
    traffic_per_10m=0.12,
    vehicles=dict(sedan=0.38, hatchback=0.1, suv=0.2, van=0.1, truck=0.13, bus=0.06, caravan=0.02),
    edge_lines=1.0,
    tram=0.05,
    people_per_10m=0.26,
    riders=0.28,
    motorcyclist=0.45,
    parked_bicycles_per_10m=0.02,
    parked_motorcycles_per_10m=0.035,
    trees_per_10m=0.22,
    palms=0.4,
    bare=0.0,
    pole_spacing=(14.0, 26.0),
    signs=0.45,
    lights=0.75,
    street_furniture_per_10m=0.12,
    bonnet=0.1,
    skyline=(4.0, 16.0),
)

_CAMERA_STREET = Layout(
    camera_height=(1.15, 1.45),
    focal=(1.45, 1.9),
    horizon=(0.36, 0.46),
    curvature=(-0.0014, 0.0014),
    lanes=(1, 2),
    lane_width=(2.8, 3.3),
    sidewalk=(2.2, 4.2),
    verge=0.25,
    setback=(0.0, 1.5),
    building_height=(9.0, 24.0),
    building_length=(8.0, 20.0),
    segments=dict(building=0.56, park=0.23, wall=0.06, fence=0.11, open=0.04),
    crossing=0.3,
    parked_per_10m=0.85,
    traffic_per_10m=0.13,
    vehicles=dict(sedan=0.28, hatchback=0.4, suv=0.12, van=0.1, truck=0.05, bus=0.045, caravan=0.015),
    edge_lines=1.0,
    tram=0.05,
    people_per_10m=0.55,
    riders=0.45,
    motorcyclist=0.25,
    parked_bicycles_per_10m=0.16,
    parked_motorcycles_per_10m=0.04,
    trees_per_10m=0.6,
    palms=0.0,
    bare=0.0,
    pole_spacing=(12.0, 24.0),
    signs=0.65,
    lights=0.75,
    street_furniture_per_10m=0.14,
    bonnet=0.85,
    skyline=(10.0, 24.0),
)

GAME = Domain(
    _GAME_STREET,
    Look(
        palette='game',
        sun_elevation=(32.0, 62.0),
        overcast=(0.0, 0.25),
        visibility=(1500.0, 5000.0),
        rain=0.0,
        drops=0.0,
        exposure=(0.0, 0.25),
        contrast=(1.05, 1.2),
        saturation=(1.1, 1.35),
        warmth=(0.02, 0.09),
        tint=(-0.02, 0.02),
        texture=(0.7, 1.0),
        blur=(0.0, 1.0),
        sharpen=(0.3, 0.7),
        noise=(0.0, 0.006),
        vignette=(0.0, 0.05),
        swatch_spread=(0.9, 1.0),
    ),
)

CAMERA_VARIED = Domain(
    _CAMERA_STREET,
    Look(
        palette='camera',
        sun_elevation=(-3.0, 50.0),
        overcast=(0.1, 1.0),
        visibility=(140.0, 3000.0),
        rain=0.2,
        drops=0.5,
        exposure=(-0.5, 0.5),
        contrast=(0.75, 1.15),
        saturation=(0.55, 1.1),
        warmth=(-0.16, 0.13),
        tint=(-0.02, 0.07),
        texture=(0.7, 1.3),
        blur=(1.5, 5.5),
        sharpen=(0.0, 0.0),
        noise=(0.003, 0.024),
        vignette=(0.1, 0.4),
        swatch_spread=(0.7, 1.0),
    ),
)

CAMERA_HOMOGENEOUS = Domain(
    _CAMERA_STREET,
    Look(
        palette='camera',
        sun_elevation=(14.0, 22.0),
        overcast=(0.65, 0.8),
        visibility=(400.0, 600.0),
        rain=0.0,
        drops=0.0,
        exposure=(-0.1, 0.1),
        contrast=(0.9, 1.0),
        saturation=(0.8, 0.95),
        warmth=(-0.06, -0.02),
        tint=(0.02, 0.04),
        texture=(0.9, 1.1),
        blur=(2.5, 4.0),
        sharpen=(0.0, 0.0),
        noise=(0.010, 0.015),
        vignette=(0.22, 0.28),
        swatch_spread=(0.85, 0.9),
    ),
)

# The source, and the domains that target pictures are of in turn
VARIANTS = {
    'varied': (GAME, CAMERA_VARIED),
    'homogeneous': (GAME, CAMERA_HOMOGENEOUS),
    'mixed': (GAME, CAMERA_VARIED, CAMERA_HOMOGENEOUS),
    'broad': (BROAD, CAMERA_VARIED),
}
DEFAULT = 'varied'
TARGETS = tuple(name for name, (source, *_) in VARIANTS.items() if source is GAME)  # variants of one source


def domain_of(variant: str, split: str, index: int) -> Domain:
    """The domain of a picture; `split` is one of source, target_train, target_val."""
    source, *targets = VARIANTS[variant]
    return source if split == 'source' else targets[index % len(targets)]
