"""What the air and the camera add to a picture: sky and haze, rain, and the way from light to pixel values."""

from collections.abc import Callable

import cv2
import numpy as np

from .look import Shot
from .raster import Raster

__all__ = ['develop', 'haze', 'sky']

_MIDDLE = 0.46  # mean of a well exposed picture


def sky(
    raster: Raster,
    shot: Shot,
    color: np.ndarray,
    ambient: np.ndarray,
    rng: np.random.Generator,
    sample: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """The sky down to the horizon, (3, rows, w): a gradient, whiter towards the horizon, and clouds from `sample`."""
    height, width = raster.index.shape
    horizon = raster.scene.camera.horizon
    rows = max(int(np.ceil(horizon * height)), 1)
    y = ((np.arange(rows, dtype=np.float32) + 0.5) / height)[:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / height)[None, :]
    above = np.clip((horizon - y) / horizon, 0.0, 1.0).astype(np.float32)
    bright = ambient / (0.46 + 0.42 * shot.overcast)  # the time of day, whatever the clouds
    low = np.clip(1 - shot.sun_elevation / 16.0, 0.0, 1.0)
    pale = np.array((0.93 + 0.07 * low, 0.93 - 0.10 * low, 0.93 - 0.30 * low)) * (bright * 0.5 + 0.5 * bright.mean())
    grey = np.array((0.80, 0.82, 0.85)) * bright
    pale, blue, grey = (np.float32(tone)[:, None, None] for tone in (pale, color * bright, grey))
    stretch = 60.0 / (above + np.float32(0.25))
    clouds = sample(x * stretch + np.float32(rng.uniform(0, 512)), above * 90 + np.float32(rng.uniform(0, 512)))
    cover = np.clip(clouds * np.float32(0.3) + np.float32(shot.overcast * 1.3 - 0.15), 0.0, 1.0)
    column = pale + (blue - pale) * above ** np.float32(0.6)
    return column + (grey * (1 + np.float32(0.05) * clouds) - column) * cover


def haze(picture: np.ndarray, raster: Raster, shot: Shot, heaven: np.ndarray) -> np.ndarray:
    """Puts the sky behind the scene and air before it, and averages the planes down to the picture's own size.

    At `visibility` metres 5 percent of a colour is left. `picture` (3, h, w) is changed; the result is (3, H, W).
    """
    rows, columns = raster.index.shape
    air = heaven[:, -1].mean(axis=1)[:, None]
    clear = np.exp(raster.depth * np.float32(-3.0 / shot.visibility))
    hidden = np.float32(np.exp(-220.0 / shot.visibility))  # a bank of fog hides the sky as well
    picture *= clear
    pixels = np.flatnonzero(raster.index == 0)
    above = np.minimum(pixels, heaven[0].size - 1)  # a gap under the horizon shows the horizon's sky
    picture.reshape(3, -1)[:, pixels] = heaven.reshape(3, -1)[:, above] * hidden + air * (1 - hidden)
    clear.ravel()[pixels] = 1.0
    size = (columns // raster.scale, rows // raster.scale)
    planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in (*picture, clear)]
    return np.stack(planes[:3]) + air[..., None] * (1 - planes[3])


def _rain(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Slanted streaks, thin and bright, longer with the picture's height."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    slant = rng.uniform(-0.3, 0.3)
    for x, y, length in rng.random((int(rng.integers(60, 160)), 3)):
        start = np.array((x * width * 1.2 - 0.1 * width, y * height))
        end = start + np.array((slant, 1.0)) * (0.03 + 0.07 * length) * height
        cv2.line(mask, tuple(map(int, start)), tuple(map(int, end)), int(60 + 80 * length), max(1, height // 400))
    return picture + mask[..., None].astype(np.float32) * np.float32(0.16 / 140)


def _drops(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Drops on the lens: round patches that show the picture blurred and upside down."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for x, y, size in rng.random((int(rng.integers(4, 12)), 3)):
        cv2.circle(mask, (int(x * width), int(y * height)), max(2, int((0.015 + 0.03 * size) * height)), 255, -1)
    soft = cv2.GaussianBlur(mask, (0, 0), max(height / 120, 0.6)).astype(np.float32)[..., None] / 255
    inside = cv2.GaussianBlur(picture, (0, 0), height / 22)
    return picture * (1 - 0.8 * soft) + (inside * 0.7 + inside[::-1] * 0.3) * (0.8 * soft)


def develop(picture: np.ndarray, shot: Shot, rng: np.random.Generator) -> np.ndarray:
    """Light (H, W, 3) to pixel values (H, W, 3) uint8: lens, exposure, white balance, tone, saturation, noise.

    Exposure is automatic for three quarters of the way (in stops), so that dusk stays darker than day; `shot.exposure`
    is the photographer's correction."""
    height, width = picture.shape[:2]
    if shot.raining:
        picture = _rain(picture, rng)
    if shot.drops:
        picture = _drops(picture, rng)
    sigma = shot.blur * 1e-3 * height
    if sigma > 0.2:
        picture = cv2.GaussianBlur(picture, (0, 0), sigma)
    metered = float(picture.mean()) + 1e-3
    automatic = (_MIDDLE / metered) ** 0.75
    gains = np.array((1 + shot.warmth, 1 + shot.tint, 1 - shot.warmth)) * (automatic * 2.0**shot.exposure)
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    corners = (1 - shot.vignette * (x * x + y * y) / 2).astype(np.float32)
    picture = cv2.merge([plane * corners * np.float32(gain) for plane, gain in zip(cv2.split(picture), gains)])
    picture = cv2.transform(picture, _tone_matrix(shot))
    if shot.sharpen:
        blurred = cv2.GaussianBlur(picture, (0, 0), max(height / 200, 0.6))
        picture = cv2.addWeighted(picture, 1 + shot.sharpen, blurred, -shot.sharpen, 0)
    grain = rng.standard_normal((height, width, 3), np.float32)
    grain += cv2.merge([rng.standard_normal((height, width), np.float32)] * 3)
    picture += grain * np.float32(shot.noise)
    return np.rint(np.clip(picture, 0.0, 1.0) * np.float32(255)).astype(np.uint8)


def _tone_matrix(shot: Shot) -> np.ndarray:
    """Saturation about the grey axis, then contrast about middle grey, as one affine map of colours (3, 4)."""
    grey = np.tile((0.299, 0.587, 0.114), (3, 1))
    colors = (grey + (np.eye(3) - grey) * shot.saturation) * shot.contrast
    return np.concatenate((colors, np.full((3, 1), 0.45 * (1 - shot.contrast))), axis=1).astype(np.float32)
