"""Settings that were tried on photographs beside those of the configs, by name; records say which one they have.

They were compared on the validation part. What was best stands in the configs, and has no name here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from mmengine.config import Config

from sw_mmseg.running.config_nodes import config_nodes

__all__ = ['SETTINGS', 'Setting', 'difference', 'setting_of', 'without']


@dataclass(frozen=True)
class Setting:
    """What a setting changes.

    Args:
        segmentor: options of the segmentor, keys from there on.
        method: options of a method that adapts, keys from `model` on; left out of trainings on one domain.
        strong: whether labelled images go through the configs' `strong_pipeline`, with class mix.
        streets: the variant of streets that the labelled images are of; None is the configs'.
        size: pixels of what the network sees, width and height, in training and when scored; None is the configs'.
        title: what the tables call it, beside the method; None: its rows stand apart, a training each.
    """

    segmentor: dict[str, object] = field(default_factory=dict)
    method: dict[str, object] = field(default_factory=dict)
    strong: bool = False
    streets: str | None = None
    size: tuple[int, int] | None = None
    title: str | None = field(default=None, compare=False)

    def options(self, config: Config) -> dict[str, object]:
        """As `--cfg-options` of a config."""
        adapts = 'segmentor' in config.model
        prefix = 'model.segmentor' if adapts else 'model'
        options = {f'{prefix}.{key}': value for key, value in self.segmentor.items()}
        if adapts:
            options |= {f'model.{key}': value for key, value in self.method.items()}
        dataset = config.train_dataloader.dataset
        key = 'source' if 'source' in dataset else 'dataset'
        if self.streets:
            options[f'train_dataloader.dataset.{key}.data_root'] = f'data/streets_camvid/{self.streets}/gta5'
        if self.strong:
            labelled = {**dataset[key].to_dict(), 'pipeline': config.strong_pipeline}
            options[f'train_dataloader.dataset.{key}'] = {'type': 'ClassMix', 'dataset': labelled, '_delete_': True}
        if self.size:
            loaders = {part: config[part] for part in config if part.endswith('_dataloader')}
            options |= {f'{path}.scale': self.size for path in _scalings(loaders, config.size)}
        return options


def _scalings(loaders: dict[str, object], size: tuple[int, int]) -> Iterator[str]:
    """Where in a config's loaders images are brought to `size`."""
    for node in config_nodes(loaders):
        if node.content.get('type') == 'Resize' and tuple(node.content['scale']) == tuple(size):
            yield node.path


UNWEIGHTED = {'decode_head.loss_decode': {'type': 'CrossEntropyLoss', 'avg_non_ignore': True, '_delete_': True}}
UNMIXED = {'class_mix': False}
LARGER = (384, 288)
STEM = ['bn1', 'blocks.0.0.bn1', 'blocks.0.0.bn2']  # of EfficientNet-Lite: up to the first stage
SETTINGS = {
    'decoder': Setting({'decode_head.norm_cfg': {'type': 'SW', '_delete_': True}}, title='SW in the decoder'),
    'frombn': Setting({'backbone.init_cfg.init_from_bn': True}, title='switches begin as BN'),
    'stem': Setting({'backbone.at': STEM}, title='norm at the stem alone'),
    'game': Setting(streets='varied', title='game-like streets'),
    'gameunmixed': Setting(method=UNMIXED, streets='varied', title='without mixing, game-like streets'),
    'larger': Setting(size=LARGER, title='384×288 pixels'),
    'largerunmixed': Setting(method=UNMIXED, size=LARGER, title='without mixing, 384×288 pixels'),
    'surer': Setting(method={'shares': [0.7, 0.9]}, title='shares 0.7 and 0.9'),
    'unmixed': Setting(method=UNMIXED, title='without mixing'),
    'unweighted': Setting(UNWEIGHTED),
    'strong': Setting(strong=True),
    'strongunweighted': Setting(UNWEIGHTED, strong=True),
}
PLAIN = Setting()  # the configs' own


def setting_of(name: str) -> Setting:
    """The setting of a record; '' is the configs' own."""
    return SETTINGS[name] if name else PLAIN


def difference(one: str, other: str) -> str | None:
    """The field in which two settings differ, if it is one."""
    first, second = setting_of(one), setting_of(other)
    names = [f.name for f in fields(Setting) if f.compare and getattr(first, f.name) != getattr(second, f.name)]
    return names[0] if len(names) == 1 else None


def without(part: str, name: str) -> str:
    """The setting that is the same but for a field of `Setting`, which is the configs' own; the first of several."""
    if getattr(setting_of(name), part) == getattr(PLAIN, part):
        return name
    plainer = (s for s in ('', *SETTINGS) if getattr(setting_of(s), part) == getattr(PLAIN, part))
    return next(s for s in plainer if difference(name, s) == part)
