"""One step of a layer, and two steps compared."""

import torch

CLOSE = dict(rtol=1e-4, atol=1e-5)


def step(layer, x, grad):
    """Output, gradients and buffers after one step."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(x)
    y.backward(grad)
    return [y.detach(), x.grad, *[p.grad for p in layer.parameters()], *[b.clone() for b in layer.buffers()]]


def assert_equal(ours, expected, **tolerance):
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, **tolerance)
