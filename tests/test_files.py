"""A file that is there whole or not at all."""

import os
from functools import partial

import pytest
import torch

from sw_mmseg.files import whole_file, write_encoded
from tests.helpers.disks import little_room


def test_it_appears_when_all_went_well_and_replaces_what_was_there(tmp_path):
    file = tmp_path / 'new' / 'counts.npz'
    for text in ('one', 'two'):
        with whole_file(file) as part:
            part.write_text(text)
            assert part.suffix == '.npz' and not (text == 'one' and file.exists())
        assert file.read_text() == text and list(file.parent.iterdir()) == [file]


def test_nothing_of_it_stays_after_an_error(tmp_path):
    file = tmp_path / 'counts.npz'
    file.write_text('old')
    with pytest.raises(KeyError), whole_file(file) as part:
        part.write_text('half')
        raise KeyError
    assert file.read_text() == 'old' and list(tmp_path.iterdir()) == [file]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / 'data').write_text('')
    with pytest.raises(NotADirectoryError, match='data is a file, not a folder'), whole_file(tmp_path / 'data/x'):
        pass


def test_what_is_there_and_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / 'pipe.png')
    with pytest.raises(PermissionError, match='a pipe or a device'), whole_file(tmp_path / 'pipe.png') as part:
        part.write_bytes(b'content')
    assert (tmp_path / 'pipe.png').is_fifo() and len(list(tmp_path.iterdir())) == 1


def test_a_full_disk_is_named_by_what_is_encoded_first(tmp_path):
    """Given a path, `torch.save` raises a RuntimeError of another text, and `torch.jit.save` aborts the process."""
    with little_room(), pytest.raises(OSError, match='File too large'):
        write_encoded(tmp_path / 'weights.pth', partial(torch.save, {'weight': torch.zeros(10_000)}))
    write_encoded(tmp_path / 'weights.pth', partial(torch.save, {'weight': torch.zeros(10_000)}))
    assert torch.load(tmp_path / 'weights.pth')['weight'].shape == (10_000,)
