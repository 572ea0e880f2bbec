"""Everything that a training needs, built before anything is trained: a wrong word in a config is said at once."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from sw_mmseg.running.configs import build
from sw_mmseg.running.training import quiet
from sw_mmseg.running.unknown_keys import refuse_unknown_keys

__all__ = ['build_all', 'rehearse']


def build_all(runner: Runner) -> None:
    """What mmengine builds when training begins: loops with their data, optimisers, schedules.

    Raises:
        UserError: a name or value in the config does not fit.
    """
    runner._train_loop = build('training loop', lambda: runner.build_train_loop(runner._train_loop))
    runner.optim_wrapper = build('optimiser', lambda: runner.build_optim_wrapper(runner.optim_wrapper))
    if runner.param_schedulers is not None and not (runner.auto_scale_lr or {}).get('enable'):  # which comes before
        runner.param_schedulers = build('schedules', lambda: runner.build_param_scheduler(runner.param_schedulers))
    if runner._val_loop is not None:
        runner._val_loop = build('validation', lambda: runner.build_val_loop(runner._val_loop))


def rehearse(config: Config) -> None:
    """Builds all that the training of a config needs, pretrained weights and test included, and throws it away.

    Raises:
        UserError, PretrainedError, DatasetError: what does not build.
    """
    refuse_unknown_keys(config)
    config = copy.deepcopy(config)
    config.load_from, config.resume, config.launcher = None, False, 'none'
    config.visualizer.vis_backends = []
    with tempfile.TemporaryDirectory() as folder:
        config.work_dir, config.experiment_name = folder, Path(folder).name
        with quiet(Path(folder) / 'console.log'):
            runner = build('model', lambda: Runner.from_cfg(config))
            build_all(runner)
            if config.get('test_dataloader'):
                build('test', lambda: runner.test_loop)
            runner.model.init_weights()
