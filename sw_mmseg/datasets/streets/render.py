"""Scene and shot to a picture: colours, light, texture and shadows on the raster, then what the air and the lens add.

Colours are float32 RGB, 1.0 is white, planes first: (3, h, w) at the raster's (finer) size up to `effects.haze`, then
averaged down. `tone` (h, w) gathers everything that only brightens or darkens, so that the planes are scaled once.
"""

import cv2
import numpy as np

from ..labels import ID
from . import effects
from .look import Shot, material_colors, swatch_traits
from .noise import TILE, sample
from .raster import Raster
from .shapes import BARS, BRICKS, GROUND, WINDOWS

__all__ = ['render']


def _light(shot: Shot) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction to the sun, its colour and the sky's, so that open ground at noon comes out near 1."""
    elevation = np.deg2rad(max(shot.sun_elevation, 3.0))
    flat = np.cos(elevation)
    towards = np.array((np.sin(shot.sun_azimuth) * flat, np.sin(elevation), np.cos(shot.sun_azimuth) * flat))
    day = np.clip((shot.sun_elevation + 6.0) / 18.0, 0.22, 1.0)
    low = np.clip(1 - shot.sun_elevation / 18.0, 0.0, 1.0)  # a low sun is warm, and dusk is blue
    sun = np.array((1.0, 0.92 - 0.22 * low, 0.84 - 0.44 * low)) * (0.85 * day * (1 - shot.overcast))
    sky = np.array((0.98 - 0.12 * low, 1.0 - 0.05 * low, 1.06 + 0.08 * low)) * (day * (0.46 + 0.42 * shot.overcast))
    return towards, sun, sky


