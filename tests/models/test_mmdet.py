"""mmdet's own models on the stand-in operators, and Mask R-CNN with SW where batches are odd."""

import pytest
import torch
from mmengine.hub import get_config
from mmengine.registry import DefaultScope

pytest.importorskip('mmdet')
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.slow_cases import slow
from tests.helpers.tiny_detection import make_narrow

MASK_RCNN = 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'
COMMON = (
    MASK_RCNN,
    'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    'retinanet/retinanet_r50_fpn_1x_coco.py',
    'cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco.py',
)


@pytest.fixture(autouse=True)
def mmdet_scope():
    with DefaultScope.overwrite_default_scope('mmdet'):
        yield


def build(path, norm=None):
    """mmdet's own config, narrow; with `norm` wherever there is a place for one, and SW at sites unless it is SN."""
    config = make_narrow(get_config(f'mmdet::{path}').model, channels=16)
    if norm:
        sites = None if norm['type'] == 'SN' else dict(type='SW')
        config.backbone.update(
            type='SwitchSites',
            of='ResNet',
            every=6,
            site_norm_cfg=sites,
            norm_cfg=norm,
            norm_eval=False,
            frozen_stages=-1,
        )
        config.neck.norm_cfg = config.roi_head.mask_head.norm_cfg = config.roi_head.bbox_head.norm_cfg = norm
        config.roi_head.bbox_head.update(type='Shared4Conv1FCBBoxHead', conv_out_channels=16)
    model = MODELS.build(config)
    model.init_weights()
    return model


def images(objects=(2, 1), shapes=((3, 64, 96), (3, 96, 64)), classes=80):
    torch.manual_seed(0)
    return demo_mm_inputs(
        len(shapes), image_shapes=list(shapes), num_items=list(objects), num_classes=classes, with_mask=True
    )


def step(model, data, rate=1e-3):
    """Losses of one training step, taken."""
    model.train().zero_grad()
    batch = model.data_preprocessor(data, True)
    loss, logged = model.parse_losses(model(**batch, mode='loss'))
    loss.backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                assert torch.isfinite(parameter.grad).all()
                parameter -= rate * parameter.grad
    assert all(torch.isfinite(value) for value in logged.values()), logged
    assert all(torch.isfinite(buffer).all() for buffer in model.buffers())
    return {key: float(value.detach()) for key, value in logged.items()}


def predict(model, data):
    with torch.no_grad():
        samples = model.eval()(**model.data_preprocessor(data, False), mode='predict')
    for sample in samples:
        instances = sample.pred_instances
        assert torch.isfinite(instances.bboxes).all() and instances.bboxes.shape == (len(instances), 4)
        if 'masks' in instances:
            assert instances.masks.shape == (len(instances), *sample.ori_shape) and instances.masks.dtype == torch.bool
    return [sample.pred_instances for sample in samples]


@pytest.mark.parametrize('path', COMMON)
def test_mmdets_own_models_train_a_step_and_predict(path):
    model = build(path)
    before = {key: value.clone() for key, value in model.named_parameters()}
    losses = step(model, images())
    assert sum('loss' in key for key in losses) >= 3 and losses['loss'] > 0
    assert sum(not torch.equal(value, before[key]) for key, value in model.named_parameters()) > 20
    stages = getattr(model, 'roi_head', None)
    (model if stages is None else stages).test_cfg.score_thr = 0.0
    predictions = predict(model, images())
    assert all(0 < len(instances) <= 100 for instances in predictions)


def test_a_pair_of_objects_is_learnt():
    """Twenty steps on one image: the losses of both heads and both heads' inputs fall."""
    model, data = build(MASK_RCNN, dict(type='BN')), images((1,), ((3, 96, 96),))
    torch.manual_seed(0)
    first = step(model, data)
    for _ in range(20):
        last = step(model, data, rate=0.05)
    assert last['loss'] < 0.5 * first['loss'] and last['loss_mask'] < first['loss_mask']
    assert sum(isinstance(layer, SwitchWhiten2d) for layer in model.modules()) == 7


ODD = {
    'no object at all': dict(objects=(0, 0)),
    'no object in one image': dict(objects=(0, 2)),
    'extreme aspects': dict(shapes=((3, 32, 512), (3, 512, 32))),
    'one small image': dict(objects=(1,), shapes=((3, 64, 64),)),
    'one class of eighty': dict(classes=2),  # the first is none of them
}


@pytest.mark.parametrize('fault', [slow(fault) if fault == 'one small image' else fault for fault in ODD])
@pytest.mark.parametrize(
    'norm', [pytest.param('SyncBN', marks=pytest.mark.slow), 'SN', pytest.param('GN', marks=pytest.mark.slow)]
)
def test_odd_batches_leave_everything_finite(fault, norm):
    model = build(MASK_RCNN, dict(type=norm, **(dict(num_groups=4) if norm == 'GN' else {})))
    data = images(**ODD[fault])
    losses = step(model, data)
    if fault == 'no object at all':
        assert losses['loss_bbox'] == losses['loss_mask'] == losses['loss_rpn_bbox'] == 0
    step(model, data)
    predict(model, data)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_mixed_precision(dtype):
    """Convolutions in half precision, whitening and operators in full: losses near those of full precision."""
    model, data = build(MASK_RCNN, dict(type='SyncBN')), images()
    batch = model.train().data_preprocessor(data, True)

    def losses(enabled):
        torch.manual_seed(1)
        with torch.autocast('cpu', dtype, enabled=enabled):
            return model.parse_losses(model(**batch, mode='loss'))

    full, half = losses(False)[1], losses(True)
    half[0].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    for key in ('loss_rpn_cls', 'loss_cls', 'loss_mask'):
        torch.testing.assert_close(half[1][key].float(), full[key], rtol=0.1, atol=0.05)
