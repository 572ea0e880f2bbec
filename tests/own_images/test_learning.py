"""Of which checkpoints tools/adapt.py tells whether a network was still learning when its training ended."""

import argparse
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from sw_mmseg.own_images import learning
from sw_mmseg.own_images.config import use_length
from sw_mmseg.own_images.learning import earlier_and_last
from sw_mmseg.own_images.plan import config_file


@pytest.mark.parametrize('length', [8, 9, 11, 300, 301, 302, 303, 1001])
def test_the_last_quarter_is_a_quarter_whatever_the_length(length):
    """By mmengine's rule: a checkpoint at every interval and at the end, of which the last two stay."""
    config = Config.fromfile(config_file('narrow', 'adaptsegnet'))
    use_length(config, length)
    settings = config.default_hooks.checkpoint
    saved = [n for n in range(1, length + 1) if n % settings.interval == 0 or n == length]
    kept = {Path(f'iter_{n}.pth'): n for n in saved[-settings.max_keep_ckpts :]}
    earlier, last = earlier_and_last(kept, length)
    assert last == Path(f'iter_{length}.pth')
    assert abs(length - kept[earlier] - length / 4) <= 3 and (
        length < 300 or abs(1 - 4 * kept[earlier] / 3 / length) < 0.01
    )


def test_other_checkpoints_are_not_taken_for_the_one_a_quarter_before():
    """Of interrupts, near the start and near the end, and where options asked for other checkpoints."""
    names = {n: Path(f'iter_{n}.pth') for n in (20, 225, 298, 300)}
    assert earlier_and_last({file: n for n, file in names.items()}, 300) == (names[225], names[300])
    assert earlier_and_last({names[298]: 298, names[300]: 300}, 300) == (None, names[300])
    assert earlier_and_last({names[20]: 20}, 300) == (None, None)


@pytest.mark.parametrize('treated, rise', [(False, 20.0), (True, 10.0)])
def test_a_network_is_compared_as_it_was_trained(tmp_path, monkeypatch, treated, rise):
    """Scores are the weight itself: 30 after six of eight iterations, 40 at the end, 50 with what was done since."""
    model = torch.nn.Linear(1, 1, bias=False)
    for number, weight in ((6, 30.0), (8, 40.0)):
        torch.save({'state_dict': {'weight': torch.tensor([[weight]])}}, tmp_path / f'iter_{number}.pth')
    examiner = argparse.Namespace(config=Config({'train_cfg': {'max_iters': 8}}), iou=lambda m, _: [m.weight.item()])
    model.load_state_dict({'weight': torch.tensor([[50.0]])})
    monkeypatch.setattr(learning, 'LOW', 0.0)
    args = argparse.Namespace(budget=None, iterations=8)
    (note,) = learning.learning_notes(examiner, model, tmp_path, [50.0], treated, args)
    assert f'{rise:.1f} points of source mIoU' in note and model.weight.item() == 50.0
