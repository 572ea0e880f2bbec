"""A training that goes on with another number of processes: where nothing is drawn at random and a step has the same
images, it takes the steps of the undisturbed run, but for rounding; and it says what differs."""

import pytest

from tests.helpers.weights import weights

pytestmark = [pytest.mark.robustness, pytest.mark.usefixtures('one_thread', 'short_trainings')]
WORDS = ['--check-data', 'none', '--cfg-options', 'train_cfg.max_iters=9', 'train_cfg.val_interval=9']
KEPT = ['default_hooks.checkpoint.interval=3', 'default_hooks.checkpoint.max_keep_ckpts=3']


@pytest.fixture
def trained(tiny_scenes, start, tmp_path):
    """`trained(2, ...)` -> the folder of two processes, which take nine steps of four images, and what they said."""

    def train(count, *words):
        folder = tmp_path / f'by_{count}'
        config = tiny_scenes('sw_pspnet', 4 // count)
        process = start('tools/dist_train.sh', config, count, '--work-dir', folder, *words, *WORDS, *KEPT)
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said[-3000:]
        return folder, said

    return train


def moved_by(one, other):
    """The largest distance between two weights of a network, in parts of the largest weight."""
    return max(float((one[key] - other[key]).abs().max() / (1 + one[key].abs().max())) for key in one)


def test_three_numbers_in_turn_take_the_steps_of_one(trained):
    whole, _ = trained(1)
    two, _ = trained(2, '--resume', whole / 'iter_3.pth')
    four, said = trained(4, '--resume', two / 'iter_6.pth')
    assert 'Goes on with 4 processes from a checkpoint that 2 wrote' in said
    assert 'A step takes 4 x 1 images' in said and said.count('Goes on with') == 1
    expected, ours = (weights(folder / 'iter_9.pth') for folder in (whole, four))
    early = weights(whole / 'iter_6.pth')[0]
    assert expected[0].keys() == ours[0].keys() and len(expected[0]) > 100
    assert moved_by(expected[0], ours[0]) < 1e-3 < moved_by(expected[0], early)  # three steps are more than rounding
    for one, other in zip(expected[1]['state'].values(), ours[1]['state'].values(), strict=True):
        momentum = one['momentum_buffer']
        assert (other['momentum_buffer'] - momentum).norm() <= 0.02 * momentum.norm() + 1e-3
