"""What tests of commands share: small data and configs, and commands run in this process or as a user runs them."""

import importlib
import importlib.util
import logging
import os
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def call():
    """`call('tools/train.py', ...)` as a user would in the repository -> the finished process, with text output."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': '', 'PYTHON': sys.executable}

    def run(*words, timeout=240, **variables):
        words = [str(w) for w in words]
        program = [] if words[0].endswith('.sh') else [sys.executable]
        return subprocess.run(
            [*program, *words],
            cwd=REPOSITORY,
            env={**environment, **variables},
            text=True,
            capture_output=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def log(caplog):
    """`caplog` with what mmengine's logger is told, from INFO on."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO)
    yield caplog
    logger.removeHandler(caplog.handler)


@pytest.fixture
def unused_port():
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


@pytest.fixture(scope='session')
def streets(tmp_path_factory):
    """Tiny streets, 64x32: 6 source, 4 target training and 3 target validation images."""
    from sw_mmseg.datasets.streets import generate_streets

    return generate_streets(tmp_path_factory.mktemp('streets'), size=(64, 32), source=6, target_train=4, target_val=3)


@pytest.fixture(scope='session')
def tiny_config(tmp_path_factory, streets):
    """`tiny_config('bn_adaptsegnet')` -> path of the demo's config, on tiny streets, a sixteenth as wide."""
    folder = tmp_path_factory.mktemp('configs')

    def write(name):
        data = [f'train_dataloader = dict(num_workers=0, persistent_workers=False, dataset={DATA[name.split("_")[1]]})']
        data += [
            f'{part}_dataloader = dict(num_workers=0, persistent_workers=False, '
            f"dataset=dict(data_root='{streets}/cityscapes'))"
            for part in ('val', 'test')
        ]
        network = 'dict(backbone=dict(width=0.0625), decode_head=dict(in_channels=64))'
        model = f'dict(segmentor={network}, discriminator=dict(width=4))' if 'adapt' in name else network
        text = '\n'.join(
            [
                f"_base_ = '{REPOSITORY}/configs/{name}_streets.py'",
                f'model = {model}',
                *data,
                'train_cfg = dict(max_iters=6, val_interval=6)',
                'default_hooks = dict(logger=dict(interval=1))',
            ]
        )
        path = folder / f'{name}_tiny.py'
        path.write_text(text.replace('STREETS', str(streets)))
        return str(path)

    return write


@pytest.fixture(scope='session')
def tiny_scenes(tmp_path_factory, streets):
    """`tiny_scenes('sw_pspnet')` -> path of the scene parsing config of streets, on tiny ones; nothing is random but
    what the seed of the data decides (no dropout), so that several processes can be compared with one."""
    folder = tmp_path_factory.mktemp('scenes')
    load = "dict(type='LoadImage'), dict(type='LoadLabels'), "

    def write(name, batch_size=2):
        heads = ', '.join(f'{head}=dict(dropout_ratio=0.0)' for head in ('decode_head', 'auxiliary_head'))
        text = f"""
_base_ = '{REPOSITORY}/configs/{name}_streets.py'
model = dict({heads}, data_preprocessor=dict(size=(32, 32)))
train_dataloader = dict(
    batch_size={batch_size}, num_workers=0, persistent_workers=False, dataset=dict(dataset=dict(
        data_root='{streets}/cityscapes',
        pipeline=[{load}dict(type='RandomCrop', crop_size=(32, 32)), dict(type='PackSegInputs')])))
val_dataloader = dict(batch_size=1, num_workers=0, persistent_workers=False, dataset=dict(
    data_root='{streets}/cityscapes'))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=3, val_interval=3)
default_hooks = dict(logger=dict(interval=1))
"""
        path = folder / f'{name}_tiny_{batch_size}.py'
        path.write_text(text)
        return str(path)

    return write


DATA = {
    'adaptsegnet': "dict(source=dict(data_root='STREETS/gta5'), target=dict(data_root='STREETS/cityscapes'))",
    'sourceonly': "dict(dataset=dict(data_root='STREETS/gta5'))",
}


@pytest.fixture
def one_thread():
    """Two threads on shared cores wait for each other; determinism is off again afterwards."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def run():
    """`run('train', CONFIG, ...)` in this process -> exit status; `run('analysis cost', ...)`."""

    from sw_mmseg.running.command_line import run_tool  # slow to import, which not every test needs

    def call(name, *words):
        command = importlib.import_module(f'sw_mmseg.commands.{name.replace(" ", ".")}')
        forget_runs()
        return run_tool(command.main, command.parse_arguments([str(w) for w in words]))

    return call


def forget_runs():
    """mmengine knows loggers and pictures by a run's name, which ends with the second it began: two runs of a second in
    one process would write into the first one's folder, and a tool's process has only one."""
    from mmengine.logging import MessageHub, MMLogger
    from mmengine.visualization import Visualizer

    kinds = [MessageHub, MMLogger, Visualizer]
    for kind in kinds:
        kinds += kind.__subclasses__()
        kind._instance_dict.clear()


@pytest.fixture(scope='session')
def short_trainings():
    """Leaves out two things that take most of a short training's time and prove nothing: yapf's layout of the config
    that is written, and a garbage collection for every data set that is opened.

    From the first test that asks for it to the last of all, so that what a module prepares once is short as well.
    """
    from mmengine.dataset import base_dataset

    with pytest.MonkeyPatch.context() as patch:
        if importlib.util.find_spec('yapf'):
            patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
        patch.setattr(base_dataset, 'gc', types.SimpleNamespace(collect=lambda: 0))
        yield
