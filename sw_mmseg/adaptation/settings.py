"""What every adaptation method is told beside its own arguments, under the names that configs use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sw_mmseg.adaptation.statistics import POLICIES
from sw_mmseg.domains import DOMAINS

__all__ = ['AdaptationSettings']


@dataclass(frozen=True)
class AdaptationSettings:
    """The arguments that all methods share; a method passes on what is not its own, so a typo is a TypeError here.

    Args:
        segmentor: config of a `MultiLevelSegmentor`.
        levels: dicts of the method's level, the main head first. Every head of the segmentor has to be a level.
        statistics_from: whose images move running statistics, one of `POLICIES` (statistics.py).
        evaluate_with: under 'separate', whose statistics predictions use: 'target' or 'source'.
        data_preprocessor: config of a `DomainPreprocessor`.
        init_cfg: as in every mmengine model.
        pretrained, train_cfg: None, which is all that mmseg's `init_model` writes into a config.

    Raises:
        ValueError: `pretrained` or `train_cfg` is not None; `statistics_from` or `evaluate_with` is unknown, or the two
            do not fit.
    """

    segmentor: dict
    levels: Sequence[dict] = ({'head': 'decode_head'},)
    statistics_from: str = 'target'
    evaluate_with: str = 'target'
    data_preprocessor: dict | None = None
    init_cfg: dict | None = None
    pretrained: None = None
    train_cfg: None = None

    def __post_init__(self) -> None:
        for name in ('pretrained', 'train_cfg'):
            if getattr(self, name) is not None:
                raise ValueError(
                    f'{name}={getattr(self, name)!r} is an option of the segmentor: model.segmentor.{name}'
                )
        if self.statistics_from not in POLICIES:
            raise ValueError(f'statistics_from must be one of {POLICIES}, got {self.statistics_from!r}')
        policy = self.statistics_from
        if self.evaluate_with not in DOMAINS or (self.evaluate_with == 'source' and policy != 'separate'):
            raise ValueError(
                f"evaluate_with must be one of {DOMAINS}, and 'source' needs statistics_from='separate'; "
                f'got {self.evaluate_with!r} with {policy!r}'
            )
