"""Training of a style network as an mmengine model: one style, any contents (Johnson et al.; Section 4.4)."""

import torch
from mmengine.model import BaseModel
from mmengine.registry import MODELS
from torch import Tensor

from sw_mmseg.losses.perceptual import gram_matrix

from .loss_network import LossNetwork
from .styles import read_style

__all__ = ['Stylizer']


@MODELS.register_module()
class Stylizer(BaseModel):
    """A `StyleNetwork`, the frozen loss network and the Gram matrices of one style.

    Args:
        network: config of the `StyleNetwork`.
        style: path of the style picture, or `drawn://NAME`, see `styles`.
        loss: config of the `PerceptualLoss`.
        loss_network: arguments of `LossNetwork`.
        style_size: longest side of the style picture at most, in pixels.
    """

    def __init__(
        self, network: dict, style: str, loss: dict, loss_network: dict | None = None, style_size: int = 256
    ) -> None:
        super().__init__()
        picture = read_style(style, style_size)
        self.network, self.loss = MODELS.build(network), MODELS.build(loss)
        self.loss_network = LossNetwork(**(loss_network or {}))
        with torch.no_grad():
            grams = {name: gram_matrix(value) for name, value in self.loss_network(picture[None]).items()}
        self.names = list(grams)
        for name, gram in grams.items():
            self.register_buffer(f'gram_{name}', gram)

    def forward(self, inputs: Tensor, data_samples: None = None, mode: str = 'tensor') -> Tensor | dict[str, Tensor]:
        """N×3×H×W in 0..1 -> stylised pictures, or, with mode 'loss', the three losses."""
        images = self.network(inputs)
        if mode != 'loss':
            return images
        with torch.no_grad():
            content = self.loss_network(inputs)['relu3_3']
        grams = {name: getattr(self, f'gram_{name}') for name in self.names}
        return self.loss(images, self.loss_network(images), content, grams)
