"""A long training takes no more memory, descriptors and threads at its end than near its beginning.

`SW_MMSEG_ITERATIONS` says how long (2,000).
"""

import gc
import os
import threading

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

import sw_mmseg.plugin  # noqa: F401

pytestmark = [pytest.mark.robustness, pytest.mark.usefixtures('one_thread', 'short_trainings')]
ITERATIONS = int(os.environ.get('SW_MMSEG_ITERATIONS', '2000'))
MIB = 1 << 20


class Looking(Hook):
    """Notes at twenty moments what this process holds."""

    priority = 'LOWEST'

    def __init__(self):
        self.seen = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        """Resident memory in MiB, open descriptors, threads."""
        if (runner.iter + 1) % max(1, ITERATIONS // 20) == 0:
            gc.collect()
            with open('/proc/self/statm') as file:
                pages = int(file.read().split()[1])
            memory = pages * os.sysconf('SC_PAGE_SIZE') / MIB
            self.seen.append((memory, len(os.listdir('/proc/self/fd')), threading.active_count()))


@pytest.mark.skipif(not os.path.isdir('/proc/self/fd'), reason='descriptors are counted in /proc')
@pytest.mark.parametrize('name', ['sw_adaptsegnet', 'bn_sourceonly'])
def test_nothing_grows(name, tiny_config, tmp_path):
    config = Config.fromfile(tiny_config(name))
    config.work_dir, config.experiment_name = str(tmp_path), f'long {name}'
    config.train_cfg.update(max_iters=ITERATIONS, val_interval=max(1, ITERATIONS // 10))
    config.default_hooks.checkpoint.update(interval=max(1, ITERATIONS // 10), max_keep_ckpts=1)
    config.train_dataloader.update(num_workers=1, persistent_workers=True)
    runner, look = Runner.from_cfg(config), Looking()
    runner.register_hook(look)
    runner.train()
    del runner.train_loop.dataloader_iterator  # ends its worker now, and not in the next test
    memory, descriptors, threads = zip(*look.seen[5:])  # by then all has been done once, validation too
    assert len(memory) >= 10
    assert max(memory[len(memory) // 2 :]) - max(memory[: len(memory) // 2]) < 20, memory
    assert descriptors[-1] <= descriptors[0] and threads[-1] <= threads[0], (descriptors, threads)
