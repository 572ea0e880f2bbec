"""What pixels without a class do to the losses of the configs' heads, against sums written by hand."""

from pathlib import Path

import mmseg.models  # noqa: F401 -- registers its scope
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.running.networks import set_network

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
HEADS = ('decode_head', 'auxiliary_head')
TOLD = {f'model.{head}.loss_decode.avg_non_ignore': True for head in HEADS}
WEIGHTS = {'bn_pspnet_ade20k': (1.0, 0.4), 'bn_fcn_cityscapes': (1.0, 0.4), 'bn_sourceonly_gta2cityscapes': (1.0, 0.1)}


def drawn(classes):
    """Logits and labels of two images, of which more than half is void; labels in mmseg's form."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, 6, 8, generator=generator)
    labels = torch.randint(0, classes, (2, 6, 8), generator=generator)
    labels[0, 1:], labels[1, :2] = 255, 255
    return logits, labels


def sum_by_hand(logits, labels):
    total, count = 0.0, 0
    for image, rows in zip(logits.double(), labels):
        for y, row in enumerate(rows.tolist()):
            for x, label in enumerate(row):
                if label != 255:
                    pixel = image[:, y, x]
                    total += float(pixel.exp().sum().log() - pixel[label])
                    count += 1
    return total, count


def losses_of(config):
    """Each head's loss on its drawn logits, with its sum and its count of pixels that have a class."""
    for name in HEADS:
        options = (
            {**config.model[name], 'norm_cfg': dict(type='BN')}
            if 'norm_cfg' in config.model[name]
            else config.model[name]
        )
        with DefaultScope.overwrite_default_scope('mmseg'):
            head = MODELS.build(options)
        logits, labels = drawn(head.num_classes)
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in labels]
        yield float(head.loss_by_feat(logits, samples)['loss_ce']), *sum_by_hand(logits, labels)


@pytest.mark.parametrize('name', ['bn_pspnet_ade20k', 'bn_fcn_cityscapes'])
@pytest.mark.parametrize('told', [False, True])
def test_void_counts_in_the_denominator_unless_told(name, told):
    config = Config.fromfile(CONFIGS / f'{name}.py')
    if told:  # as configs/README.md has it
        assert all(f'{key}=True' in (CONFIGS / 'README.md').read_text() for key in TOLD)
        config.merge_from_dict(TOLD)
    for (loss, total, count), weight in zip(losses_of(config), WEIGHTS[name], strict=True):
        assert count == 2 * 6 * 8 - 56
        assert loss == pytest.approx(weight * total / (count if told else 2 * 6 * 8), rel=1e-5)


def test_levels_of_resnet101_leave_void_out():
    name = 'bn_sourceonly_gta2cityscapes'
    config = set_network(Config.fromfile(CONFIGS / f'{name}.py'), 'resnet101')
    for (loss, total, count), weight in zip(losses_of(config), WEIGHTS[name], strict=True):
        assert loss == pytest.approx(weight * total / count, rel=1e-5)
