"""Settings that were tried on photographs before the configs got theirs, by name; records say which one they have.

They were compared on the validation part. What is best stands in the configs, and has no name here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mmengine.config import Config

__all__ = ['SETTINGS', 'Setting']

# CamVid's classes: sky, building, pole, road, sidewalk, tree, sign, fence, car, pedestrian, bicyclist. About the
# inverse root of each one's share of the drawn pixels.
WEIGHTS = [0.4, 0.45, 1.9, 0.3, 1.05, 0.75, 3.3, 3.8, 0.95, 4.0, 4.6]


SIZE = (256, 192)
LOAD = [{'type': 'LoadImage'}, {'type': 'LoadLabels'}]
WHOLE = [{'type': 'Resize', 'scale': SIZE, 'keep_ratio': False}]
LIGHT = [{'type': 'RandomFlip', 'prob': 0.5}, {'type': 'PhotoMetricDistortion'}, {'type': 'PackSegInputs'}]


@dataclass(frozen=True)
class Setting:
    """What a setting changes.

    Args:
        segmentor: options of the segmentor, keys from there on.
        steps: the pipeline of labelled images, without class mix, in place of the config's.
        config: other options.
    """

    segmentor: dict[str, object] = field(default_factory=dict)
    steps: list[dict] | None = None
    config: dict[str, object] = field(default_factory=dict)

    def options(self, config: Config) -> dict[str, object]:
        """As `--cfg-options` of a config."""
        prefix = 'model.segmentor' if 'segmentor' in config.model else 'model'
        options = {f'{prefix}.{key}': value for key, value in self.segmentor.items()} | self.config
        if self.steps is not None:
            dataset = config.train_dataloader.dataset
            key = 'source' if 'source' in dataset else 'dataset'
            labelled = dataset[key].get('dataset', dataset[key]).to_dict()
            options[f'train_dataloader.dataset.{key}'] = {**labelled, 'pipeline': self.steps, '_delete_': True}
        return options


WEIGHTED = {'decode_head.loss_decode': {'type': 'CrossEntropyLoss', 'class_weight': WEIGHTS, 'avg_non_ignore': False}}
SETTINGS = {
    'weights': Setting(WEIGHTED),
    'light': Setting(steps=[*LOAD, *WHOLE, *LIGHT]),
    'lightweights': Setting(WEIGHTED, [*LOAD, *WHOLE, *LIGHT]),
}
