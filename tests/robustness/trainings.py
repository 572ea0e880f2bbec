"""Trainings of every kind, on tiny data: each function gives the text of a config."""

from pathlib import Path

from mmengine.config import Config

from tests.helpers.tiny_detection import use_tiny_data

REPOSITORY = Path(__file__).resolve().parents[2]


def adaptsegnet(tiny_config, **_):
    return f"_base_ = '{tiny_config('sw_adaptsegnet')}'"


def source_only(tiny_config, **_):
    return f"_base_ = '{tiny_config('bn_sourceonly')}'"


def dacs(streets, name='bn_dacs_streets', **_):
    data = f"source=dict(data_root='{streets}/gta5'), target=dict(data_root='{streets}/cityscapes')"
    validation = f"dict(num_workers=0, persistent_workers=False, dataset=dict(data_root='{streets}/cityscapes'))"
    return (
        f"_base_ = '{REPOSITORY}/configs/{name}.py'\n"
        'model = dict(segmentor=dict(backbone=dict(width=0.0625), decode_head=dict(in_channels=64)))\n'
        f'train_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict({data}))\n'
        f'val_dataloader = {validation}\ntest_dataloader = {validation}'
    )


def mic(streets, **_):
    return dacs(streets, 'bn_mic_streets')


def advent(tiny_config, **_):
    return adaptsegnet(tiny_config) + "\nmodel = dict(type='AdvEnt')"


def cbst(streets, **_):
    """A warm-up of three steps, and labels made anew after the third and after the sixth."""
    loader = f"dict(num_workers=0, persistent_workers=False, dataset=dict(data_root='{streets}/cityscapes'))"
    data = f"source=dict(data_root='{streets}/gta5'), target=dict(data_root='{streets}/cityscapes')"
    return (
        f"_base_ = '{REPOSITORY}/configs/bn_cbst_streets2cameras.py'\n"
        'model = dict(warmup=3, round_length=3)\n'
        f'train_dataloader = dict(num_workers=0, persistent_workers=False, batch_size=2, dataset=dict({data}))\n'
        f'val_dataloader = {loader}\ntest_dataloader = {loader}'
    )


def style(streets, **_):
    data = f"dict(dataset=dict(data_root='{streets}/gta5/images', size=32))"
    return (
        f"_base_ = '{REPOSITORY}/configs/sw_style_streets.py'\n"
        'model = dict(style_size=32, network=dict(blocks=1))\n'
        f'train_dataloader = dict(batch_size=2, dataset={data})'
    )


def pspnet(tiny_scenes, **_):
    heads = ', '.join(f'{head}=dict(dropout_ratio=0.5)' for head in ('decode_head', 'auxiliary_head'))
    return f"_base_ = '{tiny_scenes('bn_pspnet')}'\nmodel = dict({heads})"


def digits(**_):
    return f"_base_ = '{REPOSITORY}/configs/bn_resnet20_digits.py'"


def maskrcnn(folder, **_):
    config = Config.fromfile(f'{REPOSITORY}/configs/sw_maskrcnn_streets.py')
    use_tiny_data(config, folder / 'data')
    config.model.train_cfg.rpn.sampler.num, config.model.train_cfg.rcnn.sampler.num = 32, 16
    config.dump(folder / 'whole_config.py')
    return f"_base_ = '{folder}/whole_config.py'"


KINDS = [adaptsegnet, advent, source_only, dacs, mic, cbst, pspnet, digits, style, maskrcnn]
