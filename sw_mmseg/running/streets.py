"""`--streets`: a scene parsing config made small, on drawn scenes, so that it trains in minutes on two CPU cores.

The network keeps its depth, norms, sites and heads and becomes a quarter as wide, from scratch; pictures and crops
shrink by one factor; data are streets in the layout of the config's data set; the schedule is that of
configs/bn_pspnet_streets.py. The code path is that of the full training.
"""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config, ConfigDict
from tqdm import tqdm

from sw_mmseg.datasets.label_scan import usable_cores
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.paths import shipped_config

__all__ = [
    'LAYOUTS',
    'STREETS',
    'draw_streets',
    'innermost',
    'knows',
    'make_streets',
    'narrow',
    'shrunk',
    'use_streets',
]

SMALL = shipped_config('bn_pspnet_streets')
STREETS = Path('data/streets')
LAYOUTS = {'FoldersADE20K': 'ade20k', 'RawCityscapesDataset': 'cityscapes'}
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
HEIGHT = 128  # of streets
ADE20K_BATCH = 4  # half the usual: its 150 maps of logits take most of the time of so narrow a network


def innermost(dataset: ConfigDict) -> ConfigDict:
    """The data set that reads files, inside wrappers such as `Positioned` or alone; the first of several."""
    if 'datasets' in dataset:
        return innermost(dataset.datasets[0])
    return innermost(dataset.dataset) if 'dataset' in dataset else dataset


def knows(config: Config) -> bool:
    """Whether `use_streets` can make this config small: scene parsing on a full-size data set."""
    backbone = config.get('model', {}).get('backbone', {})
    return bool(
        backbone.get('type') == 'SwitchSites'
        and backbone.get('of') == 'ResNet'
        and 'init_cfg' in backbone
        and all(
            name in config
            and innermost(config[name].dataset).get('type') in LAYOUTS
            and 'streets' not in Path(innermost(config[name].dataset).data_root).parts
            for name in LOADERS
        )
    )


def use_streets(config: Config, root: Path = STREETS / 'varied') -> None:
    """Makes the config small, in place.

    Raises:
        UserError: the config is none of scene parsing on ADE20K or Cityscapes.
    """
    if not knows(config):
        raise UserError(
            '--streets makes small what parses scenes on ADE20K or Cityscapes (configs/*_pspnet_ade20k.py '
            'and their like); other methods have configs of their own, configs/*_streets.py'
        )
    small = Config.fromfile(SMALL)
    pipeline = innermost(config.train_dataloader.dataset).pipeline
    factor = min(next(t.scale for t in pipeline if t.type == 'RandomResize')) / HEIGHT
    for name in LOADERS:
        dataset = innermost(config[name].dataset)
        dataset.data_root = str(root / LAYOUTS[dataset.type])
        for transform in dataset.pipeline:
            for key in {'scale', 'crop_size'} & transform.keys():
                transform[key] = shrunk(transform[key], factor)
        config[name].update({key: small[name][key] for key in ('batch_size', 'num_workers')})
    if innermost(config.train_dataloader.dataset).type == 'FoldersADE20K':
        config.train_dataloader.batch_size = ADE20K_BATCH
    narrow(config.model, small)
    config.model.data_preprocessor.size = shrunk(config.model.data_preprocessor.size, factor)
    for name in ('optim_wrapper', 'param_scheduler', 'train_cfg', 'default_hooks', 'custom_hooks'):
        config[name] = small[name]


def shrunk(size: tuple[int, int], factor: float) -> tuple[int, ...]:
    """A size divided by `factor`."""
    return tuple(round(side / factor) for side in size)


def narrow(model: ConfigDict, small: Config) -> None:
    """Every width of a segmentor divided as in the small config; nothing pretrained."""
    model.backbone.update({key: small.model.backbone[key] for key in ('stem_channels', 'base_channels', 'init_cfg')})
    for name in ('decode_head', 'auxiliary_head'):
        model[name].update({key: model[name][key] // small.narrow for key in ('in_channels', 'channels')})


def make_streets(config: Config) -> None:
    """Draws the data that a small config reads, where they are missing: half a minute on two cores.

    Raises:
        UserError: they are missing and several processes would draw them at once.
    """
    folder = Path(innermost(config.train_dataloader.dataset).data_root)
    if folder.is_dir():
        return
    if config.launcher != 'none':
        raise UserError(
            f'no streets in {folder}; make them first: python tools/dataset_converters/streets.py {STREETS} --ade20k'
        )
    draw_streets(STREETS)


def draw_streets(out: Path) -> Path:
    """Draws what is missing of streets, in all layouts, into `out`/varied, and returns that folder.

    Raises:
        UserError: there are streets made with other options, or something else.
    """
    from sw_mmseg.datasets.streets import generate_streets, write_ade20k

    print(f'streets in {out}', flush=True)
    workers = usable_cores()
    with tqdm(unit=' images', leave=False, disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            root = generate_streets(out, workers=workers, progress=show)
        except (FileExistsError, ValueError) as error:
            raise UserError(str(error)) from error
    write_ade20k(root)
    return root
