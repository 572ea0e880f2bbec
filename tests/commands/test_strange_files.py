"""Files that are none, and names that no text can hold: a line, or left out with a count; nothing waits or crashes."""

import os
import signal

import pytest
from PIL import Image

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.datasets import DatasetError
from sw_mmseg.datasets.check_coco import check_coco
from sw_mmseg.datasets.file_head import read_head
from sw_mmseg.datasets.image_file import read_image
from sw_mmseg.datasets.label_file import read_label
from sw_mmseg.datasets.polygons.coco import read_coco
from sw_mmseg.datasets.polygons.labelme import read_labelme
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
    assert run('predict', *network, images / 'pipe.png', tmp_path / 'none') == 2
    assert str(images / 'pipe.png') in capsys.readouterr().err
