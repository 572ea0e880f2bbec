"""Changes of an image's appearance, to test how a classifier trained on clean images takes them.

Two kinds. Contrast and illumination change all pixels of an image, or of a channel, alike or nearly so: whitening by an
image's own statistics can undo them. Noise and blur change what there is to see. No counterpart in the paper, which
claims that instance whitening makes features insensitive to appearance (Section 3.5).

Severities are ours, chosen for images of about 32 pixels.
"""

from collections.abc import Callable

import cv2
import numpy as np

__all__ = ['CORRUPTIONS', 'ILLUMINATION', 'SEVERITIES', 'corrupt']

SEVERITIES = (1, 2, 3)
Change = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def contrast(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Distances from the image's mean, times `amount`."""
    mean = image.mean()
    return mean + amount * (image - mean)


def brightness(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Every value plus `amount`."""
    return image + amount


def exposure(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Every value times `amount`."""
    return image * amount


def colour_cast(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Each channel times e^±amount, with a sign of its own; never all three the same."""
    signs = np.full(3, rng.choice([-1, 1]))
    signs[rng.integers(3)] *= -1
    return image * np.exp(amount * signs)


def shading(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Light that falls off across the image, in a random direction, by the part `amount` in all."""
    height, width = image.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    across = x * np.cos(angle) + y * np.sin(angle)
    place = (across - across.min()) / (across.max() - across.min())
    return image * (1 - amount * place)[..., None]


def noise(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Independent normal noise with standard deviation `amount`."""
    return image + rng.normal(0, amount, image.shape)


def blur(image: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """A Gaussian of standard deviation `amount`, in pixels."""
    return cv2.GaussianBlur(image, (0, 0), amount, borderType=cv2.BORDER_REPLICATE)


# name -> the function and its amount at severities 1, 2, 3; values are 0 to 255
CORRUPTIONS: dict[str, tuple[Change, tuple[float, ...]]] = {
    'contrast': (contrast, (0.6, 0.35, 0.15)),
    'brightness': (brightness, (30.0, 60.0, 90.0)),
    'exposure': (exposure, (0.6, 0.35, 0.15)),
    'colour cast': (colour_cast, (0.2, 0.4, 0.7)),
    'shading': (shading, (0.4, 0.7, 0.95)),
    'noise': (noise, (12.0, 25.0, 50.0)),
    'blur': (blur, (0.8, 1.3, 2.0)),
}
ILLUMINATION = ('contrast', 'brightness', 'exposure', 'colour cast', 'shading')


def corrupt(images: np.ndarray, name: str, severity: int, seed: int = 0) -> np.ndarray:
    """Images (N, H, W, 3) uint8, changed, each by random numbers of its own that follow from `seed`; uint8 too.

    Raises:
        ValueError: an unknown name or severity.
    """
    if name not in CORRUPTIONS or severity not in SEVERITIES:
        raise ValueError(f'name={name!r}, severity={severity}: choose one of {list(CORRUPTIONS)} and of {SEVERITIES}')
    change, amounts = CORRUPTIONS[name]
    changed = np.empty_like(images)
    for index, image in enumerate(images):
        rng = np.random.default_rng((seed, index))
        values = change(image.astype(np.float64), amounts[severity - 1], rng)
        changed[index] = np.clip(values, 0, 255).round()
    return changed
