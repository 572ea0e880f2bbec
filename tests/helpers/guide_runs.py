"""How a test runs what a guide tells to type: what placeholders stand for, options that make it small, what cannot run.

Options are those that the commands document. They are put behind the words of the page, which stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ['NOT_RUN', 'SMALL_STREETS', 'small', 'stands_for']

GTA5 = 'needs GTA5 and Cityscapes, 69 GB'
CLUSTER = 'needs several GPUs or machines; tests/commands starts these tools with processes on a CPU'
HOURS = 'takes hours; tests/studies runs a small one'
NETWORK = 'needs the internet'
SHELL = 'of the shell: the test works in a copy of the checkout, in its environment'
NOT_RUN = {
    'git clone REPOSITORY sw_mmseg': SHELL,
    'cd sw_mmseg': SHELL,
    'source .venv/bin/activate': SHELL,
    'sw-mmseg app': 'serves until it is stopped; tests/app starts it',
    'pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu': NETWORK,
    'wget https://download.pytorch.org/models/vgg16-397923af.pth': NETWORK,
    'python tools/train.py configs/bn_adaptsegnet_gta2cityscapes.py': GTA5,
    'python tools/train.py configs/bn_adaptsegnet_gta2cityscapes.py --norm sn': GTA5,
    'python tools/train.py configs/bn_adaptsegnet_gta2cityscapes.py --norm swb': GTA5,
    'python tools/train.py configs/sw_adaptsegnet_gta2cityscapes.py': GTA5,
    'python tools/train.py configs/sw_adaptsegnet_gta2cityscapes.py --amp bf16': GTA5,
    'python tools/train.py configs/sw_adaptsegnet_gta2cityscapes.py '
    '--cfg-options model.segmentor.backbone.init_cfg.checkpoint=vgg16-397923af.pth': GTA5,
    'python tools/test.py configs/sw_adaptsegnet_gta2cityscapes.py '
    'work_dirs/sw_adaptsegnet_gta2cityscapes/iter_150000.pth': GTA5,
    'tools/dist_train.sh configs/sw_adaptsegnet_gta2cityscapes.py 4': GTA5,
    'tools/dist_test.sh configs/sw_adaptsegnet_gta2cityscapes.py '
    'work_dirs/sw_adaptsegnet_gta2cityscapes/iter_150000.pth 4': GTA5,
    'tools/dist_train.sh configs/sw_pspnet_ade20k.py 8 --cfg-options auto_scale_lr.enable=True': CLUSTER,
    'NNODES=2 NODE_RANK=0 MASTER_ADDR=first.host PORT=29500 tools/dist_train.sh configs/sw_pspnet_ade20k.py 8': CLUSTER,
    'NNODES=2 NODE_RANK=1 MASTER_ADDR=first.host PORT=29500 tools/dist_train.sh configs/sw_pspnet_ade20k.py 8': CLUSTER,
    'GPUS=16 GPUS_PER_NODE=8 tools/slurm_train.sh PARTITION JOB configs/sw_pspnet_ade20k.py WORK_DIR': CLUSTER,
    'python tools/analysis/adaptation_study.py': HOURS,
    'python tools/analysis/scene_parsing_study.py': HOURS,
    'python tools/analysis/classification_study.py': HOURS,
    'python tools/analysis/photographs_study.py': HOURS,
    'python tools/analysis/photographs_choices.py': HOURS,
}
SMALL_STREETS = (
    *('--size', '64x32', '--source', '4', '--target-train', '4', '--target-val', '2', '--workers', '1', '--ade20k'),
)
ITERATIONS = 2
LOADERS = ('train_dataloader', 'val_dataloader')
TRAINED_BRIEFLY = (
    '--cfg-options',
    *(f'train_cfg.max_iters={ITERATIONS}', f'train_cfg.val_interval={ITERATIONS}'),
    f'default_hooks.checkpoint.interval={ITERATIONS}',
    *(f'{loader}.{key}' for loader in LOADERS for key in ('num_workers=0', 'persistent_workers=False')),
)
ADDED = {
    'pip': ('--no-deps', '--no-index', '--no-build-isolation', '--disable-pip-version-check'),
    'make': ('QUICK=1',),
    'adapt': ('--iterations', '8', '--no-comparison'),
    'browse_dataset': ('--number', '1'),
    'demo': (
        *('--size', '64x32', '--images', '4', '--test-images', '2', '--iterations', '2'),
        *('--rows', 'bn', '--pictures', '1', '--jobs', '1'),
    ),
    'streets': SMALL_STREETS,
    'test': ('--cfg-options', 'test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False'),
    'train': TRAINED_BRIEFLY,
}


def stands_for(words: list[str], folders: Path, trained: Path) -> list[str]:
    """The words with folders and files in the places of IMAGES, LABELS, CONFIG and CHECKPOINT.

    Args:
        folders: as tools/dataset_converters/streets_folders.py writes it.
        trained: the work directory of a training of `ITERATIONS`.
    """
    source = str(folders / 'source/photos')
    known = {
        'IMAGES': str(folders / 'target/photos'),
        'LABELS': str(folders / 'source/masks'),
        'CONFIG': str(trained / f'{trained.name}.py'),
        'CHECKPOINT': str(trained / f'iter_{ITERATIONS}.pth'),
    }
    replaced = [source if pair == ('--source', 'IMAGES') else known.get(pair[1], pair[1]) for pair in pairs(words)]
    return [re.sub(r'\biter_400\.pth$', f'iter_{ITERATIONS}.pth', word) for word in replaced]


def pairs(words: list[str]) -> list[tuple[str, str]]:
    """Each word with the one before it."""
    return list(zip(['', *words], words))


def small(words: list[str]) -> list[str]:
    """The words, and options behind them with which the command ends in seconds."""
    program, *arguments = words
    name = program
    if program == 'sw-mmseg':
        name = arguments[0]
    elif program == 'python':
        name = Path(arguments[0]).stem
    added = () if program == 'make' and 'QUICK=1' in arguments else ADDED.get(name, ())
    if name == 'train' and 'ade20k' in arguments[1]:
        added = ('--streets', *added)
    return [*words, *added]
