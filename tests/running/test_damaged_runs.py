"""A run of the demo, a study or a user's folders whose checkpoints are damaged: it goes on from one that is whole, or
begins anew, and ends as it would have ended."""

import pytest
import torch
from mmengine.config import Config

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.running.training import Run, train
from tests.helpers.fixtures import forget_runs
from tests.helpers.weights import equal, weights

pytestmark = pytest.mark.usefixtures('one_thread', 'short_trainings')


def test_a_run_goes_on_whatever_became_of_its_checkpoints(tiny_config, tmp_path, capsys):
    config = Config.fromfile(tiny_config('bn_sourceonly'))
    config.train_cfg.update(max_iters=3, val_interval=10)
    config.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=2)
    run = Run('bn', 'source only', 0, 'bn_sourceonly', {}, tmp_path / 'run')

    def trained():
        forget_runs()
        torch.manual_seed(1)
        config.work_dir, config.randomness = str(run.folder), dict(seed=3)
        train(run, config, 'mark', 'BN')
        return weights(run.folder / 'iter_3.pth')

    whole = trained()
    newest = run.folder / 'iter_3.pth'
    newest.write_bytes(newest.read_bytes()[:-1000])
    capsys.readouterr()
    assert equal(trained(), whole)
    said = capsys.readouterr().out
    assert f'BN: {newest} is cut short' in said and 'iter_2.pth' not in said
    for file in run.folder.glob('iter_*.pth'):
        file.write_bytes(b'')
    (run.folder / 'last_checkpoint').write_text('nowhere')
    assert equal(trained(), whole)
    assert capsys.readouterr().out.count('is empty') == 2
