"""Several processes, started by the scripts that users start: against one process on the joined batch, an uneven
evaluation, a process that is killed, and going on with another number of them. Scene parsing and the two players."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from tests.helpers.launched import alive, unused_port, wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
METHODS = ['sw_pspnet', 'sw_adaptsegnet']
NO_CHECK = ('--check-data', 'none')

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def recorded(tiny_scenes, tiny_config, tmp_path_factory):
    """`recorded('sw_pspnet', 2)` -> a config with that batch size a process, and the hook that records."""
    folder = tmp_path_factory.mktemp('recorded')

    def write(name, batch_size):
        path = folder / f'{name}_{batch_size}.py'
        lines = [
            f"_base_ = '{tiny_scenes(name) if 'pspnet' in name else tiny_config(name)}'",
            "custom_imports = dict(imports=['sw_mmseg.plugin', 'tests.helpers.rank_record'],",
            '                      allow_failed_imports=False)',
            "custom_hooks = [dict(type='RankRecordHook')]",
            f'train_dataloader = dict(batch_size={batch_size})',
            'train_cfg = dict(max_iters=3, val_interval=3)',
            'default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=3))',
        ]
        if 'adapt' in name:  # the mean over all pixels, labelled or not: only this is the mean of processes' means
            lines.append("model = dict(segmentor=dict(decode_head=dict(loss_decode=dict(type='CrossEntropyLoss'))))")
        path.write_text('\n'.join(lines))
        return str(path)

    return write


@pytest.fixture(scope='module')
def trained(recorded, start, alone, tmp_path_factory):
    """`trained('sw_pspnet')` -> folders of two processes' training and of one's on the joined batch; made once.

    The two of scene parsing share a machine; the two of adaptation pretend to be on two.
    """
    made = {}

    def train(name):
        if name not in made:
            two, one = (tmp_path_factory.mktemp(f'{name}_{count}') for count in ('two', 'one'))
            config, options = recorded(name, 1), ['--work-dir', two, *NO_CHECK]
            if 'pspnet' in name:
                launched = [start('tools/dist_train.sh', config, 2, *options)]
            else:
                port = unused_port()
                launched = [
                    start(
                        'tools/dist_train.sh',
                        config,
                        1,
                        *options,
                        port=port,
                        NNODES='2',
                        NODE_RANK=rank,
                        MASTER_ADDR='127.0.0.1',
                    )
                    for rank in '01'
                ]
            assert alone('train', recorded(name, 2), '--work-dir', one, *NO_CHECK) == 0
            for process in launched:
                output, _ = process.communicate(timeout=240)
                assert process.returncode == 0, output[-3000:]
            made[name] = two, one
        return made[name]

    return train


@pytest.mark.parametrize('name', [pytest.param(METHODS[0], marks=pytest.mark.slow), METHODS[1]])
def test_two_processes_train_as_one_on_the_joined_batch(name, trained):
    two, one = trained(name)
    first, second = (torch.load(two / f'rank_{rank}.pth') for rank in range(2))
    expected = torch.load(one / 'rank_0.pth')
    assert first['state'].keys() == second['state'].keys() == expected['state'].keys()
    for key, value in expected['state'].items():
        assert torch.equal(first['state'][key], second['state'][key]), key  # statistics too: all are synchronised
        torch.testing.assert_close(first['state'][key], value, rtol=1e-3, atol=1e-3, msg=key)
    assert len(first['losses']) == len(expected['losses']) == 3
    for a, b, both in zip(first['pictures'], second['pictures'], expected['pictures']):
        assert sorted(a + b) == sorted(both) and a != b
    for a, b, both in zip(first['losses'], second['losses'], expected['losses']):
        assert a.keys() == b.keys() == both.keys() and len(both) == 3
        for key, value in both.items():
            assert (a[key] + b[key]) / 2 == pytest.approx(value, rel=1e-4), key


@pytest.mark.slow
def test_an_evaluation_that_does_not_divide_evenly_counts_each_picture_once(recorded, trained, start, alone, tmp_path):
    """Three pictures, two processes: one of them gets a picture twice to fill up."""
    checkpoint = trained('sw_pspnet')[0] / 'iter_3.pth'
    config, two, one = recorded('sw_pspnet', 1), tmp_path / 'two', tmp_path / 'one'
    pair = start('tools/dist_test.sh', config, checkpoint, 2, '--work-dir', two, '--out', two / 'labels')
    assert alone('test', config, checkpoint, '--work-dir', one, '--out', one / 'labels') == 0
    output, _ = pair.communicate(timeout=240)
    assert pair.returncode == 0, output[-3000:]
    metrics = [json.loads((folder / 'iter_3_metrics.json').read_text()) for folder in (one, two)]
    assert metrics[0] == metrics[1] and metrics[0]['aAcc'] > 0
    written = [
        sorted(path.relative_to(folder / 'labels') for path in (folder / 'labels').rglob('*.png'))
        for folder in (one, two)
    ]
    assert written[0] == written[1] and len(written[0]) == 3
    assert all((one / 'labels' / name).read_bytes() == (two / 'labels' / name).read_bytes() for name in written[0])


@pytest.mark.slow
@pytest.mark.parametrize('name', METHODS)
def test_a_killed_process_ends_the_run_and_another_number_goes_on(name, recorded, trained, start, alone, tmp_path):
    """Two go on from what one process saved; one of them is killed; one process goes on from what they had saved."""
    saved = trained(name)[1] / 'iter_3.pth'
    endless = ['train_cfg.max_iters=100000', 'train_cfg.val_interval=100000']
    pair = start(
        'tools/dist_train.sh',
        recorded(name, 1),
        2,
        '--work-dir',
        tmp_path,
        *NO_CHECK,
        '--resume',
        saved,
        '--cfg-options',
        *endless,
    )
    os.kill(wait_for(tmp_path, 1, 6, pair), signal.SIGKILL)
    killed = time.monotonic()
    output, _ = pair.communicate(timeout=120)
    assert time.monotonic() - killed < 90 and pair.returncode != 0
    assert 'process 0 of 2 lost another one at iteration' in output and 'the same command with --resume' in output
    assert 'Signal 9 (SIGKILL)' in output
    assert 'Goes on with 2 processes from a checkpoint that 1 wrote' in output
    assert 'A step takes 2 x 1 images' in output
    last = Path((tmp_path / 'last_checkpoint').read_text())
    iterations = int(last.stem.removeprefix('iter_'))
    assert iterations >= 5
    assert (
        alone(
            'train',
            recorded(name, 2),
            '--work-dir',
            tmp_path,
            *NO_CHECK,
            '--resume',
            '--cfg-options',
            f'train_cfg.max_iters={iterations + 1}',
            f'train_cfg.val_interval={iterations + 1}',
        )
        == 0
    )
    assert len(torch.load(tmp_path / 'rank_0.pth')['losses']) == 1  # it went on, and did not begin anew
    before, after = (
        torch.load(path, weights_only=False)['state_dict'] for path in (last, tmp_path / f'iter_{iterations + 1}.pth')
    )
    before = {key.replace('.module.', '.'): value for key, value in before.items()}
    assert before.keys() == after.keys()
    moved = [(before[key] - after[key]).abs().max() for key in after if key.endswith('.weight')]
    assert 0 < max(moved) < 0.1  # a step away


@pytest.mark.slow
def test_processes_save_and_end_when_their_launcher_is_killed(recorded, start, tmp_path):
    endless = ['--cfg-options', 'train_cfg.max_iters=100000', 'train_cfg.val_interval=100000']
    endless.append('default_hooks.checkpoint.interval=100000')
    launcher = start('tools/dist_train.sh', recorded('sw_pspnet', 1), 2, '--work-dir', tmp_path, *NO_CHECK, *endless)
    ranks = [wait_for(tmp_path, rank, 3, launcher) for rank in range(2)]
    launcher.kill()
    end = time.monotonic() + 45  # less than the minute after which they would be killed
    while any(map(alive, ranks)):
        assert time.monotonic() < end, 'processes are left'
        time.sleep(0.1)
    assert Path((tmp_path / 'last_checkpoint').read_text()).is_file()


@pytest.mark.slow
def test_shards_train_as_one_and_leave_a_checkpoint_for_everyone(recorded, trained, start, alone, tmp_path, capsys):
    """FSDP: two processes with half the parameters each, against one on the joined batch; then one goes on."""
    expected = torch.load(trained('sw_pspnet')[1] / 'rank_0.pth')
    pair = start('tools/dist_train.sh', recorded('sw_pspnet', 1), 2, '--work-dir', tmp_path, *NO_CHECK, '--fsdp')
    output, _ = pair.communicate(timeout=240)
    assert pair.returncode == 0, output[-3000:]
    first, second = (torch.load(tmp_path / f'rank_{rank}.pth') for rank in range(2))
    for step in range(3):
        for key, value in expected['losses'][step].items():
            mean = (first['losses'][step][key] + second['losses'][step][key]) / 2
            assert mean == pytest.approx(value, rel=1e-4), (step, key)
    saved = torch.load(tmp_path / 'iter_3.pth', weights_only=False)
    plain = torch.load(trained('sw_pspnet')[1] / 'iter_3.pth', weights_only=False)
    assert saved['state_dict'].keys() == plain['state_dict'].keys() == first['state'].keys()
    for key, value in plain['state_dict'].items():
        assert type(saved['state_dict'][key]) is torch.Tensor
        torch.testing.assert_close(saved['state_dict'][key], value, rtol=1e-3, atol=1e-3, msg=key)
    momenta = [
        [state['momentum_buffer'] for state in checkpoint['optimizer']['state'].values()]
        for checkpoint in (saved, plain)
    ]
    assert len(momenta[0]) == len(momenta[1]) > 100
    for ours, other in zip(*momenta):
        # as a whole: a momentum near zero is what rounding leaves of it, and that differs between processors
        assert (ours - other).norm() <= 0.02 * other.norm() + 1e-3
    assert alone('train', recorded('sw_pspnet', 1), '--work-dir', tmp_path, *NO_CHECK, '--fsdp') == 2
    assert 'sharding needs several processes' in capsys.readouterr().err


@pytest.mark.slow
def test_shards_go_on_as_one_does(recorded, trained, start, alone, tmp_path):
    """From one process's checkpoint, momentum and all: two with shards and one without take the same next step."""
    words = [
        *NO_CHECK,
        '--resume',
        trained('sw_pspnet')[1] / 'iter_3.pth',
        '--cfg-options',
        'train_cfg.max_iters=4',
        'train_cfg.val_interval=4',
    ]
    assert alone('train', recorded('sw_pspnet', 2), '--work-dir', tmp_path / 'one', *words) == 0
    pair = start('tools/dist_train.sh', recorded('sw_pspnet', 1), 2, '--work-dir', tmp_path / 'two', '--fsdp', *words)
    output, _ = pair.communicate(timeout=240)
    assert pair.returncode == 0, output[-3000:]
    one, two = (torch.load(tmp_path / name / 'iter_4.pth', weights_only=False)['state_dict'] for name in ('one', 'two'))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-3, atol=1e-3, msg=key)
