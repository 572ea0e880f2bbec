"""No command writes over a file that it did not write, nor among the files that it reads: each one is tried."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytestmark = pytest.mark.usefixtures('one_thread')
CONTENT = b"the user's own"


@pytest.fixture(scope='module')
def network(tiny_config, tmp_path_factory):
    """Config and checkpoint of a network with SW that was not trained."""
    from mmengine.config import Config
    from mmseg.registry import MODELS

    path, folder = tiny_config('sw_adaptsegnet'), tmp_path_factory.mktemp('network')
    config = Config.fromfile(path)
    torch.manual_seed(0)
    torch.save(
        {'state_dict': MODELS.build(config.model).state_dict(), 'meta': {'cfg': config.pretty_text}},
        folder / 'iter_1.pth',
    )
    return path, folder / 'iter_1.pth'


@pytest.fixture
def images(streets, tmp_path):
    """Photographs in a folder: one name in two sub-folders, and one that cannot be read."""
    files = sorted((streets / 'cityscapes/leftImg8bit/val').rglob('*.png'))
    for name, file in zip(('a/x.png', 'b/x.png', 'b/y.png'), files):
        (tmp_path / 'images' / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, tmp_path / 'images' / name)
    return tmp_path / 'images'


def state(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob('*') if path.is_file()}


def refused(run, capsys, words, file, again=True):
    """A command neither writes over `file` nor begins to work; with --overwrite it does; its own it writes anew."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(CONTENT)
    assert run(*words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: ') and str(file) in error and '--overwrite' in error
    assert file.read_bytes() == CONTENT
    assert run(*words, '--overwrite') == 0
    assert file.read_bytes() != CONTENT
    if again:
        assert run(*words) == 0
    capsys.readouterr()


def test_predict(network, images, run, capsys, tmp_path):
    before = state(images)
    for out in (images, images / 'a', images / 'new'):
        assert run('predict', *network, images, out) == 2
        assert 'read' in capsys.readouterr().err
    assert state(images) == before
    refused(run, capsys, ('predict', *network, images, tmp_path / 'out'), tmp_path / 'out/b/x.png')
    assert {str(p.relative_to(tmp_path / 'out')) for p in (tmp_path / 'out').rglob('*.[pj]*')} == {
        'a/x.png',
        'b/x.png',
        'b/y.png',
        'a/x_overlay.jpg',
        'b/x_overlay.jpg',
        'b/y_overlay.jpg',
    }
    # a single image: beside it, but never onto it
    assert run('predict', *network, images / 'b/y.png', images / 'b', '--overwrite') == 2
    assert 'one of the files that are read' in capsys.readouterr().err and state(images) == before


def test_predict_goes_past_what_it_cannot_read(network, images, run, capsys, tmp_path):
    (images / 'broken.jpg').write_text('junk')
    (images / '._x.png').write_text('junk')
    (tmp_path / 'other').mkdir()
    shutil.copy(images / 'b/y.png', tmp_path / 'other/z.png')
    (images / 'more').symlink_to(tmp_path / 'other')
    Image.new('RGB', (64, 32)).save(images / 'b/y.jpg')
    for command, end in (('predict', '.png'), ('image_demo', '_demo.jpg')):
        out = tmp_path / command
        assert run(command, *network, images, out) == 1
        printed = capsys.readouterr()
        assert '1 of 6 could not be' in printed.err and 'broken.jpg' in printed.err and '5 ' in printed.out
        assert {str(p.relative_to(out)) for p in out.rglob(f'*{end}')} == {
            f'{name}{end}' for name in ('a/x', 'b/x', 'b/y.jpg', 'b/y.png', 'more/z')
        }
    assert run('predict', *network, images / 'broken.jpg', tmp_path / 'none') == 2
    assert 'broken.jpg' in capsys.readouterr().err


def test_image_demo(network, images, run, capsys, tmp_path):
    before = state(images)
    assert run('image_demo', *network, images, images / 'b') == 2
    refused(run, capsys, ('image_demo', *network, images, tmp_path / 'out'), tmp_path / 'out/a/x_demo.jpg')
    assert state(images) == before


def test_test_keeps_folders_apart(network, run, capsys, tmp_path, streets):
    """Two images of one name: mmseg's own metric and hook would leave one file of them."""
    root = tmp_path / 'cityscapes'
    shutil.copytree(streets / 'cityscapes', root)
    for kind, suffix in (('leftImg8bit', '_leftImg8bit.png'), ('gtFine', '_gtFine_labelIds.png')):
        shutil.rmtree(root / kind / 'val')
        for city, file in zip('ab', sorted((streets / 'cityscapes' / kind / 'val').rglob(f'*{suffix}'))):
            (root / kind / 'val' / city).mkdir(parents=True)
            shutil.copy(file, root / kind / 'val' / city / f'x_000000_000000{suffix}')
    words = (
        'test',
        *network,
        '--work-dir',
        tmp_path / 'w',
        '--out',
        tmp_path / 'out',
        '--show-dir',
        tmp_path / 'show',
        '--cfg-options',
        f'test_dataloader.dataset.data_root={root}',
    )
    name = 'x_000000_000000_leftImg8bit.png'
    refused(run, capsys, words, tmp_path / 'out/a' / name)
    refused(run, capsys, words, tmp_path / 'show/b' / name)
    refused(run, capsys, words, tmp_path / 'w/iter_1_metrics.json')
    for folder in ('out', 'show'):
        assert {str(p.relative_to(tmp_path / folder)) for p in (tmp_path / folder).rglob('*.png')} == {
            f'a/{name}',
            f'b/{name}',
        }
    # each is what the network says of its own image
    assert run('predict', *network, root / 'leftImg8bit/val', tmp_path / 'pred') == 0
    for city in 'ab':
        pixels = [np.asarray(Image.open(tmp_path / folder / city / name)) for folder in ('out', 'pred')]
        assert np.array_equal(*pixels)
        shown = np.asarray(Image.open(tmp_path / 'show' / city / name)).astype(int)
        overlay = np.asarray(Image.open(tmp_path / 'pred' / city / name.replace('.png', '_overlay.jpg'))).astype(int)
        assert np.abs(shown - overlay).mean() < 6  # the one is a JPEG


def test_report_leaves_the_report_of_adapt_alone(network, run, capsys, tmp_path):
    folder = tmp_path / 'run'
    folder.mkdir()
    shutil.copy(network[1], folder)
    refused(run, capsys, ('report', folder, '--pictures', 0), folder / 'report.html')
    (folder / 'adapt.json').write_text('{}')
    (folder / 'report.html').write_bytes(CONTENT)
    assert run('report', folder, '--pictures', 0) == 0
    assert (folder / 'report.html').read_bytes() == CONTENT and (folder / 'runs_report.html').is_file()
    assert f'tools/report.py {folder} --out {folder}/runs_report.html' in (folder / 'runs_report.html').read_text()


def test_analysis(network, run, capsys, tmp_path):
    refused(run, capsys, ('analysis importance_ratios', network[1], '--out', tmp_path / 'i'), tmp_path / 'i/tasks.csv')
    refused(
        run,
        capsys,
        ('analysis whiteness', *network, '--images', 2, '--out', tmp_path / 'w'),
        tmp_path / 'w/whiteness.md',
    )
    refused(
        run,
        capsys,
        (
            'analysis domain_distance',
            *network,
            '--images',
            2,
            '--pixels',
            2,
            '--permutations',
            2,
            '--out',
            tmp_path / 'd',
        ),
        tmp_path / 'd/style.png',
    )
    refused(
        run,
        capsys,
        (
            'analysis instance_statistics',
            *network,
            '--images',
            2,
            '--show',
            1,
            '--layer',
            'backbone.norm2',
            '--out',
            tmp_path / 's',
        ),
        tmp_path / 's/map.png',
    )
    refused(
        run,
        capsys,
        ('analysis browse_dataset', network[0], tmp_path / 'b', '--number', 1, '--width', 64),
        tmp_path / 'b/train_00000.png',
    )
    statistics = ('analysis reestimate_statistics', *network)
    refused(run, capsys, (*statistics, tmp_path / 'new.pth', '--images', 2), tmp_path / 'new.pth')
    assert run(*statistics, network[1], '--images', 2, '--overwrite') == 2
    assert 'is what is read' in capsys.readouterr().err


def test_converters(run, capsys, tmp_path):
    refused(
        run,
        capsys,
        ('dataset_converters styles', tmp_path, '--size', 64, '--styles', 'mosaic'),
        tmp_path / 'mosaic.png',
    )
    folder = tmp_path / 'gtFine/{}/city'
    for split in ('train', 'val'):
        for name in (str(folder), str(folder).replace('gtFine', 'leftImg8bit')):
            Path(name.format(split)).mkdir(parents=True)
        Image.fromarray(np.full((8, 8), 26001, np.uint16)).save(f'{folder}/c_gtFine_instanceIds.png'.format(split))
        Image.new('RGB', (8, 8)).save(f'{folder}/c_leftImg8bit.png'.replace('gtFine', 'leftImg8bit').format(split))
    file = tmp_path / 'annotations/instancesonly_filtered_gtFine_val.json'
    refused(run, capsys, ('dataset_converters cityscapes_instances', tmp_path), file)
    assert len(json.loads(file.read_text())['images']) == 1
