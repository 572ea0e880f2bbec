"""A step of a layer judged by the oracle: every output and gradient with the tolerance that its computation earns.

In floating point with unit roundoff u, a result is right if its error is at most

    TOLERANCE · scale  +  MEANS · u · what a mean's own rounding costs

where `scale` is the largest value of the same image and channel (output), or the sum of the magnitudes that a gradient
adds up. The second term is there because a mean m standard deviations from zero is held to u · m standard deviations,
in the input already; a constant channel has its exact mean, and no such term.
"""

import torch

from .oracle import Options, switch_whiten

TOLERANCE = {torch.float64: 1e-8, torch.float32: 2e-5}
MEANS = 8
NAMES = ('output', 'input', 'weight', 'bias', 'mean_logits', 'cov_logits')


def parameters_of(layer):
    """γ, β and both logits in fp64; ones and zeros without affine."""
    c = layer.num_features
    weight = torch.ones(c) if layer.weight is None else layer.weight
    bias = torch.zeros(c) if layer.bias is None else layer.bias
    return [p.detach().double().requires_grad_() for p in (weight, bias, layer.mean_logits, layer.cov_logits)]


def running_of(layer):
    """What evaluation takes for the batch moments; None where it takes those of its batch, or needs none."""
    if layer.running_mean is None:
        return None
    return layer.running_mean.double().clone(), layer.running_cov.double().clone()


def step(layer, x, dy):
    """Output and gradients of a layer, by the names in NAMES; None for what is not there."""
    layer.zero_grad()
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(x)
    y.backward(dy.to(y.dtype))
    learned = [None if p is None else p.grad for p in (layer.weight, layer.bias, layer.mean_logits, layer.cov_logits)]
    return dict(zip(NAMES, [y.detach(), x.grad, *learned]))


def judgement(layer, x, dy, running=None):
    """Name -> (exact value, allowed error), both in fp64; and the blocks that the oracle went through."""
    options = Options(layer.statistics, layer.group_size, layer.eps, layer.inverse_sqrt, layer.iterations)
    n, c = x.shape[:2]
    flat, dy = x.detach().double().reshape(n, c, -1).requires_grad_(), dy.double().reshape(n, c, -1)
    learned = parameters_of(layer)
    y, blocks = switch_whiten(flat, *learned, options, running)
    for block in blocks:
        block.mean.retain_grad(), block.cov.retain_grad()
    y.backward(dy)
    exact = dict(zip(NAMES, [y.detach().view(x.shape), flat.grad.view(x.shape), *[p.grad for p in learned]]))
    if layer.tie_weights:
        exact['mean_logits'] = exact['cov_logits'] = exact['mean_logits'] + exact['cov_logits']
    allowed = allowances(layer, flat.detach(), dy, y.detach(), learned, blocks)
    if layer.tie_weights:  # autograd rounds both before it adds them
        limits, size = torch.finfo(layer.mean_logits.dtype), learned[2].grad.abs() + learned[3].grad.abs()
        rounded = torch.where(size < limits.max, limits.eps * size, torch.inf)
        allowed['mean_logits'] = allowed['cov_logits'] = allowed['mean_logits'] + allowed['cov_logits'] + rounded
    return {name: (exact[name], allowed[name].reshape(exact[name].shape)) for name in NAMES}, blocks


@torch.no_grad()
def allowances(layer, x, dy, y, learned, blocks):
    dtype = torch.promote_types(layer.mean_logits.dtype, torch.float32)
    unit, tolerance = MEANS * torch.finfo(dtype).eps, TOLERANCE[dtype]
    oracles = 64 * torch.finfo(torch.float64).eps  # the oracle's own rounding
    allowed = {name: torch.zeros_like(value) for name, value in zip(NAMES, [y, x, *learned])}
    ratios = [logits.softmax(0) for logits in learned[2:]]
    varied = (x.amax((0, 2)) > x.amin((0, 2))).double()
    for block in blocks:
        at, matrix = (block.image, block.rows), block.matrix.abs()
        size = x[at].abs().amax(1) * (unit * varied[block.rows] + oracles)
        if 'ln' in layer.statistics:  # whose mean is of all channels
            size = size + unit * varied.max() * x[block.image].mean().abs()
        far = (matrix * size).sum(1)
        largest = torch.maximum(y[at].abs().amax(1), matrix @ (x[at] - block.mean[:, None]).abs().amax(1))
        allowed['output'][at] += (tolerance * largest + far)[:, None]
        deviation = torch.stack([(x[at] - mean[:, None]).abs().amax(1) for mean in block.means]).amax(0)
        through_cov = 2 * block.cov.grad.abs() @ deviation / x.shape[2]
        steepest = matrix.T @ dy[at].abs().amax(1) + through_cov
        allowed['input'][:, block.rows] = torch.maximum(
            allowed['input'][:, block.rows], ((tolerance + far.max()) * steepest)[:, None]
        )
        strength, slope = dy[at].abs().sum(1), block.mean.grad.abs()
        scaled = learned[0][block.rows].abs().clamp_min(1e-30)
        allowed['weight'][block.rows] += strength * (tolerance * largest + far) / scaled
        allowed['bias'][block.rows] += tolerance * strength
        for index in range(len(ratios[0])):
            distance = (block.means[index] - block.mean).abs()
            held = oracles * (block.means[index].abs() + block.mean.abs())
            allowed['mean_logits'][index] += ratios[0][index] * (slope * (tolerance * distance + size + held)).sum()
            spread = block.covs[index].abs() + block.cov.abs()
            part = (block.cov.grad.abs() * spread).sum() * (tolerance + far.max())
            allowed['cov_logits'][index] += ratios[1][index] * part
    if 'ln' in layer.statistics:  # by which all channels of an image meet
        allowed['input'] = allowed['input'].amax(1, keepdim=True).expand_as(x)
    return allowed


def excess(results, judged):
    """Name -> the largest error by the allowed one, of what is there."""
    excesses = {}
    for name, (exact, allowed) in judged.items():
        if results[name] is not None and exact.numel():
            error = torch.where(allowed.isinf(), 0, (results[name].double() - exact).abs())
            excesses[name] = (error / allowed.clamp_min(1e-36)).max().item()
    return excesses
