"""A network small enough to be written out by hand, and batches for it."""

import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.whitening import SwitchWhiten2d


def sw_layer(channels):
    return SwitchWhiten2d(channels, group_size=2)


@MODELS.register_module(force=True)
class TinyBackbone(BaseModule):
    """Two convolutions of stride 2 with a norm ('bn', 'sw' or None) behind the first; both maps go out."""

    def __init__(self, norm='bn'):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.norm = {'bn': nn.BatchNorm2d, 'sw': sw_layer, None: nn.Identity}[norm](4)
        self.conv2 = nn.Conv2d(4, 6, 3, stride=2, padding=1)

    def forward(self, x):
        x = self.norm(self.conv1(x)).relu()
        return x, self.conv2(x).relu()


# what each method has beside a segmentor; an adaptation model with two players has a discriminator
PARTS = {
    'AdaptSegNet': {'discriminator': {'type': 'OutputDiscriminator', 'num_classes': 5, 'width': 3}},
    'AdvEnt': {'discriminator': {'type': 'OutputDiscriminator', 'num_classes': 5, 'width': 3}},
    'ClassBalancedSelfTraining': {
        'warmup': 1,
        'round_length': 2,
        'shares': [0.5, 0.8],
        'augmentation': {},
        'statistics_images': 3,
    },
    'EntropyMinimization': {},
    'InstanceSelectiveWhitening': {'layers': ['norm'], 'warmup': 3, 'compare': 2},
    'SelfTraining': {'threshold': 0.3, 'alpha': 0.6, 'warmup': 1, 'augmentation': {}, 'masking': {'block': 8}},
}
WEIGHTS = {
    'AdaptSegNet': ({'lambda_adv': 0.3}, {'lambda_adv': 0.2}),
    'AdvEnt': ({'lambda_adv': 0.3}, {'lambda_adv': 0.2}),
    'ClassBalancedSelfTraining': ({}, {}),
    'EntropyMinimization': ({'lambda_ent': 0.3}, {'lambda_ent': 0.2}),
    'InstanceSelectiveWhitening': ({}, {}),
    'SelfTraining': ({}, {}),
}
SIZES = {'SelfTraining': {'source': (32, 48), 'target': (32, 48)}}  # what is mixed is of one size


def players(model):
    """Names of the parts that learn."""
    return [name for name, part in model.named_children() if any(p.requires_grad for p in part.parameters())]


def tiny_config(method='AdaptSegNet', levels=2, norm='bn', names=None, **kwargs):
    head = {'type': 'DeepLabV2Head', 'num_classes': 5, 'dilations': (1, 2, 3, 4)}
    segmentor = {
        'type': 'MultiLevelSegmentor',
        'backbone': {'type': 'TinyBackbone', 'norm': norm},
        'decode_head': {**head, 'in_channels': 6, 'in_index': 1},
        'test_cfg': ConfigDict(mode='whole'),
    }
    main, auxiliary = WEIGHTS[method]
    pair = [{'head': 'decode_head', 'lambda_seg': 1.0, **main}]
    if levels == 2:
        segmentor['auxiliary_head'] = {**head, 'in_channels': 4, 'in_index': 0}
        pair.append({'head': 'auxiliary_head', 'lambda_seg': 0.1, **auxiliary})
    return {
        'type': method,
        'segmentor': segmentor,
        **PARTS[method],
        'levels': names or pair,
        'data_preprocessor': {'type': 'DomainPreprocessor', 'mean': [120.0] * 3, 'std': [60.0] * 3},
        **kwargs,
    }


def sample(size, labelled):
    height, width = size
    shape = {'ori_shape': size, 'img_shape': size, 'img_path': 'x.png'}
    data_sample = SegDataSample(metainfo=shape)
    if labelled:
        labels = torch.randint(0, 6, (1, height, width))
        data_sample.gt_sem_seg = PixelData(data=torch.where(labels == 5, 255, labels))
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8), data_sample


def side(size, count, labelled):
    items = [sample(size, labelled) for _ in range(count)]
    return {'inputs': [item[0] for item in items], 'data_samples': [item[1] for item in items]}


def two_domain_batch(source=(64, 32), target=(32, 48), count=2, seed=0):
    torch.manual_seed(seed)
    return {'source': side(source, count, labelled=True), 'target': side(target, count, labelled=False)}
