"""A network looks at images of the size that it was trained on, whatever their own size is."""

import argparse

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from sw_mmseg.own_images import check, config, plan
from sw_mmseg.running.prediction import build_pipeline, says_size, segment_pixels
from tests.helpers.own_folders import save

AGREEMENT = 0.95  # of label maps of one image in two sizes; 0.7 where the network looks at the larger one
pytestmark = pytest.mark.usefixtures('one_thread')


def scene(number):
    """A grey ground with two rectangles, and some noise; image and labels."""
    labels = np.zeros((64, 96), np.uint8)
    labels[20 + number : 50, 5:40], labels[5:30, 50 + number : 90] = 1, 2
    noise = np.random.default_rng(number).integers(0, 20, (64, 96, 3)).astype(np.uint8)
    return np.array([[90] * 3, [200, 60, 50], [60, 90, 210]], np.uint8)[labels] + noise, labels


@pytest.fixture
def made(tmp_path):
    """The config that adapt makes of folders whose images all have one size."""
    for number in range(4):
        image, labels = scene(number)
        save(tmp_path / f'images/{number}.png', image)
        save(tmp_path / f'labels/{number}.png', labels)
        save(tmp_path / f'target/{number}.png', image // 2)
    checked = check.check(
        [str(tmp_path / 'images'), str(tmp_path / 'labels')], str(tmp_path / 'target'), None, None, tmp_path / 'out'
    )
    args = argparse.Namespace(
        network='narrow', norm='sw', method='adaptsegnet', short_side=None, batch_size=None, iterations=100, seed=0
    )
    return config.make_config(plan.choose(args, checked)[0], checked, 'sourceonly', {})


def test_an_image_and_the_same_image_larger_are_segmented_alike(made):
    torch.manual_seed(0)
    model = MODELS.build(made.model)
    model.init_weights()
    model.eval()
    steps = made.test_dataloader.dataset.pipeline
    pipeline = build_pipeline(steps, from_file=False)
    without = build_pipeline([step for step in steps if step['type'] != 'Resize'], from_file=False)
    for number in range(4):
        image = scene(number)[0]
        labels = segment_pixels(model, pipeline, image)
        assert np.array_equal(labels, segment_pixels(model, without, image))  # its own size: nothing is done to it
        assert (np.bincount(labels.ravel()) > 50).sum() > 1
        for factor, interpolation in ((2, cv2.INTER_NEAREST), (5, cv2.INTER_LINEAR)):
            size = 96 * factor, 64 * factor
            large = segment_pixels(model, pipeline, cv2.resize(image, size, interpolation=interpolation))
            assert large.shape == size[::-1]
            expected = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
            assert (large == expected).mean() > AGREEMENT


def test_every_pipeline_says_the_size(made):
    data = [made.test_dataloader.dataset, made.train_dataloader.dataset.dataset]
    for dataset in data:
        (resize,) = [step for step in dataset.pipeline if step['type'] == 'Resize']
        assert resize['scale'] == (1024, 64) and resize['keep_ratio'] and says_size(dataset.pipeline)
    assert not says_size(Config({'x': [{'type': 'LoadImage'}]}).x)
