"""Configs with the command line's options in them; what does not fit becomes one clear line."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope

from sw_mmseg.running.config_nodes import config_dicts
from sw_mmseg.running.devices import adapt_to_device
from sw_mmseg.running.errors import FULL, UserError, is_user_error
from sw_mmseg.running.named_configs import find_named, nearest, with_network, with_norm
from sw_mmseg.running.paths import default_work_dir
from sw_mmseg.running.unknown_keys import refuse_unknown_keys

__all__ = [
    'build',
    'check_options',
    'find_config',
    'load_config',
    'require_test_data',
    'settle_workers',
    'without_weights',
]

LONGEST = 500  # letters of an error
EXTRAS = {'mmdet': 'det', 'mmpretrain': 'cls'}  # package -> extra of setup.cfg that brings it


def load_config(
    path: str,
    options: dict,
    work_dir: str | None = None,
    launcher: str = 'none',
    norm: str | None = None,
    network: str | None = None,
) -> Config:
    """The config with the command line's network, norm, options, work directory and launcher put in.

    Raises:
        UserError: no such file, a file that is no config, an option that nothing reads, or no such norm or network or
            place for it.
    """
    file = find_config(path)
    try:
        config = Config.fromfile(file)
    except Exception as error:  # whatever executing a user's file raises
        if isinstance(error, OSError) and error.errno in FULL:
            raise  # the copy that mmengine makes in the folder of temporary files
        extra = next((extra for name, extra in EXTRAS.items() if name in str(error)), None)
        if extra and isinstance(error, ImportError):
            raise UserError(f"{path}: {error}. Its networks come with: pip install '.[{extra}]'") from error
        raise UserError(f'{path} cannot be read as a config: {type(error).__name__}: {error}') from error
    if network is not None:
        config = with_network(config, network)
    if norm is not None:
        config = with_norm(config, norm)
    check_options(config, options)
    try:
        config.merge_from_dict(options)
    except (KeyError, TypeError, IndexError, AssertionError) as error:
        raise UserError(f'--cfg-options do not fit {path}: {error}') from error
    init_default_scope(config.get('default_scope', 'mmseg'))
    if options:
        refuse_unknown_keys(config)
    settle_workers(config)
    config.launcher = launcher
    config.work_dir = work_dir or config.get('work_dir') or str(default_work_dir(Path(config.filename)))
    return adapt_to_device(config)


def require_test_data(config: Config, path: str) -> None:
    """Raises UserError, which names the config's `path`, where it has no test data, which predictions need."""
    if not config.get('test_dataloader'):
        raise UserError(
            f'{path} has no test_dataloader, which says how images are prepared and what classes are called: take the '
            'config that the network was trained with, or add one, as those of configs/_base_/datasets have'
        )


def settle_workers(config: Config) -> None:
    """torch refuses persistent workers where there are no workers: `num_workers=0` alone says enough."""
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = config.get(name)
        if loader and loader.get('num_workers') == 0:
            loader.persistent_workers = False


def find_config(path: str) -> Path:
    """The file of a config: of that path, or the shipped one where `path` is its name alone or begins with configs/.

    Raises:
        UserError: there is none; the nearest names are told.
    """
    file = Path(path)
    if file.is_file():
        return file
    if str(file.parent) not in ('.', 'configs') or file.suffix not in ('', '.py'):
        hint = nearest(file.stem) or ': give the path of a config, in configs/ or of your own'
        raise UserError(f'no config {path}{hint}')
    named = find_named(path)
    if named.words != named.path:
        raise UserError(f'no config {path}: it is {named.words}')
    return named.file


def check_options(config: Config, options: dict) -> None:
    """Refuse an option whose first name the config has not: mmengine would take it and nothing would read it."""
    optional = {
        'auto_scale_lr',
        'compile',
        'experiment_name',
        'find_unused_parameters',
        'model_wrapper_cfg',
        'sync_bn',
        'work_dir',
    }
    known = {*config.keys(), *optional}
    for key in options:
        first = key.split('.')[0]
        if first == 'norm':
            raise UserError(
                f'--cfg-options {key} changes no layer: say --norm NAME, or give the whole path of a '
                'norm_cfg or site_norm_cfg'
            )
        if first not in known:
            near = difflib.get_close_matches(first, known, n=3)
            raise UserError(
                f'--cfg-options {key}: the config has no {first!r}'
                + (f'; did you mean {" or ".join(near)}?' if near else '')
            )


def without_weights(model: ConfigDict) -> ConfigDict:
    """A copy of a model's config that fetches no pretrained weights, since others come or none are needed.

    A frozen backbone keeps the name of its weights: a checkpoint has none of them, and loading it reads them.
    """
    model = copy.deepcopy(model)
    for part in config_dicts(model):
        backbone = part.get('backbone')
        if isinstance(backbone, dict) and not backbone.get('tuning'):
            backbone['init_cfg'] = None
        if str(part.get('type')).rpartition('.')[2] == 'TIMMBackbone':  # which fetches them as it is built
            part['pretrained'] = False
    return model


def build(part: str, make: Callable):
    """`make()`, where an unknown name, argument or value in the config becomes a user's mistake."""
    try:
        return make()
    except (KeyError, TypeError, ValueError, AttributeError, ImportError, AssertionError) as error:
        if is_user_error(error):
            raise
        text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
        short = text if len(text) <= LONGEST else f'{text[:LONGEST]} …'  # mmengine's may hold the whole config
        raise UserError(f'the config does not build ({part}): {type(error).__name__}: {short}') from error
