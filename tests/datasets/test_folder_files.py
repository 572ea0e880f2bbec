"""Which files a folder has: links, loops, hidden files, and what is no folder."""

import os

import pytest
from PIL import Image

from sw_mmseg.datasets import DatasetError, UnlabelledImages
from sw_mmseg.datasets.folder_files import PICTURES, list_folder


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (4, 4)).save(path)


def test_links_are_followed_once_and_loops_end(tmp_path):
    touch(tmp_path / 'a/b/1.png', tmp_path / 'a/2.JPG', tmp_path.parent / f'{tmp_path.name}_other/3.png')
    os.symlink(tmp_path / 'a', tmp_path / 'a/b/loop')
    os.symlink('..', tmp_path / 'a/up')
    os.symlink(tmp_path / 'a/b', tmp_path / 'a/again')
    os.symlink(f'../{tmp_path.name}_other', tmp_path / 'elsewhere')
    os.symlink(tmp_path / 'a/b/1.png', tmp_path / 'linked.png')
    os.symlink(tmp_path / 'nowhere.png', tmp_path / 'broken.png')
    listing = list_folder(str(tmp_path), PICTURES)
    assert list(listing.files) == ['a/2.JPG', 'a/b/1.png', 'elsewhere/3.png', 'linked.png']
    assert listing.left_out['links to folders that were seen already'] == 3 and listing.left_out['broken links'] == 1
    dataset = UnlabelledImages(str(tmp_path))
    assert [dataset.get_data_info(i)['img_path'] for i in range(len(dataset))] == sorted(listing.files.values())


def test_hidden_files_and_what_systems_leave_behind_are_left_out(tmp_path):
    touch(tmp_path / '1.png', tmp_path / '.ipynb_checkpoints/1.png', tmp_path / '__MACOSX/1.png')
    (tmp_path / '._1.png').write_bytes(b'junk')
    (tmp_path / 'notes.txt').write_text('x')
    (tmp_path / 'README').write_text('x')
    listing = list_folder(str(tmp_path), PICTURES)
    assert list(listing.files) == ['1.png']
    assert listing.note() == 'left out: 3 hidden, 1 without an ending, 1 .txt'


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('a.mp4', r'is a video, where a folder of images is asked for.*ffmpeg -i'),
        ('a.zip', 'is an archive.*unpack it'),
        ('a.png', 'is a file, where a folder of images is asked for: give the folder that it is in'),
        ('nowhere', 'is missing: it must hold the images'),
        ('link', 'is missing: it is a link to gone, which is not'),
    ],
)
def test_what_is_no_folder_is_named(tmp_path, name, text):
    if '.' in name:
        (tmp_path / name).write_bytes(b'x')
    elif name == 'link':
        os.symlink('gone', tmp_path / name)
    with pytest.raises(DatasetError, match=text):
        list_folder(str(tmp_path / name), PICTURES)
    with pytest.raises(DatasetError, match='UnlabelledImages: .*data_root'):
        UnlabelledImages(str(tmp_path / name))


def test_files_that_are_not_read_are_named_with_the_way(tmp_path):
    (tmp_path / '1.HEIC').write_bytes(b'x')
    with pytest.raises(DatasetError, match=r'1 \.heic files, which are not read: convert them, with magick mogrify'):
        UnlabelledImages(str(tmp_path))
    (tmp_path / '1.HEIC').rename(tmp_path / '1.mov')
    with pytest.raises(DatasetError, match='1 videos: ffmpeg'):
        UnlabelledImages(str(tmp_path))


def test_images_are_left_out_by_name_with_or_without_ending(tmp_path):
    touch(tmp_path / 'a/1.png', tmp_path / 'a/1.jpg', tmp_path / '2.png', tmp_path / '3.tif')
    dataset = UnlabelledImages(str(tmp_path), leave_out=['a/1.png', '2'])
    assert [dataset.get_data_info(i)['img_path'][len(str(tmp_path)) + 1 :] for i in range(len(dataset))] == [
        '3.tif',
        'a/1.jpg',
    ]
