"""One training of a study, the demo or a user's folders: quiet but for a line of progress, and resumed after a stop."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
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
from sw_mmseg.running.alone import alone_in
from sw_mmseg.running.command_line import stop_status
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.named_configs import option_words
from sw_mmseg.running.newest_checkpoint import newest_whole
from sw_mmseg.running.outputs import moved_aside

__all__ = ['STATE', 'Interrupted', 'Run', 'quiet', 'stopped', 'train']

STATE, LOG = 'demo_run.json', 'console.log'  # in a run's folder


class Interrupted(Exception):
    """A training was stopped by the signal `signum` and has left a checkpoint."""

    def __init__(self, signum: int = signal.SIGINT) -> None:
        super().__init__(signum)
        self.signum = signum


def stopped(stop: BaseException, text: str = 'the same command goes on from here') -> int:
    """Says that a command was stopped, by `Interrupted` or KeyboardInterrupt, and what comes next. Returns the exit
    status, 128 and the signal: a scheduler tells its own SIGTERM from a user's Ctrl-C by it."""
    print(f'\nStopped; {text}.', file=sys.stderr)
    return stop_status(stop)


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
        UserError: what lies in its folder is of something else, or another process trains there.
    """
    with alone_in(run.folder):
        before = _earlier_seconds(run.folder, mark, label)  # which may give the folder another name
    with alone_in(run.folder):
        return _trained(run, config, mark, label, before)


def _trained(run: Run, config: Config, mark: str, label: str, before: float) -> tuple[torch.nn.Module, float]:
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
    with quiet(run.folder / LOG):
        runner = Runner.from_cfg(config)
        runner.register_hook(ProgressHook(label))
        begin = time.monotonic()
        runner.train()
        seconds = before + time.monotonic() - begin
        # ends the loader's worker now; left to the garbage collector, it would be waited for until a timeout of 5 s
        del runner.train_loop.dataloader_iterator
    records.write_json(run.folder / STATE, {'fingerprint': mark, 'seconds': seconds})
    for hook in runner.hooks:
        if isinstance(hook, InterruptHook) and hook.signum:
            raise Interrupted(hook.signum)
    return unwrap(runner.model), seconds


def _earlier_seconds(folder: Path, mark: str, label: str) -> float:
    """What earlier calls of a run have trained in its folder; of a run that begins, 0, and its folder is marked as its
    own. Nothing in the folder is lost: what was trained under another mark is moved aside, which is said.

    Raises:
        UserError: the folder has files, and no run was begun there.
    """
    state = folder / STATE
    before = read_json(state, way_out=f'begin anew without {folder}') if state.is_file() else {}
    if before.get('fingerprint') == mark:
        return before['seconds']
    if before:
        aside = moved_aside(folder)
        text = f'{label} begins anew: settings or code have changed. Its training until now is in {aside}'
        print(f'{text}, which nothing reads: delete it when you like', flush=True)
    elif files := _foreign_files(folder):
        raise UserError(
            f'{folder} has files ({", ".join(files[:3])}{", ..." if len(files) > 3 else ""}) of a training that is not '
            'to be lost, begun by another command: move that folder, or give another one to work in'
        )
    records.write_json(state, {'fingerprint': mark, 'seconds': 0.0})
    return 0.0


def _foreign_files(folder: Path) -> list[str]:
    """What lies in a folder but for what this package logs there, and what was cut short."""
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [name for name in names if name != LOG and not name.startswith('.')]
