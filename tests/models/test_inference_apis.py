"""The inference functions of mmseg, mmdet and mmpretrain take the configs and checkpoints of this package."""

from pathlib import Path

import cv2
import mmpretrain.apis
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from mmseg.apis import MMSegInferencer, inference_model, init_model

import sw_mmseg.plugin  # noqa: F401

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@pytest.fixture(scope='module', params=['bn_sourceonly', 'sw_adaptsegnet'])
def trained(request, tiny_config, tmp_path_factory):
    """Config and checkpoint of a training that was short."""
    folder = tmp_path_factory.mktemp(request.param)
    path = tiny_config(request.param)
    config = Config.fromfile(path)
    config.work_dir, config.train_cfg.max_iters = str(folder), 2
    config.train_cfg.val_interval = 9
    Runner.from_cfg(config).train()
    return path, str(folder / 'iter_2.pth')


def test_mmseg_segments_files_and_arrays_alike(trained, streets):
    files = sorted((streets / 'cityscapes/leftImg8bit/val').rglob('*.png'))
    images = [cv2.imread(str(file)) for file in files]
    model = init_model(*trained, device='cpu')
    assert model.dataset_meta['classes'][0] == 'road' and not model.training
    by_path = [inference_model(model, str(file)).pred_sem_seg.data[0].numpy() for file in files]
    by_array = [inference_model(model, image).pred_sem_seg.data[0].numpy() for image in images]
    inferred = MMSegInferencer(*trained, device='cpu')
    for one, file, image, mask in zip(by_path, files, images, by_array):
        assert np.array_equal(one, mask) and one.shape == image.shape[:2]
        for given in (str(file), image):
            assert np.array_equal(inferred(given)['predictions'], one)


def test_files_that_mmseg_would_read_otherwise_are_refused(trained):
    config = Config.fromfile(trained[0])
    config.test_dataloader.dataset.pipeline[0] = dict(type='LoadImage', bands=(4, 2, 1))
    with pytest.raises(ValueError, match='bands=.*sw-mmseg predict'):
        MMSegInferencer(config, trained[1], device='cpu')


def test_options_of_the_segmentor_are_refused_at_the_method(tiny_config):
    config = Config.fromfile(tiny_config('sw_adaptsegnet'))
    with pytest.raises(ValueError, match='pretrained.*model.segmentor.pretrained'):
        MODELS.build(config.model | {'pretrained': 'torchvision://vgg16'})


def test_mmpretrain_classifies():
    path = CONFIGS / 'sw_resnet20_cifar10.py'
    config, model = Config.fromfile(path), mmpretrain.apis.get_model(str(path), device='cpu')
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    init_default_scope('mmpretrain')
    inferred = mmpretrain.apis.ImageClassificationInferencer(model, device='cpu')(image)[0]
    mean, std = (np.float32(config.data_preprocessor[key]) for key in ('mean', 'std'))
    with torch.no_grad():
        logits = model(torch.from_numpy((image - mean) / std).permute(2, 0, 1)[None])
    assert inferred['pred_label'] == int(logits.argmax())
    assert np.allclose(inferred['pred_scores'], logits.softmax(1)[0].numpy(), atol=1e-5)


def test_mmdet_detects_on_files_and_arrays_alike(tmp_path):
    from mmdet.apis import inference_detector, init_detector

    torch.manual_seed(0)
    model = init_detector(str(CONFIGS / 'sw_maskrcnn_streets.py'), device='cpu')
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'image.png'), image)
    by_file = inference_detector(model, str(tmp_path / 'image.png')).pred_instances
    by_array = inference_detector(model, image).pred_instances  # from here on the model's pipeline takes arrays
    assert not model.training and by_file.bboxes.shape[1] == 4
    assert torch.equal(by_file.bboxes, by_array.bboxes) and torch.equal(by_file.scores, by_array.scores)


NAMES = sorted(file.stem for file in CONFIGS.glob('*.py') if '_style_' not in file.stem)
OTHERS = '_maskrcnn', '_cifar', '_imagenet', '_digits', '_streetcrops'
SEGMENTATION = [name for name in NAMES if not any(part in name for part in OTHERS)]


@pytest.mark.slow
@pytest.mark.parametrize('name', SEGMENTATION)
def test_every_config_segments_an_image_by_mmsegs_functions(name, tmp_path):
    config = Config.fromfile(CONFIGS / f'{name}.py')
    for part in (config.model, config.model.get('segmentor') or {}):
        if part.get('backbone'):
            part['backbone']['init_cfg'] = None
            if part['backbone'].get('pretrained') is True:  # timm would fetch weights
                part['backbone']['pretrained'] = False
    config.test_dataloader.dataset.pipeline = shrunk(config.test_dataloader.dataset.pipeline)
    if 'test_pipeline' in config:
        config.test_pipeline = config.test_dataloader.dataset.pipeline
    model = init_model(config, device='cpu')
    assert len(model.cfg.test_pipeline) > 1 and not model.training
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), dtype=np.uint8)
    labels = inference_model(model, image).pred_sem_seg.data[0].numpy()
    assert labels.shape == (64, 128) and labels.max() < len(model.dataset_meta['classes'])
    torch.save({'state_dict': model.state_dict(), 'meta': {'dataset_meta': model.dataset_meta}}, tmp_path / 'one.pth')
    inferred = MMSegInferencer(config, str(tmp_path / 'one.pth'), device='cpu')
    assert np.array_equal(inferred(image)['predictions'], labels)


def shrunk(pipeline):
    """Steps of a test pipeline that look at small images."""
    return [{**step, 'scale': (128, 64)} if step['type'] == 'Resize' else step for step in pipeline]
