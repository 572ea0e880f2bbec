"""Tuning with few parameters: the frozen network and a product of matrices in float64 are the oracles."""

import copy

import pytest
import timm
import torch
from torch import nn

from sw_mmseg.models import PretrainedError, TimmFeatures, merge_lora
from sw_mmseg.models.tuning import LoRALinear, ReinTokens

BLOCKS = 6  # of test_vit


@pytest.fixture(scope='module')
def init_cfg(tmp_path_factory):
    torch.manual_seed(0)
    path = str(tmp_path_factory.mktemp('weights') / 'vit.pth')
    torch.save(timm.create_model('test_vit').state_dict(), path)
    return {'type': 'ImageNetPretrained', 'checkpoint': path}


@pytest.fixture
def build(init_cfg):
    def made(tuning=None, **options):
        backbone = TimmFeatures('test_vit', tuning=tuning, init_cfg=init_cfg, **options)
        backbone.init_weights()
        return backbone.eval()

    return made


def disturb(backbone):
    """Something learnt, in every parameter that can learn."""
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.requires_grad:
                parameter.normal_(std=0.1)
    return backbone


IMAGE = torch.randn(1, 3, 64, 80, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize('tuning', ['lora', 'rein', 'frozen'])
def test_at_the_start_the_network_is_the_frozen_one_and_then_another(build, tuning):
    plain, tuned = build(), build(tuning, rank=4)
    assert all(torch.equal(*pair) for pair in zip(plain(IMAGE), tuned(IMAGE), strict=True))
    assert torch.equal(plain(IMAGE)[3], disturb(tuned)(IMAGE)[3]) == (tuning == 'frozen')


@torch.no_grad()
def test_lora_is_the_product_of_its_matrices_and_merging_changes_nothing(build):
    linear = LoRALinear(nn.Linear(5, 3).double(), 2, scale=0.5)
    linear.lora_b.normal_()
    x = torch.randn(4, 5, dtype=torch.float64)
    expected = x @ (linear.weight + 0.5 * linear.lora_b @ linear.lora_a).T + linear.bias
    torch.testing.assert_close(linear(x), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(linear.merged()(x), expected, rtol=1e-12, atol=1e-12)

    tuned = disturb(build('lora', rank=4)).double()
    before = tuned(IMAGE.double())
    assert merge_lora(tuned) == 4 * BLOCKS and merge_lora(tuned) == 0
    assert not any('lora' in name for name, _ in tuned.named_parameters())
    for one, other in zip(before, tuned(IMAGE.double()), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@torch.no_grad()
def test_tokens_by_hand():
    tokens = ReinTokens(2, 6, tokens=3, rank=2)
    tokens.of_features.weight.normal_()
    features = torch.randn(1, 4, 6)
    table = tokens.codes[1] @ tokens.words[1]
    rows = []
    for feature in features[0]:
        looks = torch.softmax(torch.stack([feature @ row / 6**0.5 for row in table]), 0)
        mixed = sum(look * tokens.of_tokens(row) for look, row in zip(looks, table, strict=True))
        rows.append(tokens.of_features(feature + mixed))
    torch.testing.assert_close(tokens(features, 1)[0], torch.stack(rows))


@pytest.mark.parametrize(('tuning', 'count'), [('lora', 4 * 4 * 64 * (4 + 2 + 5 + 5) // 4 * 6 // 4), ('frozen', 0)])
def test_gradients_only_where_something_is_learnt(build, tuning, count):
    tuned = disturb(build(tuning, rank=4))
    sum(level.square().mean() for level in tuned(IMAGE.clone().requires_grad_())).backward()
    learnt = {name for name, parameter in tuned.named_parameters() if parameter.requires_grad}
    assert {name for name, parameter in tuned.named_parameters() if parameter.grad is not None} == learnt
    assert all('lora_' in name for name in learnt)
    sizes = [4 * (layer.in_features + layer.out_features) for layer in tuned.modules() if isinstance(layer, LoRALinear)]
    assert sum(parameter.numel() for parameter in tuned.parameters() if parameter.requires_grad) == sum(sizes)
    assert bool(sizes) == bool(count)


@torch.no_grad()
@pytest.mark.parametrize('tuning', ['lora', 'rein', 'frozen'])
def test_the_checkpoint_holds_what_is_learnt_and_gives_the_network_back(build, init_cfg, tuning, tmp_path):
    tuned = disturb(build(tuning, rank=2))
    state = tuned.state_dict()
    learnt = {name for name, parameter in tuned.named_parameters() if parameter.requires_grad}
    assert state.keys() == learnt | {'frozen_sha256'}
    fresh = TimmFeatures('test_vit', tuning=tuning, rank=2, init_cfg=init_cfg).eval()  # reads the weights by itself
    fresh.load_state_dict(copy.deepcopy(state))
    assert all(torch.equal(*pair) for pair in zip(tuned(IMAGE), fresh(IMAGE), strict=True))

    path = str(tmp_path / 'other.pth')
    torch.save(timm.create_model('test_vit').state_dict(), path)
    other = TimmFeatures('test_vit', tuning=tuning, rank=2, init_cfg={**init_cfg, 'checkpoint': path})
    with pytest.raises(PretrainedError, match='was tuned on other weights than'):
        other.load_state_dict(state)


@torch.no_grad()
@pytest.mark.parametrize('tuning', ['lora', 'rein'])
def test_a_copy_shares_what_is_frozen_and_nothing_else(build, tuning):
    tuned = build(tuning, rank=2)
    before = tuned(IMAGE)[3]
    twin = copy.deepcopy(tuned)
    shared = {id(parameter) for parameter in tuned.parameters()} & {id(parameter) for parameter in twin.parameters()}
    assert shared == {id(parameter) for parameter in tuned.parameters() if not parameter.requires_grad}
    disturb(twin)
    assert torch.equal(tuned(IMAGE)[3], before) and not torch.equal(twin(IMAGE)[3], before)


def test_mistakes(init_cfg):
    for options, text in (
        ({'tuning': 'prompt'}, 'one of lora, rein, frozen'),
        ({'tuning': 'lora', 'init_cfg': None}, 'freezes the network, which needs weights'),
        ({'tuning': 'lora', 'rank': 65}, 'between 1 and 64'),
        ({'tuning': 'lora', 'model_name': 'test_resnet'}, 'test_resnet is none'),
        ({'tuning': 'lora', 'model_name': 'vit_tiny_patch16_dinov3_qkvb'}, 'without _qkvb'),
    ):
        with pytest.raises(ValueError, match=text):
            TimmFeatures(**{'model_name': 'test_vit', 'init_cfg': init_cfg, **options})
