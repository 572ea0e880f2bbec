"""Configs in tests: their names, random pictures for them, and an iteration by mmengine's runner."""

from __future__ import annotations

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS
from torch import nn
from torch.utils.data import Dataset

from sw_mmseg.running.named_configs import load_named
from sw_mmseg.running.norms import set_norm
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.tiny_networks import two_domain_batch

FOLDER = Path(__file__).parents[2] / 'configs'
ALL_NAMES = sorted(path.stem for path in FOLDER.glob('*.py'))
# The second word of a config's name -> the file that builds and steps such configs.
STEPPED_IN = {
    **dict.fromkeys(
        ('adaptsegnet', 'jitter', 'oracle', 'sourceonly', 'minent', 'advent', 'isw', 'fda'),
        'configs/test_adaptation_configs.py',
    ),
    **dict.fromkeys(('fcn', 'pspnet', 'pspnet101'), 'configs/test_scene_configs.py'),
    **dict.fromkeys(
        (
            'resnet20',
            'resnet44',
            'resnet56',
            'resnet110',
            'resnet50',
            'resnet50fast',
            'resnet50released',
            'resnet101',
            'resnet101released',
            'densenet121',
            'densenet169',
        ),
        'configs/test_classification_configs.py',
    ),
    **dict.fromkeys(('dacs', 'mic', 'daformer'), 'configs/test_self_training_configs.py'),
    **dict.fromkeys(('maskrcnn', 'maskrcnnreleased'), 'configs/test_detection_configs.py'),
    'cbst': 'configs/test_small_configs.py',
    'style': 'stylization/test_stylization.py',
}
# Ω by the short name of a norm, as Section 3.1 and Luo et al. have it
OMEGA = {
    'sn': ('bn', 'in', 'ln'),
    'bw': ('bw',),
    'iw': ('iw',),
    'sw': ('bw', 'iw'),
    'swb': ('bw', 'iw', 'bn', 'in', 'ln'),
}


def names_of(file: str) -> list[str]:
    """The configs that a test file steps; those on CamVid, whatever their method, have one of their own, and those of
    the demo are trained by its test."""
    return [
        name
        for name in ALL_NAMES
        if (STEPPED_IN['cbst'] if 'camvid' in name else STEPPED_IN[name.split('_')[1]]) == file
        and 'streets2cameras' not in name
    ]


def load(name: str, norm: str | None = None) -> Config:
    """A config as it is written, or of a name that means another network or norm; or with another norm at its sites."""
    config = load_named(name)
    return config if norm is None else set_norm(config, norm)


def reloaded(config: Config, folder: Path) -> Config:
    """A config as a run writes it into its work directory, read again."""
    folder.mkdir(parents=True, exist_ok=True)
    config.dump(folder / 'config.py')
    return Config.fromfile(folder / 'config.py')


def segmentor_of(config: Config) -> dict:
    """The segmentation network of a config, on its own or inside an adaptation model."""
    return config.model.get('segmentor', config.model)


def norms_of_backbone(config: Config) -> dict[str, nn.Module]:
    """Name -> norm of the network that a config describes, built without values."""
    segmentor = segmentor_of(config)
    segmentor.backbone.init_cfg = None
    init_default_scope('mmseg')
    with torch.device('meta'):
        backbone = MODELS.build(segmentor.backbone)
    kinds = (nn.modules.batchnorm._NormBase, MODELS.get('IBN'))
    layers = {name: layer for name, layer in backbone.named_modules() if isinstance(layer, kinds)}
    return {name: layer for name, layer in layers.items() if name.rpartition('.')[0] not in layers}


def is_norm(layer: nn.Module, word: str) -> bool:
    """Whether a layer is the norm that a short name says."""
    if word in OMEGA:
        return isinstance(layer, SwitchWhiten2d) and layer.statistics == OMEGA[word]
    expected = {'bn': nn.BatchNorm2d, 'in': nn.InstanceNorm2d, 'ibn': MODELS.get('IBN')}[word]
    return type(layer) is expected and getattr(layer, 'affine', True)


def check_sites(config: Config, word: str) -> None:
    """DeepLab-v2's VGG16 has five sites and no other norm; ResNet-101 has 31 sites among 104 norms."""
    layers = norms_of_backbone(config)
    if segmentor_of(config).backbone.type == 'VGG16DeepLab':
        assert list(layers) == ['norm1', 'norm2', 'norm3', 'norm4', 'norm5']
        assert all(is_norm(layer, word) for layer in layers.values())
    else:
        # of 100 counted convolutions, 91 lie before the last stage: the first and 30 multiples of three
        sites = [layer for layer in layers.values() if is_norm(layer, word)]
        assert len(layers) == 104 and len(sites) == (104 if word == 'bn' else 31)
        assert all(is_norm(layer, 'bn') for layer in layers.values() if layer not in sites)


@DATASETS.register_module(force=True)
class RandomPictures(Dataset):
    """Random pictures in the form the config's data set has: of both domains or of the source alone."""

    metainfo = {'classes': [str(index) for index in range(19)], 'palette': [[index, 0, 0] for index in range(19)]}

    def __init__(self, paired: bool, target: tuple[int, int] = (32, 64)) -> None:
        self.paired, self.target = paired, target

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict:
        batch = two_domain_batch(source=(64, 64), target=self.target, count=1, seed=index)
        sides = {domain: {key: value[0] for key, value in side.items()} for domain, side in batch.items()}
        return sides if self.paired else sides['source']


def one_iteration(config: Config, work_dir: Path) -> Config:
    """`config`, made to stop after an iteration that leaves a checkpoint and pictures."""
    for hook in config.custom_hooks:
        hook['interval'] = 1
    config.train_cfg.max_iters = 1
    config.default_hooks.checkpoint.interval = 1
    config.visualizer.name = work_dir.name  # mmengine keeps one visualizer a name
    config.update(work_dir=str(work_dir), log_level='ERROR', experiment_name=work_dir.name)
    return config


class StartHook(Hook):
    """Keeps a network's parameters, and its buffers, as the first iteration meets them."""

    def before_train(self, runner: Runner) -> None:
        self.state = {key: value.clone() for key, value in runner.model.state_dict().items()}

    def changed(self, model: nn.Module) -> set[str]:
        """Names of what has another value now."""
        return {key for key, value in model.state_dict().items() if not torch.equal(value, self.state[key])}


def train(config: Config, scope: str = 'mmseg') -> tuple[Runner, dict[str, float], dict[str, float], set[str]]:
    """The runner that has trained `config`, what it logged, its losses, and the names of parameters that moved."""
    runner = Runner.from_cfg(config)
    init_default_scope(scope)
    start = StartHook()
    runner.register_hook(start)
    runner.train()
    logged = {key.removeprefix('train/'): value.current() for key, value in runner.message_hub.log_scalars.items()}
    losses = {key: value for key, value in logged.items() if 'loss' in key}
    assert all(torch.isfinite(torch.tensor(value)) for value in losses.values()), losses
    assert list(Path(config.work_dir).glob('iter_1.pth'))
    assert list(Path(config.work_dir).rglob('sample_*.png')), 'the picture hook drew nothing'
    parameters = dict(runner.model.named_parameters())
    return runner, logged, losses, start.changed(runner.model) & parameters.keys()
