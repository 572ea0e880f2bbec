"""Imported by configs under test: a hook that fails where the environment says so."""

import os

from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module(force=True)
class FailingHook(Hook):
    """Raises before the iteration $FAILING."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        """Only in the process that has the variable."""
        if str(runner.iter) == os.environ.get('FAILING'):
            raise ValueError('as this test wants it')
