"""Files that are none, and names that no text can hold: a line, or left out with a count; nothing waits or crashes."""

import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.datasets import DatasetError
from sw_mmseg.datasets.check_coco import check_coco
from sw_mmseg.datasets.file_head import read_head
from sw_mmseg.datasets.image_file import read_image
from sw_mmseg.datasets.label_file import read_label
from sw_mmseg.datasets.polygons.coco import read_coco
from sw_mmseg.datasets.polygons.labelme import read_labelme
from sw_mmseg.running.prediction import segment_pixels
from sw_mmseg.stylization.pictures import PictureError, read_picture

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture
def at_once():
    """What waits for ten seconds fails."""

    def late(*_):
        raise AssertionError('it waits')

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def check(path):
    folder, name = os.path.split(path)
    check_coco({'type': 'CocoDataset', 'data_root': folder, 'ann_file': name, 'metainfo': {'classes': ('car',)}})


@pytest.mark.parametrize(
    'read',
    [
        read_image,
        read_label,
        read_head,
        read_picture,
        check,
        lambda path: read_coco(path, {}),
        lambda path: read_labelme(path, 'image', path),
    ],
    ids=['image', 'label', 'head', 'picture', 'check', 'coco', 'labelme'],
)
def test_pipes_are_not_opened(read, tmp_path, at_once):
    os.mkfifo(tmp_path / 'x.png')
    with pytest.raises((DatasetError, PictureError, OSError), match='a pipe or a device|no picture') as raised:
        read(str(tmp_path / 'x.png'))
    assert str(tmp_path / 'x.png') in str(raised.value)


def test_predict_on_a_folder_of_strange_files(network, run, tmp_path, capsys, at_once):
    images = tmp_path / 'images'
    images.mkdir()
    Image.new('RGB', (64, 32)).save(images / 'good.png')
    Image.new('RGB', (1, 1)).save(images / 'one.png')
    name = os.fsencode(images) + b'/caf\xe9.png'  # of a disk that was written with Latin-1
    with open(name, 'wb') as file:
        Image.new('RGB', (64, 32)).save(file, 'PNG')
    with open(os.fsencode(images) + b'/\xff\xfe.jpg', 'wb') as file:
        file.write(b'junk')
    os.mkfifo(images / 'pipe.png')
    (images / 'loop').symlink_to(images)
    (images / 'itself.png').symlink_to('itself.png')
    assert run('predict', *network, images, tmp_path / 'out') == 1
    printed = capsys.readouterr()
    assert '2 segmented' in printed.out and '2 of 4 could not be segmented' in printed.err
    assert f'{images}/one.png is 1x1, too small for this network' in printed.err
    assert 'Traceback' not in printed.err
    assert os.path.isfile(os.fsencode(tmp_path) + b'/out/caf\xe9.png')
    assert run('image_demo', *network, images, tmp_path / 'painted') == 1
    assert f'{images}/one.png is 1x1, too small for this network' in capsys.readouterr().err
    assert run('predict', *network, images / 'pipe.png', tmp_path / 'none') == 2
    assert str(images / 'pipe.png') in capsys.readouterr().err


@pytest.mark.parametrize('shape', [(1, 1), (1, 7), (7, 1)])
def test_labels_of_a_line_or_a_point_have_the_images_shape(shape):
    """Of networks that bring images to a size of their own, and so see something in one pixel."""

    class Network:
        def test_step(self, _):
            return [SimpleNamespace(pred_sem_seg=SimpleNamespace(data=torch.ones(1, *shape)))]

    packed = {'inputs': None, 'data_samples': None}
    labels = segment_pixels(Network(), lambda _: packed, np.zeros((*shape, 3), np.uint8))
    assert labels.tolist() == np.ones(shape).tolist()


def test_names_as_long_as_a_file_system_takes(network, run, tmp_path, capsys):
    """Temporary names are longer than those of results, and an overlay's than its image's."""
    images = tmp_path / 'images'
    images.mkdir()
    for length in (10, 255 - len('_overlay.jpg'), 251):
        Image.new('RGB', (64, 32)).save(images / f'{"a" * length}.png')
    assert run('predict', *network, images, tmp_path / 'out') == 1
    printed = capsys.readouterr()
    assert '2 segmented' in printed.out and '1 of 3 could not be segmented' in printed.err
    assert 'a_overlay.jpg cannot be written: its name is too long' in printed.err
    assert len(list((tmp_path / 'out').glob('a*_overlay.jpg'))) == 2 and not list((tmp_path / 'out').glob('.a*'))


@pytest.mark.parametrize('opacity', ['7', '-0.1', 'nan'])
def test_an_opacity_that_is_none(network, run, tmp_path, capsys, opacity):
    for command in ('predict', 'image_demo'):
        assert run(command, *network, tmp_path, tmp_path / 'out', f'--opacity={opacity}') == 2
        assert 'opacity' in capsys.readouterr().err
