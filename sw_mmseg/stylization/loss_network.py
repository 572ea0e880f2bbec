"""VGG16 up to relu4_3, frozen, whose features the perceptual losses compare (Johnson et al.; Section 4.4)."""

import torch
from torch import Tensor, nn

from sw_mmseg.models.pretrained import load_pretrained, read_checkpoint

LAYERS = {3: 'relu1_2', 8: 'relu2_2', 15: 'relu3_3', 22: 'relu4_3'}
PLAN = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512)  # 0: pooling


class LossNetwork(nn.Module):
    """N×3×H×W in 0..1 -> features by name.

    Args:
        checkpoint: `torchvision://vgg16` (its hash is checked), an address or a file; `None`: seeded random filters.
        seed: of the random filters.
    """

    def __init__(self, checkpoint: str | None = 'torchvision://vgg16', seed: int = 0) -> None:
        super().__init__()
        layers, inside = [], 3
        for width in PLAN:
            layers += [nn.Conv2d(inside, width, 3, padding=1), nn.ReLU()] if width else [nn.MaxPool2d(2)]
            inside = width or inside
        self.features = nn.Sequential(*layers)
        self.register_buffer('mean', torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer('std', torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))
        if checkpoint is None:
            generator = torch.Generator().manual_seed(seed)
            for layer in (layer for layer in layers if isinstance(layer, nn.Conv2d)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity='relu', generator=generator)
                nn.init.zeros_(layer.bias)
        else:
            load_pretrained(self, read_checkpoint(checkpoint), 1.0, checkpoint)
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x, features = (images - self.mean) / self.std, {}
        for index, layer in enumerate(self.features):
            x = layer(x).clone() if index in LAYERS else layer(x)
            if index in LAYERS:
                features[LAYERS[index]] = x
        return features
