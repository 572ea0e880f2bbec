"""A source for photographs: streets of many towns in many lights, which a network that is to see real ones learns from.

GAME keeps to one season and one renderer, as GTA5 does, so that there is a gap to close. BROAD leaves out no more than
it must: narrow and wide streets, pavements as grey as the road, trees with and without leaves, parked cars, overexposed
skies, dusk. What a photograph may show is then seldom new.
"""

from .ranges import Domain, Layout, Look

__all__ = ['BROAD']

_ANY_STREET = Layout(
    camera_height=(1.1, 1.9),
    focal=(1.1, 1.7),
    horizon=(0.36, 0.52),
    curvature=(-0.003, 0.003),
    lanes=(1, 2),
    lane_width=(2.6, 4.2),
    sidewalk=(1.0, 4.5),
    verge=0.25,
    setback=(0.0, 4.0),
    building_height=(4.0, 18.0),
    building_length=(5.0, 22.0),
    segments=dict(building=0.6, park=0.14, wall=0.09, fence=0.11, open=0.06),
    crossing=0.35,
    parked_per_10m=0.7,
    traffic_per_10m=0.2,
    vehicles=dict(sedan=0.3, hatchback=0.34, suv=0.18, van=0.12, truck=0.04, bus=0.03, caravan=0.01),
    edge_lines=0.4,
    tram=0.02,
    people_per_10m=0.5,
    riders=0.7,
    motorcyclist=0.2,
    parked_bicycles_per_10m=0.14,
    parked_motorcycles_per_10m=0.02,
    trees_per_10m=0.45,
    palms=0.02,
    bare=0.55,
    pole_spacing=(8.0, 24.0),
    signs=0.5,
    lights=0.75,
    street_furniture_per_10m=0.2,
    bonnet=0.1,
    skyline=(4.0, 18.0),
)

BROAD = Domain(
    _ANY_STREET,
    Look(
        palette='broad',
        sun_elevation=(-2.0, 55.0),
        overcast=(0.0, 1.0),
        visibility=(300.0, 5000.0),
        rain=0.05,
        drops=0.2,
        exposure=(-0.6, 0.9),
        contrast=(0.8, 1.5),
        saturation=(0.5, 1.2),
        warmth=(-0.12, 0.12),
        tint=(-0.04, 0.05),
        texture=(0.5, 1.5),
        blur=(0.0, 3.5),
        sharpen=(0.0, 0.6),
        noise=(0.0, 0.02),
        vignette=(0.0, 0.25),
        swatch_spread=(0.9, 1.0),
    ),
)
