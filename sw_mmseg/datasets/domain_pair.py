"""A labelled source and an unlabelled target, side by side in every batch."""

from __future__ import annotations

from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS, TRANSFORMS

from sw_mmseg.domains import DOMAINS

from .positions import Stream, choose, load

__all__ = ['DomainPair']

STREAMS = {domain: number for number, domain in enumerate(DOMAINS)}  # of random numbers


@DATASETS.register_module()
class DomainPair(Stream):
    """An item is `dict(source=..., target=...)`, each side the packed sample of its own pipeline; sizes may differ.

    The target must come without labels: a `gt_sem_seg` on its side is refused, so no target label can reach a loss.

    Args:
        source: config of the labelled data set, or the data set.
        target: config of the unlabelled data set (`UnlabelledImages`), or the data set.
        seed: of the orders and the augmentation; None follows the run's `randomness.seed`.
        rare_class_sampling: arguments of `RareClassSampling` for the source, or None for every sample once an epoch.
        source_style: config of what gives a source image the look of the target image at its position:
            `FourierAmplitude` or `ColourStatistics`. It works behind both pipelines; labels and target stay.
    """

    def __init__(
        self,
        source: dict | BaseDataset,
        target: dict | BaseDataset,
        seed: int | None = None,
        rare_class_sampling: dict | None = None,
        source_style: dict | None = None,
    ) -> None:
        super().__init__(seed)
        self.source_style = None if source_style is None else TRANSFORMS.build(source_style)
        self.source, self.target = (
            DATASETS.build(side) if isinstance(side, dict) else side for side in (source, target)
        )
        self._source_index = choose(self.source, STREAMS['source'], rare_class_sampling)
        self._target_index = choose(self.target, STREAMS['target'], None)

    @property
    def metainfo(self) -> dict:
        """The source's classes and palette."""
        return self.source.metainfo

    def __len__(self) -> int:
        """Positions until both sides were seen whole."""
        return max(len(self.source), len(self.target))

    def at(self, number: int, seed: int) -> dict:
        """The pair at a position."""
        source = load(self.source, self._source_index(number, seed), seed, STREAMS['source'], number)
        target = load(self.target, self._target_index(number, seed), seed, STREAMS['target'], number)
        if 'gt_sem_seg' in target['data_samples']:
            raise ValueError(
                f'the target of a DomainPair brought labels ({target["data_samples"].get("seg_map_path")}); its data '
                'set must be UnlabelledImages and its pipeline must not load labels'
            )
        if self.source_style is not None:
            source['inputs'] = self.source_style(source['inputs'], target['inputs'])
        return dict(source=source, target=target)
