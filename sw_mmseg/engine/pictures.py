"""Pictures during training: the image, its truth where there is one, and what the network makes of it now."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from torch import Tensor, nn

from sw_mmseg.adaptation.base import evaluating
from sw_mmseg.models.wrappers import unwrap

__all__ = ['SamplePicturesHook', 'colored', 'predicted']


def colored(labels: np.ndarray, palette: Sequence[Sequence[int]]) -> np.ndarray:
    """Class indices (H, W) to RGB (H, W, 3), uint8; black where an index has no colour, such as 255."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = np.asarray(palette, np.uint8)
    return table[labels.astype(np.uint8)]


@torch.no_grad()
def predicted(model: nn.Module, image: Tensor) -> np.ndarray:
    """Classes (H, W) that `model` sees in one data-set image (3, H, W), in eval mode; modes are restored."""
    model = unwrap(model)
    with evaluating(model):
        batch = model.data_preprocessor({'inputs': [image]}, False)
        logits = model(batch['inputs'], mode='tensor')
    logits = F.interpolate(logits, image.shape[-2:], mode='bilinear', align_corners=model.align_corners)
    return logits.argmax(1)[0].cpu().numpy()


@HOOKS.register_module()
class SamplePicturesHook(Hook):
    """Puts the first image of a batch, of each domain where there are two, into the visualizer.

    Args:
        interval: iterations between two pictures.
        bgr: channel order of the data set's images, as OpenMMLab's loading leaves them.
    """

    def __init__(self, interval: int = 1000, bgr: bool = True) -> None:
        if interval < 1:
            raise ValueError(f'interval must be at least 1, got {interval}')
        self.interval, self.bgr = interval, bgr

    @master_only
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Raises ValueError when the data set gives no palette to draw with."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        palette = (runner.visualizer.dataset_meta or {}).get('palette')
        if palette is None:
            raise ValueError('SamplePicturesHook needs colours: the training data set has no METAINFO["palette"]')
        sides = {'train': data_batch} if 'inputs' in data_batch else data_batch
        for name, side in sides.items():
            picture = self.picture(runner.model, side, palette)
            runner.visualizer.add_image(f'sample_{name}', picture, step=runner.iter + 1)

    def picture(self, model: nn.Module, side: dict, palette: Sequence[Sequence[int]]) -> np.ndarray:
        """Image | truth (if any) | prediction, beside each other: RGB (H, 2 or 3 times W, 3), uint8."""
        image, sample = side['inputs'][0], side['data_samples'][0]
        rgb = image.permute(1, 2, 0).cpu().numpy()[..., :: -1 if self.bgr else 1]
        panels = [rgb.astype(np.uint8)]
        if 'gt_sem_seg' in sample:
            height, width = rgb.shape[:2]  # a preprocessor pads labels in place
            panels.append(colored(sample.gt_sem_seg.data[0, :height, :width].cpu().numpy(), palette))
        panels.append(colored(predicted(model, image), palette))
        return np.concatenate(panels, axis=1)
