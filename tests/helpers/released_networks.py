"""Networks like the authors' released ones, with random values: the exact keys, and what their formula gives.

The layer is written from the formulas at the head of `models/released/conversion.py` as loops in numpy; networks are
torchvision's with that layer at the sites that the released files have, listed here one by one.
"""

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

# norms that are SW, in torchvision's names: convolutions {1, 6, 15, 21, 27, 33, 39} of ResNet-50
SITES = {
    'resnet50': ['bn1', 'layer1.1.bn2', 'layer2.1.bn2', 'layer2.3.bn2', 'layer3.1.bn2', 'layer3.3.bn2', 'layer3.5.bn2'],
    'resnet101': [
        'bn1',
        'layer1.1.bn2',
        'layer2.1.bn2',
        'layer2.3.bn2',
        *(f'layer3.{block}.bn2' for block in (1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21)),
    ],
    'densenet121': [
        'features.norm0',
        *(
            f'features.denseblock{block}.denselayer{layer}.norm1'
            for block, layers in ((1, (1, 4)), (2, (1, 4, 7, 10)), (3, (1, 4, 7, 10, 13, 16, 19, 22)))
            for layer in layers
        ),
    ],
    'densenet169': [
        'features.norm0',
        *(
            f'features.denseblock{block}.denselayer{layer}.norm1'
            for block, layers in ((1, (1, 4)), (2, (1, 4, 7, 10)), (3, (1, 4, 7, 10, 13, 16, 19, 22, 25, 28, 31)))
            for layer in layers
        ),
    ],
}


class PublishedLayer(nn.Module):
    """One of their layers in evaluation. `unbiased`: σ_ln divides by n − 1, as theirs does."""

    def __init__(self, channels: int, statistics: int = 2, tied: bool = False, group: int = 16, unbiased: bool = True):
        super().__init__()
        self.unbiased = unbiased
        self.sw_mean_weight = nn.Parameter(torch.randn(statistics))
        if not tied:
            self.sw_var_weight = nn.Parameter(torch.randn(statistics))
        self.weight = nn.Parameter(1 + 0.2 * torch.randn(channels))
        self.bias = nn.Parameter(0.2 * torch.randn(channels))
        factor = torch.randn(channels // group, group, 2 * group) / (2 * group) ** 0.5
        self.register_buffer('running_mean', 0.2 * torch.randn(channels // group, group, 1))
        self.register_buffer('running_cov', factor @ factor.mT)

    def forward(self, x: Tensor) -> Tensor:
        entries = {key: value.detach().double().numpy() for key, value in self.state_dict().items()}
        return torch.from_numpy(published(x.detach().double().numpy(), entries, self.unbiased)).to(x)


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


def published(x: np.ndarray, entries: dict[str, np.ndarray], unbiased: bool) -> np.ndarray:
    """The formula, an image and a group at a time; x is (N, C, H, W)."""
    w = softmax(entries['sw_mean_weight'])
    v = softmax(entries['sw_var_weight']) if 'sw_var_weight' in entries else w
    d = entries['running_cov'].shape[-1]
    out = np.empty_like(x)
    for image in range(len(x)):
        whole = x[image]
        for group in range(x.shape[1] // d):
            rows = slice(group * d, (group + 1) * d)
            pixels = whole[rows].reshape(d, -1)
            mean = [entries['running_mean'][group], pixels.mean(1, keepdims=True)]
            cov = [entries['running_cov'][group], np.cov(pixels, bias=True)]
            layer = whole.mean(), whole.var(ddof=int(unbiased)) * np.eye(d)
            if len(w) == 2:
                mixed, sigma = w[0] * mean[0] + w[1] * mean[1], v[0] * cov[0] + v[1] * cov[1]
            elif len(w) == 3:
                mixed = w[0] * mean[0] + w[1] * mean[1] + w[2] * layer[0]
                sigma = v[0] * cov[0] + v[1] * cov[1] + v[2] * layer[1]
            else:
                mixed = (w[0] + w[2]) * mean[0] + (w[1] + w[3]) * mean[1] + w[4] * layer[0]
                sigma = sum(v[k] * (cov[k] + np.diag(np.diag(cov[k]))) for k in (0, 1)) + v[4] * layer[1]
            root = newton(sigma + 1e-5 * np.eye(d))
            white = (root @ (pixels - mixed)).reshape(whole[rows].shape)
            out[image, rows] = entries['weight'][rows, None, None] * white + entries['bias'][rows, None, None]
    return out


def newton(sigma: np.ndarray) -> np.ndarray:
    trace, p = np.trace(sigma), np.eye(len(sigma))
    for _ in range(5):
        p = 1.5 * p - 0.5 * p @ p @ p @ (sigma / trace)
    return p / trace**0.5


def published_network(arch: str, statistics: int = 2, tied: bool = False) -> nn.Module:
    """torchvision's network with published layers at the sites, random statistics, in evaluation mode."""
    network = getattr(torchvision.models, arch)(weights=None)
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
        if name in SITES[arch]:
            parent, _, last = name.rpartition('.')
            setattr(network.get_submodule(parent), last, PublishedLayer(module.num_features, statistics, tied))
    return network.eval()


def published_state(network: nn.Module, arch: str, prefix: str = 'module.') -> dict[str, Tensor]:
    """Its state dict under the released files' names: `sw1`, `sw2` in ResNets."""
    renamed = {name: name.replace('bn', 'sw') for name in SITES[arch]}
    state = {}
    for key, value in network.state_dict().items():
        name, _, last = key.rpartition('.')
        state[f'{prefix}{renamed.get(name, name)}.{last}'] = value.clone()
    return state
