"""The ImageNet models that the paper's authors released: what they consist of (`layout`), made ours (`conversion`)."""

from sw_mmseg.models.released.conversion import (
    EXPECTED_ERROR,
    Released,
    ReleasedError,
    convert_released,
    released_norms,
)
from sw_mmseg.models.released.layout import LAYOUTS, RELEASED

__all__ = ['EXPECTED_ERROR', 'LAYOUTS', 'RELEASED', 'Released', 'ReleasedError', 'convert_released', 'released_norms']
