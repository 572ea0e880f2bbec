"""One training of a study, the demo or a user's folders: quiet but for a line of progress, and resumed after a stop."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from sw_mmseg.engine import InterruptHook, ProgressHook
from sw_mmseg.files import read_json
from sw_mmseg.models.wrappers import unwrap
from sw_mmseg.running import records
from sw_mmseg.running.named_configs import option_words
from sw_mmseg.running.newest_checkpoint import newest_whole

__all__ = ['Interrupted', 'Run', 'quiet', 'train']


class Interrupted(Exception):
    """A training was stopped by a signal and has left a checkpoint."""


@dataclass(frozen=True)
class Run:
    """One training of the demo."""

    network: str  # 'sw': the config's first word
    treatment: str
    seed: int
    config: str
    options: dict
    folder: Path
    norm: str | None = None  # in place of the config's
    other_network: str | None = None  # in place of the config's

    @property
    def label(self) -> str:
        """'SW adversarial'."""
        return f'{self.network.upper()} {self.treatment}'

    def command(self) -> str:
        """What trains the same from the command line."""
        return (
            f'python tools/train.py {shlex.quote(str(self.config))}{self.choices()} --work-dir '
            f'{shlex.quote(str(self.folder))} --seed {self.seed}{self.settings()}'
        )

    def choices(self) -> str:
        """`--network NETWORK --norm NORM` as words of a command line, a space before each; without what is the
        config's."""
        return option_words(self.other_network, self.norm)

    def settings(self) -> str:
        """The options as words of a command line, a space before them; nothing where there are none."""
        words = (shlex.quote(f'{key}={value}') for key, value in self.options.items())
        return ' '.join([' --cfg-options', *words]) if self.options else ''


@contextlib.contextmanager
def quiet(file: Path):
    """What libraries print goes to a file; the progress line goes to standard error as before."""
    file.parent.mkdir(parents=True, exist_ok=True)
    stream = file.open('a')  # not closed here: loggers made inside keep writing to it
    with contextlib.redirect_stdout(stream):
        yield
    stream.flush()


def train(run: Run, config: Config, mark: str, label: str) -> tuple[torch.nn.Module, float]:
    """Train, or go on from where an earlier call of the same run was stopped.

    Returns:
        The network and the seconds its training took, all calls together.

    Raises:
        Interrupted: a signal stopped it.
    """
    state = run.folder / 'demo_run.json'
    before = read_json(state, way_out=f'begin anew without {run.folder}') if state.is_file() else {}
    if before.get('fingerprint') != mark:
        shutil.rmtree(run.folder, ignore_errors=True)
        before = {'fingerprint': mark, 'seconds': 0.0}
        records.write_json(state, before)
    config = config.copy()
    newest, faults = newest_whole(run.folder)
    for fault in faults:
        print(f'{label}: {fault}', flush=True)
    config.resume = newest is not None
    if newest is not None:
        config.load_from = str(newest)  # else what the config starts from, if anything
    config.launcher, config.experiment_name = 'none', run.folder.name
    for loader in filter(None, (config.train_dataloader, config.get('val_dataloader'))):
        loader.persistent_workers = False
    with quiet(run.folder / 'console.log'):
        runner = Runner.from_cfg(config)
        runner.register_hook(ProgressHook(label))
        begin = time.monotonic()
        runner.train()
        seconds = before['seconds'] + time.monotonic() - begin
        # ends the loader's worker now; left to the garbage collector, it would be waited for until a timeout of 5 s
        del runner.train_loop.dataloader_iterator
    records.write_json(state, {'fingerprint': mark, 'seconds': seconds})
    if any(hook.signum for hook in runner.hooks if isinstance(hook, InterruptHook)):
        raise Interrupted
    return unwrap(runner.model), seconds
