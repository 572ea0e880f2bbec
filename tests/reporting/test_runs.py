"""Which checkpoint and config are those of a run, in folders that were copied, where times tell nothing."""

import os

import pytest
import torch

from sw_mmseg.reporting.runs import open_run

pytestmark = pytest.mark.usefixtures('one_thread')


def write(folder, *names):
    """Each one later than the one before."""
    for second, name in enumerate(names, 1_700_000_000):
        file = folder / name
        if name.endswith('.pth'):
            torch.save({'state_dict': {}}, file)
        else:
            file.write_text(f'name = {name!r}')
        os.utime(file, (second, second))


@pytest.mark.parametrize(
    'names',
    [
        ('config.py', 'checkpoint.pth', 'config_sourceonly.py', 'checkpoint_sourceonly.pth', 'adapt.json'),
        ('config.py', 'checkpoint.pth', 'start.pth', 'adapt.json'),
        ('config_sourceonly.py', 'checkpoint_sourceonly.pth', 'config.py', 'checkpoint.pth', 'adapt.json'),
    ],
)
def test_of_a_run_of_adapt_the_network_that_it_keeps(tmp_path, names):
    write(tmp_path, *names)
    opened = open_run(tmp_path)
    assert (opened.checkpoint.name, opened.config.name) == ('checkpoint.pth', 'config.py')


def test_of_a_training_the_one_of_the_last_iteration(tmp_path):
    write(tmp_path, 'c.py', 'iter_200.pth', 'iter_1000.pth', 'iter_300.pth')
    assert open_run(tmp_path).checkpoint.name == 'iter_1000.pth'
    (tmp_path / 'last_checkpoint').write_text('/elsewhere/iter_300.pth')
    assert open_run(tmp_path).checkpoint.name == 'iter_300.pth'