def _shape_colors(raster: Raster, shot: Shot, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Lit colour (S + 1, 3) and texture traits (S + 1, 3) of every shape, sky first."""
    scene = raster.scene
    colors, traits = material_colors(scene.swatches, shot, rng), swatch_traits(scene, shot)
    towards, sun, sky = _light(shot)
    swatches = np.array([shape.swatch for shape in scene.shapes])
    normals = np.array([shape.normal for shape in scene.shapes])
    direct = np.clip(normals @ towards, 0.0, None)[:, None] * 1.25
    glow = traits[swatches, 2:3]
    light = (sun * direct + sky * (0.78 + 0.3 * normals[:, 1:2])) * (1 - glow) + glow
    lit = np.concatenate((np.zeros((1, 3)), colors[swatches] * light)).astype(np.float32)
    return lit, np.concatenate((np.array([[0, 1, 0]], np.float32), traits[swatches]))


def _texture(raster: Raster, traits: np.ndarray, shot: Shot) -> np.ndarray:
    """Tone (h, w) of the grain, in the surface's own metres; it fades where a pixel covers more than a blob."""
    u, v = raster.surface
    step = (TILE / 16.0 / traits[:, 1]).astype(np.float32)[raster.index]
    grain = (traits[:, 0] * shot.texture).astype(np.float32)[raster.index]
    noise = sample(u * step + (raster.index & 63) * np.float32(37), v * step)
    noise *= grain
    noise *= np.minimum(np.float32(1.0), np.float32(24.0) / raster.depth)
    noise += 1
    return noise


def _windows(picture: np.ndarray, raster: Raster, shot: Shot, rng: np.random.Generator) -> None:
    """Window panes on facades; some are lit when the sun is low."""
    pixels = np.flatnonzero(raster.patterns[raster.index] == WINDOWS)
    shapes = raster.index.ravel()[pixels]
    across, up, base = np.array([(1.0, 1.0, 0.0), *(s.pitch for s in raster.scene.shapes)], np.float32).T
    u = raster.surface[0].ravel()[pixels] / across[shapes]
    v = (raster.surface[1].ravel()[pixels] - base[shapes]) / up[shapes]
    cell_u, cell_v = np.floor(u), np.floor(v)
    pane = (np.abs(u - cell_u - 0.5) < 0.27) & (np.abs(v - cell_v - 0.5) < 0.29) & (cell_v >= 0)
    pixels = pixels[pane]
    chance = sample(cell_u[pane] * 37 + shapes[pane] * 11, cell_v[pane] * 53)
    _, sun, sky = _light(shot)
    glass = (0.22 * (sky + 0.4 * sun)).astype(np.float32)[:, None] * (1.0 + np.float32(0.35) * chance)
    if shot.sun_elevation < 6.0:
        lamp = (np.array((0.85, 0.68, 0.38)) * rng.uniform(0.6, 1.0)).astype(np.float32)[:, None]
        glass = np.where(chance > 0.5, lamp, glass)
    picture[:, pixels] = glass


def _patterns(tone: np.ndarray, raster: Raster) -> None:
    """Fence bars and the courses of bricks."""
    pattern = raster.patterns[raster.index]
    pixels = np.flatnonzero(pattern == BARS)
    tone[pixels[(raster.surface[0].ravel()[pixels] * 2.5) % 1.0 > 0.5]] *= np.float32(0.55)
    pixels = np.flatnonzero((pattern == BRICKS) & (raster.depth < 22))
    tone[pixels[(raster.surface[1].ravel()[pixels] * 2.2) % 1.0 < 0.2]] *= np.float32(0.82)


def _road(picture: np.ndarray, raster: Raster, shot: Shot, rng: np.random.Generator) -> None:
    """Lane markings, a pedestrian crossing before a side street, and the shine of a wet road."""
    scene = raster.scene
    pixels = np.flatnonzero((raster.labels == ID['road'])[raster.index] & (raster.plane == GROUND))
    depth = raster.depth.ravel()[pixels]
    lateral = raster.surface[0].ravel()[pixels] - np.float32(scene.curvature / 2) * depth * depth
    near, far = scene.crossing
    painted = np.zeros(len(pixels), bool)
    for line in scene.markings:
        if not line.width:
            continue
        on = np.flatnonzero(np.abs(lateral - np.float32(line.lateral)) < line.width / 2 + np.float32(0.0006) * depth)
        along = depth[on]
        dash = (along % line.period < line.dash) if line.period else True
        painted[on] |= ((along < near - 5.0) | (along > far)) & dash
    edges = [line.lateral for line in scene.markings] or [0.0]
    zebra = np.flatnonzero((depth > near - 4.2) & (depth < near - 1.2)) if far else np.zeros(0, int)
    across = lateral[zebra]
    painted[zebra] |= (across % 1.0 < 0.5) & (across > min(edges)) & (across < max(edges))
    _, sun, sky = _light(shot)
    white = material_colors(['marking'], shot, rng)[0] * (sun + sky) * rng.uniform(0.7, 0.95)
    picture[:, pixels[painted]] = white.astype(np.float32)[:, None]
    if shot.raining:
        streaks = sample(lateral * 20, depth * 4)
        shine = (
            np.float32(0.62) * (1 - np.exp(depth / np.float32(-14.0))) * (np.float32(0.8) + np.float32(0.2) * streaks)
        )
        mirrored = (sky * 0.85).astype(np.float32)[:, None] * shine
        picture[:, pixels] = picture[:, pixels] * (np.float32(0.72) * (1 - shine)) + mirrored


def _shadows(tone: np.ndarray, raster: Raster, shot: Shot) -> None:
    """Darkens the ground under objects and where they keep the sun off it."""
    scene = raster.scene
    rows, columns = raster.index.shape
    contact, cast = np.zeros((rows, columns), np.uint8), np.zeros((rows, columns), np.uint8)
    towards, sun, sky = _light(shot)
    reach = min(1.0 / np.tan(np.deg2rad(max(shot.sun_elevation, 8.0))), 2.5)
    away = -towards[[0, 2]] / (np.hypot(towards[0], towards[2]) + 1e-9) * reach
    sunny = shot.sun_elevation > 2.0 and shot.overcast < 0.85

    def fill(mask: np.ndarray, area: np.ndarray) -> None:
        points = scene.camera.ground(area[:, 0], np.maximum(area[:, 1], 1.0)) * rows + (columns / 2, 0)
        cv2.fillConvexPoly(mask, np.rint(np.clip(points, -30000, 30000)).astype(np.int32), 255)

    for area, height in scene.shadows:
        fill(contact, area)
        if sunny:
            fill(cast, cv2.convexHull(np.concatenate((area, area + away * height)).astype(np.float32))[:, 0])
    direct, soft = float(sun.sum() * towards[1] * 1.25), float(sky.sum() * 1.08)
    ground = (raster.plane == GROUND).ravel()
    for mask, depth, blur in ((contact, 0.5, 90), (cast, direct / (direct + soft), 270 / (1 + 2 * shot.overcast))):
        if mask is cast and not sunny:
            continue
        mask = cv2.GaussianBlur(mask, (0, 0), rows / blur).ravel()
        shaded = np.flatnonzero(ground & (mask > 0))
        tone[shaded] *= 1 - mask[shaded] * np.float32(depth / 255)


def render(raster: Raster, shot: Shot, rng: np.random.Generator) -> np.ndarray:
    """The picture (H, W, 3) uint8 RGB of a raster; `rng` draws swatches, clouds, rain and noise."""
    rows, columns = raster.index.shape
    colors, traits = _shape_colors(raster, shot, rng)
    picture = np.take(np.ascontiguousarray(colors.T), raster.index.ravel(), axis=1)  # 3, h·w
    _windows(picture, raster, shot, rng)
    _road(picture, raster, shot, rng)
    tone = _texture(raster, traits, shot).ravel()
    _patterns(tone, raster)
    _shadows(tone, raster, shot)
    picture *= tone
    heaven = effects.sky(raster, shot, material_colors(['sky'], shot, rng)[0], _light(shot)[2], rng, sample)
    picture = effects.haze(picture.reshape(3, rows, columns), raster, shot, heaven)
    return effects.develop(np.ascontiguousarray(picture.transpose(1, 2, 0)), shot, rng)
