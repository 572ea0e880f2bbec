"""What a domain is made of: the ranges that a scene's geometry and a picture's look are drawn from."""

from dataclasses import dataclass

__all__ = ['Domain', 'Layout', 'Look']

Range = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Ranges (low, high) are uniform; `*_per_10m` are expected numbers for ten metres of street and side."""

    camera_height: Range  # metres above the street
    focal: Range  # image heights; 2.2 is Cityscapes' lens, 1.2 a game's wide view
    horizon: Range  # from the image's top, in image heights
    curvature: Range  # 1/m; 0.001 bends the street by 1.25 m at 50 m
    lanes: tuple[int, int]  # each way
    lane_width: Range  # metres
    sidewalk: Range  # metres
    verge: float  # probability of a strip of grass behind the sidewalk
    setback: Range  # metres between sidewalk and buildings
    building_height: Range  # metres
    building_length: Range  # metres along the street
    segments: dict[str, float]  # weights of what lines the street: building, park, wall, fence, open
    crossing: float  # probability of a side street
    parked_per_10m: float
    traffic_per_10m: float  # a lane
    vehicles: dict[str, float]  # weights of sedan, hatchback, suv, van, truck, bus, caravan in traffic
    edge_lines: float  # probability of painted lines along the kerbs
    tram: float  # probability of tracks with a tram
    people_per_10m: float  # a sidewalk
    riders: float  # expected number a scene
    motorcyclist: float  # share of riders on a motorcycle
    parked_bicycles_per_10m: float
    parked_motorcycles_per_10m: float
    trees_per_10m: float
    palms: float  # share of palms among street trees
    bare: float  # share of trees without leaves
    pole_spacing: Range  # metres
    signs: float  # probability of a sign on a pole
    lights: float  # probability of traffic lights at a junction or crossing
    street_furniture_per_10m: float  # void: bins, boxes
    bonnet: float  # probability that the ego vehicle's bonnet is seen
    skyline: Range  # height in metres of what closes the street, 120 m ahead


@dataclass(frozen=True)
class Look:
    """Ranges (low, high), uniform unless said otherwise; amounts are for pixel values in 0..1."""

    palette: str  # of `materials.PALETTES`
    sun_elevation: Range  # degrees; under 12 the light turns warm, under 4 it is dusk and windows are lit
    overcast: Range  # 0 clear sky and hard shadows, 1 none
    visibility: Range  # metres until haze hides 95 percent, log-uniform
    rain: float  # probability of rain: streaks, a wet and mirroring street
    drops: float  # probability of drops on the lens, when it rains
    exposure: Range  # stops
    contrast: Range  # slope around middle grey
    saturation: Range  # 1 leaves colours as they are
    warmth: Range  # white balance: red times 1 + w, blue times 1 - w
    tint: Range  # green times 1 + t
    texture: Range  # factor on the materials' texture
    blur: Range  # standard deviation, thousandths of the image's height
    sharpen: Range  # amount of unsharp masking, a game's crispness
    noise: Range  # standard deviation of the sensor's noise
    vignette: Range  # darkening in the corners
    swatch_spread: Range  # factor on how far an object's colour strays inside its material's range


@dataclass(frozen=True)
class Domain:
    """A kind of picture: where, and how taken."""

    layout: Layout
    look: Look
