"""Switchable Whitening, and domain-adaptive semantic segmentation with it.

`sw_mmseg.whitening` is pure torch and stands alone. Everything that needs OpenMMLab is registered by importing
`sw_mmseg.plugin`, which configs do through `custom_imports`.
"""

__version__ = '0.2.0'
__all__ = ['__version__']
