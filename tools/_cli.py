"""What the command-line tools share: configs with options, one clear line for a user's mistake, devices."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import difflib
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.registry import init_default_scope

# Without compiled extensions, which nothing here needs, the OpenMMLab packages say at import that this or that cannot
# work. Whoever imports this module first does not have to read it; what is said later is heard.
with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
    warnings.simplefilter('ignore')
    logging.disable(logging.WARNING)
    import sw_mmseg.plugin  # noqa: F401
    logging.disable(logging.NOTSET)

EXTRAS = {'mmdet': 'det', 'mmpretrain': 'cls'}  # package -> extra of setup.cfg that brings it
LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


class UserError(Exception):
    """A mistake the user can correct; its text says how."""


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that every tool of a config has."""
    parser.add_argument('--work-dir', help='where logs and checkpoints go (default: work_dirs/NAME_OF_CONFIG)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE',
                        help='settings of the config to change, e.g. train_dataloader.batch_size=4')
    parser.add_argument('--launcher', choices=LAUNCHERS, default='none', help='how several processes were started')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')


def run_tool(main: Callable[[argparse.Namespace], int | None], args: argparse.Namespace) -> int:
    """Run `main(args)`; a user's mistake becomes one line and exit status 2. Returns the exit status."""
    if 'LOCAL_RANK' not in os.environ:
        os.environ['LOCAL_RANK'] = str(args.local_rank)
    try:
        status = main(args) or 0
        _leave_processes(status)
        return status
    except KeyboardInterrupt:
        print('\nStopped.', file=sys.stderr)
        return 130
    except Exception as error:
        if args.traceback or not is_user_error(error):
            raise
        text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
        print(f'\nerror: {" ".join(text.split())}', file=sys.stderr)
        return 2


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


def is_user_error(error: Exception) -> bool:
    """Whether the text of an error says all there is to know."""
    from sw_mmseg.datasets import DatasetError
    from sw_mmseg.engine import NonFiniteLossError
    from sw_mmseg.models.pretrained import PretrainedError
    from sw_mmseg.stylization import PictureError
    return isinstance(error, (UserError, DatasetError, NonFiniteLossError, PictureError, PretrainedError,
                              FileNotFoundError))


def load_config(path: str, options: dict, work_dir: str | None = None, launcher: str = 'none') -> Config:
    """The config with the command line's options, work directory and launcher put in.

    Raises:
        UserError: no such file, a file that is no config, or an option no config has.
    """
    file = Path(path)
    if not file.is_file():
        near = difflib.get_close_matches(file.name, [p.name for p in Path('configs').glob('*.py')], n=3)
        raise UserError(f'no config {path}' + (f'; did you mean {" or ".join(f"configs/{n}" for n in near)}?'
                                               if near else ': give the path of a file in configs/'))
    try:
        config = Config.fromfile(path)
    except Exception as error:  # whatever executing a user's file raises
        extra = next((extra for name, extra in EXTRAS.items() if name in str(error)), None)
        if extra and isinstance(error, ImportError):
            raise UserError(f"{path}: {error}. Its networks come with: pip install '.[{extra}]'") from error
        raise UserError(f'{path} cannot be read as a config: {type(error).__name__}: {error}') from error
    check_options(config, options)
    try:
        config.merge_from_dict(options)
    except (KeyError, TypeError, IndexError, AssertionError) as error:
        raise UserError(f'--cfg-options do not fit {path}: {error}') from error
    init_default_scope(config.get('default_scope', 'mmseg'))
    config.launcher = launcher
    config.work_dir = work_dir or config.get('work_dir') or str(Path('work_dirs') / file.stem)
    return adapt_to_device(config)


def check_options(config: Config, options: dict) -> None:
    """Refuse an option whose first name the config has not: mmengine would take it and nothing would read it."""
    optional = {'auto_scale_lr', 'compile', 'experiment_name', 'find_unused_parameters', 'model_wrapper_cfg', 'sync_bn',
                'work_dir'}
    known = {*config.keys(), *optional}
    for key in options:
        first = key.split('.')[0]
        if first not in known:
            near = difflib.get_close_matches(first, known, n=3)
            raise UserError(f'--cfg-options {key}: the config has no {first!r}' +
                            (f'; did you mean {" or ".join(near)}?' if near else ''))


def adapt_to_device(config: Config) -> Config:
    """On a machine without a graphics card several processes talk through gloo and models stay on the processor."""
    if config.launcher == 'none' or torch.cuda.is_available():
        return config
    if config.launcher != 'pytorch':
        raise UserError(f'--launcher {config.launcher} needs one graphics card a process; use --launcher pytorch here')
    if not torch.distributed.is_initialized():
        missing = [name for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT') if name not in os.environ]
        if missing:
            raise UserError(f'--launcher pytorch, but no {missing[0]} in the environment: use tools/dist_train.sh')
        seconds = config.get('env_cfg', {}).get('dist_cfg', {}).get('timeout')
        torch.distributed.init_process_group('gloo', timeout=seconds and timedelta(seconds=seconds))
    wrapper = config.setdefault('model_wrapper_cfg', ConfigDict(
        type='MMDistributedDataParallel', broadcast_buffers=False,
        find_unused_parameters=config.get('find_unused_parameters', False)))
    if wrapper.get('type', '').endswith('DistributedDataParallel'):
        wrapper.device_ids = None
    return config


def build(what: str, make: Callable):
    """`make()`, where an unknown name, argument or value in the config becomes a user's mistake."""
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError, ImportError, AssertionError) as error:
        if is_user_error(error):
            raise
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise UserError(f'the config does not build ({what}): {type(error).__name__}: {text}') from error


def processors() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def picture_size(text: str) -> tuple[int, int]:
    """Width and height of `--size WxH`; raises UserError for anything else."""
    try:
        width, height = (int(side) for side in text.split('x'))
    except ValueError as error:
        raise UserError(f'--size {text}: give WxH, such as 256x128') from error
    return width, height


def unlabelled_images(config: Config, folder: str) -> dict:
    """A data set of every image in a folder and below, prepared as the config prepares its test images."""
    pipeline = [t for t in config.test_dataloader.dataset.pipeline if not reads_labels(t)]
    return {'type': 'UnlabelledImages', 'data_root': str(folder), 'pipeline': pipeline}


def labelled_images(config: Config) -> dict:
    """The labelled data set of a config's training, by position: its augmentation follows from a seed as well."""
    dataset = config.train_dataloader.dataset
    source = dataset.get('source', dataset)
    return source if source['type'] == 'Positioned' else {'type': 'Positioned', 'dataset': source}


def reads_labels(transform: dict) -> bool:
    """Whether a step of a pipeline is about labels."""
    return 'Label' in str(transform['type']) or 'Annotation' in str(transform['type'])
