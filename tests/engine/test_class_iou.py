"""Per-class IoU and bfloat16, against values worked out by hand."""

import math

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn

from sw_mmseg.engine.bfloat16 import Bfloat16OptimWrapper
from sw_mmseg.engine.class_iou import ClassIoUMetric


def sample(truth, prediction):
    data = SegDataSample(metainfo={'img_path': 'x.png'})
    data.gt_sem_seg = PixelData(data=torch.tensor([truth]))
    data.pred_sem_seg = PixelData(data=torch.tensor([prediction]))
    return data


def test_iou_of_every_class_by_hand():
    MMLogger.get_instance('class_iou', log_level='ERROR')
    metric = ClassIoUMetric()
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = {'classes': ('road', 'car', 'train')}
    # truth 0 0 1 1 | 0 1 void 0, prediction 0 1 1 1 | 0 0 2 0; void is not counted
    outputs = [sample([[0, 0], [1, 1]], [[0, 1], [1, 1]]), sample([[0, 1], [255, 0]], [[0, 0], [2, 0]])]
    evaluator.process(data_samples=outputs, data_batch=None)
    metrics = evaluator.evaluate(2)
    assert metric.class_iou['road'] == pytest.approx(100 * 3 / 5)  # 3 agree; 4 true and 4 predicted, so 5 in the union
    assert metric.class_iou['car'] == pytest.approx(100 * 2 / 4)  # 2 agree; 3 true, 3 predicted
    assert math.isnan(metric.class_iou['train'])
    assert metrics['mIoU'] == pytest.approx(55.0) and not any('road' in name for name in metrics)


def test_bfloat16_computes_in_half_and_steps_in_full():
    layer = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0]]))
    wrapper = Bfloat16OptimWrapper(torch.optim.SGD(layer.parameters(), lr=0.25))
    with wrapper.optim_context(layer):
        output = layer(torch.tensor([[1.0, 3.0]]))
    assert output.dtype == torch.bfloat16 and output.item() == 7.0
    wrapper.update_params(output.sum())
    assert layer.weight.dtype == torch.float32
    assert layer.weight.tolist() == [[0.75, 1.25]]  # (1, 2) - 0.25 (1, 3)
    assert layer(torch.tensor([[1.0, 3.0]])).dtype == torch.float32  # nothing of it is left outside
