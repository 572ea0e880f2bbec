"""A long training takes no more memory, descriptors, threads and time a step at its end than near its beginning.

`SW_MMSEG_ITERATIONS` says how long (2,000).
"""

import gc
import os
import statistics
import threading
import time

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

import sw_mmseg.plugin  # noqa: F401
from tests.robustness.trainings import adaptsegnet, cbst, dacs, source_only

pytestmark = [pytest.mark.robustness, pytest.mark.usefixtures('one_thread', 'short_trainings')]
ITERATIONS = int(os.environ.get('SW_MMSEG_ITERATIONS', '2000'))
MIB = 1 << 20


def demo(streets, **_):
    """The network and the method of `make demo`; its two rounds begin after a tenth and after half of the run."""
    lengths = f'model = dict(warmup={ITERATIONS // 10}, round_length={ITERATIONS * 2 // 5})'
    return cbst(streets).replace('model = dict(warmup=3, round_length=3)', lengths)


class Looking(Hook):
    """Notes at twenty moments what this process holds, and the processor time of every iteration."""

    priority = 'LOWEST'

    def __init__(self):
        self.seen, self.seconds, self.begun = [], [], 0.0

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.begun = time.process_time()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        """Resident memory in MiB, open descriptors, threads."""
        self.seconds.append(time.process_time() - self.begun)
        if (runner.iter + 1) % max(1, ITERATIONS // 20) == 0:
            gc.collect()
            with open('/proc/self/statm') as file:
                pages = int(file.read().split()[1])
            memory = pages * os.sysconf('SC_PAGE_SIZE') / MIB
            self.seen.append((memory, len(os.listdir('/proc/self/fd')), threading.active_count()))


@pytest.mark.skipif(not os.path.isdir('/proc/self/fd'), reason='descriptors are counted in /proc')
@pytest.mark.parametrize('kind', [adaptsegnet, source_only, dacs, demo])
def test_nothing_grows(kind, tiny_config, streets, tmp_path):
    name, path = kind.__name__, tmp_path / 'config.py'
    path.write_text(kind(tiny_config=tiny_config, streets=streets))
    config = Config.fromfile(path)
    config.work_dir, config.experiment_name = str(tmp_path / 'run'), f'long {name}'
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
    # a fifth of the run is a window; the first one and CBST's warm-up on the source alone are left out
    window = ITERATIONS // 5
    times = [statistics.median(look.seconds[start : start + window]) for start in range(0, ITERATIONS, window)]
    assert max(times[3:]) < 1.25 * statistics.median(times[1:3]), times
