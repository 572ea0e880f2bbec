"""Norms by the names that commands and configs give them."""

from __future__ import annotations

__all__ = ['NORMS']

NORMS = {
    'bn': dict(type='BN'), 'in': dict(type='IN', affine=True), 'sn': dict(type='SN'), 'ibn': dict(type='IBN'),
    'bw': dict(type='BW'), 'iw': dict(type='IW'), 'sw': dict(type='SW'),
    'swb': dict(type='SW', statistics=['bw', 'iw', 'bn', 'in', 'ln']),
}
