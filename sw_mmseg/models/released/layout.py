"""What the networks that the paper's authors released consist of: names and shapes, with torchvision's names.

SW layers excepted, their files are torchvision's ResNet-50/101 and DenseNet-121/169. In ResNets `sw1` and `sw2` stand
where torchvision has `bn1` and `bn2`: in the stem and in the second, fourth, ... block of the first three stages.
Counted as the paper counts, those of ResNet-50 are convolutions {1, 6, 15, 21, 27, 33, 39}; the paper's list is
{1, 6, 12, ..., 36}. In DenseNets SW is `norm0` and `norm1` of the first, fourth, seventh, ... layer of the first three
blocks.
"""

import re

__all__ = ['LAYOUTS', 'RELEASED', 'classifier', 'convolutions', 'norms', 'rename', 'switch_layers', 'torchvision_name']

# architecture -> blocks of each stage, or layers of each dense block
RELEASED = {
    'resnet50': (3, 4, 6, 3),
    'resnet101': (3, 4, 23, 3),
    'densenet121': (6, 12, 24, 16),
    'densenet169': (6, 12, 32, 32),
}
LAYOUTS = ('mmpretrain', 'backbone', 'torchvision')
Shapes = dict[str, tuple[int, ...]]

# a DenseNet's names in torchvision -> in mmpretrain; numbers of blocks and layers count from 1 and from 0
_DENSENET = (
    (r'features\.conv0\.', lambda m: 'stem.0.'),
    (r'features\.norm0\.', lambda m: 'stem.1.'),
    (r'features\.denseblock(\d+)\.denselayer(\d+)\.', lambda m: f'stages.{int(m[1]) - 1}.block.{int(m[2]) - 1}.'),
    (r'features\.transition(\d+)\.', lambda m: f'transitions.{int(m[1]) - 1}.'),
    (r'features\.norm5\.', lambda m: 'transitions.3.0.'),
)


def switch_layers(arch: str) -> list[str]:
    """Names of the SW layers in the released file, in the order of the network."""
    stages = list(enumerate(RELEASED[arch][:3], 1))
    if arch.startswith('resnet'):
        return ['sw1', *(f'layer{s}.{b}.sw2' for s, blocks in stages for b in range(1, blocks, 2))]
    return [
        'features.norm0',
        *(f'features.denseblock{s}.denselayer{i}.norm1' for s, layers in stages for i in range(1, layers + 1, 3)),
    ]


def torchvision_name(name: str) -> str:
    """'layer1.1.sw2' -> 'layer1.1.bn2'; a DenseNet's names are torchvision's."""
    return re.sub(r'(^|\.)sw(\d)$', r'\1bn\2', name)


def convolutions(arch: str) -> Shapes:
    """Every convolution's weight."""
    return {f'{name}.weight': shape for name, shape in _network(arch)[0].items()}


def norms(arch: str) -> dict[str, int]:
    """Channels of every norm, SW or not, by torchvision's name."""
    return _network(arch)[1]


def classifier(arch: str) -> tuple[str, int]:
    """Name of the last linear layer, and how many features it reads."""
    *_, features = norms(arch).values()
    return ('fc', 2048) if arch.startswith('resnet') else ('classifier', features)


def rename(key: str, arch: str, layout: str) -> str | None:
    """A key with torchvision's name as one of `layout`; None where that has no place for it."""
    if layout == 'torchvision':
        return key
    head = classifier(arch)[0] + '.'
    if key.startswith(head):
        return 'head.fc.' + key.removeprefix(head) if layout == 'mmpretrain' else None
    for pattern, name in _DENSENET if arch.startswith('densenet') else ():
        key = re.sub('^' + pattern, name, key)
    return f'backbone.{key}' if layout == 'mmpretrain' else key


def _network(arch: str) -> tuple[Shapes, dict[str, int]]:
    return (_resnet if arch.startswith('resnet') else _densenet)(RELEASED[arch])


def _resnet(stages: tuple[int, ...]) -> tuple[Shapes, dict[str, int]]:
    """Bottlenecks: 1x1, 3x3, and 1x1 to four times the channels."""
    shapes, channels, width = {'conv1': (64, 3, 7, 7)}, {'bn1': 64}, 64
    for stage, blocks in enumerate(stages, 1):
        d = 32 * 2**stage
        for block in range(blocks):
            name = f'layer{stage}.{block}.'
            shapes |= {name + 'conv1': (d, width, 1, 1), name + 'conv2': (d, d, 3, 3), name + 'conv3': (4 * d, d, 1, 1)}
            channels |= {name + 'bn1': d, name + 'bn2': d, name + 'bn3': 4 * d}
            if block == 0:
                shapes[name + 'downsample.0'] = (4 * d, width, 1, 1)
                channels[name + 'downsample.1'] = 4 * d
            width = 4 * d
    return shapes, channels


def _densenet(blocks: tuple[int, ...]) -> tuple[Shapes, dict[str, int]]:
    """Layers that add 32 channels each, by way of 128; transitions halve them."""
    shapes, channels, width = {'features.conv0': (64, 3, 7, 7)}, {'features.norm0': 64}, 64
    for block, layers in enumerate(blocks, 1):
        for layer in range(1, layers + 1):
            name = f'features.denseblock{block}.denselayer{layer}.'
            shapes |= {name + 'conv1': (128, width, 1, 1), name + 'conv2': (32, 128, 3, 3)}
            channels |= {name + 'norm1': width, name + 'norm2': 128}
            width += 32
        if block < len(blocks):
            shapes[f'features.transition{block}.conv'] = (width // 2, width, 1, 1)
            channels[f'features.transition{block}.norm'] = width
            width //= 2
    return shapes, {**channels, 'features.norm5': width}
