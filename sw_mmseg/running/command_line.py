"""What commands share: the options of every command that takes a config, and how a command begins and ends."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import io
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from sw_mmseg.openmmlab import trusting
from sw_mmseg.processes import end_with_launcher
from sw_mmseg.running.errors import FULL, NO_ROOM, is_user_error, unwritable_name
from sw_mmseg.running.network_table import NetworkError, find_network, network_words
from sw_mmseg.running.option_words import OptionAction
from sw_mmseg.running.paths import PACKAGE, REPOSITORY
from sw_mmseg.whitening import NORMS

__all__ = [
    'LAUNCHERS',
    'add_common_arguments',
    'add_trust_argument',
    'command_text',
    'commands_of_here',
    'network_word',
    'run_tool',
    'seed_number',
    'size_text',
    'size_word',
    'stop_status',
]

LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that every tool of a config has."""
    parser.add_argument(
        '--work-dir',
        help='where logs and checkpoints go (default: work_dirs/NAME_OF_CONFIG; of a '
        'config that is not shipped, work_dirs/ITS_PATH)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        default={},
        metavar='KEY=VALUE',
        help='settings of the config to change, e.g. train_dataloader.batch_size=4',
    )
    parser.add_argument(
        '--norm',
        type=str.lower,
        choices=tuple(NORMS),
        metavar='NORM',
        help=f"norm at the sites of the network, in place of the config's: {', '.join(NORMS)}",
    )
    parser.add_argument(
        '--network',
        type=network_word,
        metavar='NETWORK',
        help=f"network of domain adaptation, in place of the config's: {network_words()}",
    )
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none', help='how several processes were started')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    add_trust_argument(parser)
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')


def network_word(word: str) -> str:
    """A word of `--network`, as argparse reads it."""
    try:
        return find_network(word).word
    except NetworkError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_trust_argument(parser: argparse.ArgumentParser) -> None:
    """Of every tool that reads checkpoints."""
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='read checkpoints that hold more than data, and run what stands in them',
    )


def run_tool(main: Callable[[argparse.Namespace], int | None], args: argparse.Namespace) -> int:
    """Run `main(args)`; a user's mistake becomes one line and exit status 2. Returns the exit status.

    `args` need not have `local_rank` and `traceback`: small commands have neither option.
    """
    if 'LOCAL_RANK' not in os.environ:
        os.environ['LOCAL_RANK'] = str(getattr(args, 'local_rank', 0))
    for stream in (sys.stdout, sys.stderr):  # names of files need not be UTF-8
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    if getattr(args, 'launcher', 'none') == 'pytorch':
        end_with_launcher()
    try:
        with _stopped_by_sigterm(), trusting(getattr(args, 'trust_checkpoint', False)):
            status = main(args) or 0
        sys.stdout.flush()  # at the end of the interpreter it would be too late to say that it cannot be written
        _leave_processes(status)
        return status
    except KeyboardInterrupt as stop:
        print('\nStopped.', file=sys.stderr)
        return stop_status(stop)
    except Exception as error:
        if getattr(args, 'traceback', False) or not is_user_error(error):
            raise
        text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
        if isinstance(error, OSError) and error.strerror and error.errno in NO_ROOM:
            verb = 'written' if error.errno in FULL else 'opened'  # a right to read may be lacking too
            text = f'{error.filename or "a file"} cannot be {verb}: {error.strerror}'
        if name := unwritable_name(error):
            text = f'{name} is not UTF-8, and cannot stand in a text that is written: rename it, or give a link to it'
        print(f'\nerror: {" ".join(commands_of_here(text).split())}', file=sys.stderr)
        _give_up_output()
        return 2


def _give_up_output() -> None:
    """What standard output did not take would be tried again at the end of the interpreter, with a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        with open(os.devnull, 'w') as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())


def stop_status(stop: BaseException) -> int:
    """The exit status of a command that a signal stopped: 128 and the signal, Ctrl-C's where `stop` names none."""
    return 128 + getattr(stop, 'signum', signal.SIGINT)


class _Terminated(KeyboardInterrupt):
    """A scheduler's SIGTERM, which ends a command as Ctrl-C does: what is done stays, and no file is half."""

    signum = signal.SIGTERM


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM raises inside; not in the processes that are started inside, nor in one of several, which may be waiting
    for the others where nothing can be raised."""
    owner = os.getpid()

    def stop(*_: object) -> None:
        if os.getpid() == owner:
            raise _Terminated
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    if 'RANK' in os.environ or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave_processes(status: int) -> None:
    """One of several processes ends here, when its work is done: gloo's threads may still hold Python objects, and a
    thread that asks for the interpreter while it is being taken down aborts the process."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_initialized()):
        return
    dist.destroy_process_group()
    atexit._run_exitfuncs()  # what os._exit leaves out: logs are written, workers of data loaders end
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def command_text(name: str, *words: object) -> str:
    """A command for a user to copy: of a tool where this package's tools are, as in a checkout, else of the package.
    Other projects have a tools/train.py too.

    Args:
        name: such as 'train' or 'analysis cost'.
        words: its arguments, quoted where they need it.
    """
    tool = Path('tools', *name.split()).with_suffix('.py')
    program = (
        ['python', tool.as_posix()]
        if tool.is_file() and tool.resolve() == REPOSITORY / tool
        else ['python', '-m', 'sw_mmseg', *name.split()]
    )
    return shlex.join([*program, *map(str, words)])


def commands_of_here(text: str) -> str:
    """A text in which commands are named as in a checkout, `tools/train.py`, with the names that they have here. Files
    of others, such as my/tools/train.py, keep their names."""
    return re.sub(r'(?:python )?(?<![\w/.~-])tools/((?:\w+/)?\w+)\.py\b', _command_of_here, text)


def _command_of_here(match: re.Match[str]) -> str:
    if not (PACKAGE / 'commands' / f'{match[1]}.py').is_file():
        return match[0]
    command = command_text(match[1].replace('/', ' '))
    return match[0] if command.startswith('python tools/') else command


def seed_number(text: str) -> int:
    """A seed of `--seed`: what numpy and torch both take. Raises what argparse makes a line of."""
    try:
        number = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'{text} is no whole number') from error
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f'{text} is no seed: give a whole number from 0 to {2**32 - 1}')
    return number


def size_word(text: str) -> tuple[int, int]:
    """Width and height of a word WxH, as argparse reads it: the `type` of every option of such a size."""
    match = re.fullmatch(r'([1-9]\d*)[xX]([1-9]\d*)', text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no size: give width and height, such as 1024x512")
    return int(match[1]), int(match[2])


def size_text(size: tuple[int, int]) -> str:
    """The word that `size_word` reads."""
    return f'{size[0]}x{size[1]}'
