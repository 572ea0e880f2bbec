"""The step under wrappers that do more than backward and step: autocast, and loss scaling as float16 needs it."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper

from tests.helpers.tiny_networks import SIZES, players


class ScalingWrapper(OptimWrapper):
    """Loss scaling by hand, at the two places where `AmpOptimWrapper` has it; scales differ between players."""

    def __init__(self, scale, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale

    def backward(self, loss, **kwargs):
        (loss * self.scale).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs):
        for group in self.optimizer.param_groups:
            for parameter in group['params']:
                parameter.grad /= self.scale
        super().step(**kwargs)


def test_both_players_scale_their_own_loss(make_model, make_batch, make_wrappers):
    plain, scaled = make_model(), make_model()
    plain.train_step(make_batch(), make_wrappers(plain))
    wrappers = OptimWrapperDict(
        **{
            name: ScalingWrapper(scale, optimizer=torch.optim.SGD(getattr(scaled, name).parameters(), lr=1.0))
            for name, scale in (('segmentor', 2.0**16), ('discriminator', 2.0**10))
        }
    )
    scaled.train_step(make_batch(), wrappers)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(scaled.state_dict()[name], value, rtol=1e-10, atol=1e-12, msg=name)


@pytest.mark.parametrize(
    'method', ['AdaptSegNet', 'AdvEnt', 'EntropyMinimization', 'InstanceSelectiveWhitening', 'SelfTraining']
)
def test_bfloat16_step_is_close_to_the_fp32_one(method, make_model, make_batch, make_wrappers):
    """bfloat16 is what `--amp` means on a CPU; here its type stands once, beside the sections."""
    isw = method == 'InstanceSelectiveWhitening'
    options = {'warmup': 1, 'compare': 1} if isw else {'warmup': 0} if method == 'SelfTraining' else {}
    exact, mixed = (make_model(method, norm='sw', **options).float() for _ in range(2))
    start, parts = copy.deepcopy(exact.state_dict()), players(exact)
    wrappers = build_optim_wrapper(
        mixed,
        {
            'type': 'Bfloat16OptimWrapper',
            'constructor': 'DomainOptimWrapperConstructor',
            **{part: {'optimizer': {'type': 'SGD', 'lr': 0.1}} for part in parts},
        },
    )
    exact_wrappers = make_wrappers(exact, lr=0.1)
    for _ in range(2 if isw else 1):  # ISW compares, then whitens
        data = make_batch(**SIZES.get(method, {}))
        data = data['source'] if isw else data
        log_exact = exact.train_step(copy.deepcopy(data), exact_wrappers)
        log_mixed = mixed.train_step(data, wrappers)
    for name in {name for name in log_exact if 'loss' in name}:
        assert log_mixed[name].dtype == torch.float32
        torch.testing.assert_close(log_mixed[name], log_exact[name], rtol=0.03, atol=0.0, msg=name)
    for part in parts:
        names = [name for name, _ in exact.named_parameters() if name.startswith(part)]
        one, other = (
            torch.cat([(model.state_dict()[name] - start[name]).flatten() for name in names])
            for model in (exact, mixed)
        )
        assert torch.cosine_similarity(one, other, dim=0) > 0.99
        assert not torch.equal(one, other)
