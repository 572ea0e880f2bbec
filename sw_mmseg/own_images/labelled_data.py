"""Which labelled images a training draws, and how often: the source's, and a few of the target where there are any."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from mmengine.config import ConfigDict

from sw_mmseg.own_images.folders import Checked, Folder

__all__ = ['FEW_SHARE', 'class_weights', 'drawn_shares', 'labelled_reasons', 'labelled_text', 'several']

FEW_SHARE = 0.25  # of the labelled images that training draws, where there are labels of the target
HEAVIEST = 5.0  # weight of a class in the loss


def drawn_shares(checked: Checked, few_share: float = FEW_SHARE, source_shares: Sequence[float] = ()) -> list[float]:
    """Share of each folder of `checked.labelled` in what training draws, adding up to 1. Without `source_shares`,
    which may add up to anything, sources share as they are large."""
    weights = source_shares or [len(source.names) for source in checked.sources]
    shares = [round(weight / sum(weights), 6) for weight in weights]
    if checked.few is None:
        return shares
    return [*(round((1 - few_share) * share, 6) for share in shares), few_share]


def several(checked: Checked, shares: Sequence[float], prepared: Callable[[Folder], ConfigDict]) -> ConfigDict:
    """The labelled data set of a training: that of the only folder, or all of them by their shares.

    Args:
        checked: what was found.
        shares: see `drawn_shares`.
        prepared: the data set of one folder, with its pipeline.
    """
    parts = [prepared(folder) for folder in checked.labelled]
    if len(parts) == 1:
        return parts[0]
    return ConfigDict(type='LabelledSets', datasets=parts, shares=list(shares))


def class_weights(checked: Checked, shares: Sequence[float]) -> list[float]:
    """Inverse root of each class's share of the labelled pixels that training draws, 1 for a class of mean share, at
    most `HEAVIEST`; 1 for a class that no label shows. Rare classes are then learnt at all within some hundred
    iterations."""
    drawn = np.zeros(len(checked.table.classes))
    for folder, share in zip(checked.labelled, shares):
        pixels = checked.shares(folder).pixels
        drawn += share * pixels / max(1, pixels.sum())
    drawn *= max(1, (drawn > 0).sum())
    return [round(min(HEAVIEST, float(share) ** -0.5), 3) if share else 1.0 for share in drawn]


def labelled_text(checked: Checked) -> str:
    """'800 labelled images', and how many of the target."""
    if checked.source is None:
        text = 'labelled images that are not here'
        return text if checked.few is None else f'{text} and {len(checked.few.names)} labelled ones of the target'
    text = f'{sum(len(source.names) for source in checked.sources)} labelled images'
    if checked.more_sources:
        text += f' of {len(checked.sources)} sources'
    return text if checked.few is None else f'{text} and {len(checked.few.names)} labelled ones of the target'


def labelled_reasons(checked: Checked, few_share: float, source_shares: Sequence[float]) -> list[tuple[str, str, str]]:
    """(name, value, reason) of what is drawn, where there is more than one labelled folder."""
    reasons = []
    if checked.more_sources:
        shares = ', '.join(f'{100 * share:.3g} %' for share in drawn_shares(checked, few_share, source_shares))
        reasons.append(('sources', f'{len(checked.sources)}', f'{shares} of the labelled images that are drawn'))
    if checked.few:
        share = f'{100 * few_share:g} % of the labelled images that every training draws'
        reasons.append(('labels of the target', f'{len(checked.few.names)} images, trained on', share))
    return reasons
