"""Normalising and stacking of two-domain batches.

The two domains need not have the same image size (AdaptSegNet: 1280x720 and 1024x512), so each is padded to the
largest image of its own side of the batch, and never to the other's.
"""

from collections.abc import Sequence

from mmseg.models.data_preprocessor import SegDataPreProcessor
from mmseg.registry import MODELS

from sw_mmseg.domains import DOMAINS

__all__ = ['DomainPreprocessor']


@MODELS.register_module()
class DomainPreprocessor(SegDataPreProcessor):
    """mmseg's preprocessor, applied to each side of `dict(source=..., target=...)`, or to an ordinary batch as usual.

    Args:
        mean, std: per channel, of 0 to 255, in the order after `bgr_to_rgb`.
        bgr_to_rgb, rgb_to_bgr: channel order.
        size_divisor: padded sides are multiples of this.
        pad_val, seg_pad_val: padding of images (after normalisation) and of labels.
        test_cfg: padding when testing, as in mmseg.
    """

    def __init__(
        self,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        bgr_to_rgb: bool = False,
        rgb_to_bgr: bool = False,
        size_divisor: int = 1,
        pad_val: float = 0,
        seg_pad_val: int = 255,
        test_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            mean=mean,
            std=std,
            size_divisor=size_divisor,
            pad_val=pad_val,
            seg_pad_val=seg_pad_val,
            bgr_to_rgb=bgr_to_rgb,
            rgb_to_bgr=rgb_to_bgr,
            test_cfg=test_cfg,
        )

    def forward(self, data: dict, training: bool = False) -> dict:
        """`dict(inputs, data_samples)`, or a dict of two of them by domain, to the same form with (N, 3, H, W) inputs.

        Raises:
            KeyError: a two-domain batch lacks a domain.
        """
        if 'inputs' in data:
            return super().forward(data, training)
        missing = [domain for domain in DOMAINS if domain not in data]
        if missing:
            raise KeyError(
                f'a two-domain batch needs {DOMAINS}; {missing} missing, found {sorted(data)}. '
                'Use a DomainPair data set'
            )
        return {domain: super(DomainPreprocessor, self).forward(data[domain], training) for domain in DOMAINS}
