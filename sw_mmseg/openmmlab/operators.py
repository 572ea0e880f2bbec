"""Compiled operators of mmcv that mmdet calls, served from torchvision: nms, RoIAlign, sigmoid focal loss.

`extension.py` puts them in the place of `mmcv._ext` where mmcv is installed without it. mmdet imports some fifty
operators and calls few: `nms`, RoIAlign with average pooling and the sigmoid focal loss are here, on CPU and GPU; any
other raises `MissingOperatorError` when it is called.

Departures from the compiled operators: half precision is computed in fp32; the focal loss has exact logarithms beyond
|logit| = 87, where theirs are cut off; a box of negative size does not abort RoIAlign on CPU, as it does not on GPU.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ['OPERATORS', 'WAY_OUT', 'MissingOperatorError']

WAY_OUT = (
    'is a compiled operator of mmcv, and mmcv is installed without them (sw_mmseg serves nms, RoIAlign with average '
    'pooling and the sigmoid focal loss). Build mmcv from its source with MMCV_WITH_OPS=1, which takes a compiler and '
    'some minutes, or use a model without it'
)
HALF = (torch.float16, torch.bfloat16)


class MissingOperatorError(NotImplementedError):
    """An operator was called that only a compiled mmcv has."""


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int = 0) -> Tensor:
    """Indices (K,) int64 of the boxes (N, 4) x1 y1 x2 y2 that are kept, by falling score; equal scores by index.

    `offset` is what a side is longer than the difference of its coordinates: 1 where these are of pixels, inclusive.
    """
    from torchvision.ops import nms as torchvision_nms

    boxes, scores = _full(boxes), _full(scores)
    if offset:
        boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
    return torchvision_nms(boxes, scores.to(boxes.dtype), iou_threshold)


def roi_align_forward(
    input: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fills `output` (R, C, h, w) from `input` (N, C, H, W) and `rois` (R, 5): index in the batch, x1, y1, x2, y2."""
    _average_only(pool_mode)
    features = _full(input)
    output.copy_(
        _torchvision().roi_align(
            features, rois.to(features.dtype), spatial_scale, aligned_height, aligned_width, sampling_ratio, aligned
        )
    )


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    aligned_height: int,
    aligned_width: int,
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: int,
    aligned: bool,
) -> None:
    """Fills `grad_input` (N, C, H, W) from `grad_output` (R, C, h, w)."""
    _average_only(pool_mode)
    grad = _full(grad_output)
    grad_input.copy_(
        _torchvision()._roi_align_backward(
            grad,
            rois.to(grad.dtype),
            spatial_scale,
            aligned_height,
            aligned_width,
            *grad_input.shape,
            sampling_ratio,
            aligned,
        )
    )


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Fills `output` (N, C) with the loss of every logit.

    `target` (N,) holds classes 0 to C - 1, or C for none; `weight` (C,) or empty.
    """
    output.copy_(_focal_loss(_full(input), target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Fills `grad_input` (N, C) with the derivative of every logit's loss."""
    with torch.enable_grad():
        logits = _full(input.detach()).requires_grad_()
        loss = _focal_loss(logits, target, weight, gamma, alpha).sum()
    grad_input.copy_(torch.autograd.grad(loss, logits)[0])


def get_compiler_version() -> str:
    """What reports of the environment show."""
    return 'none, torchvision stands in'


def get_compiling_cuda_version() -> str:
    """What reports of the environment show."""
    return 'none, torchvision stands in'


OPERATORS = (
    nms,
    roi_align_forward,
    roi_align_backward,
    sigmoid_focal_loss_forward,
    sigmoid_focal_loss_backward,
    get_compiler_version,
    get_compiling_cuda_version,
)


def _torchvision():
    import torchvision  # noqa: F401  registers its operators

    return torch.ops.torchvision


def _full(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in HALF else tensor


def _average_only(pool_mode: int) -> None:
    if pool_mode != 1:
        raise MissingOperatorError(f"RoIAlign with pool_mode='max' {WAY_OUT}.")


def _focal_loss(logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float) -> Tensor:
    from torchvision.ops import sigmoid_focal_loss

    classes = torch.arange(logits.shape[1], device=logits.device)
    loss = sigmoid_focal_loss(logits, (target[:, None] == classes).to(logits.dtype), alpha, gamma, reduction='none')
    return loss * weight[target][:, None] if weight.numel() else loss
