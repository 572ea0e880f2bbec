"""A user's photographs as the demo's second target."""

import numpy as np
import pytest
from PIL import Image

from sw_mmseg.studies.demo.photographs import AFTER, BEFORE, size_like
from sw_mmseg.studies.demo.ready import READY


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / 'photos'
    (folder / 'holiday').mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, size in (('a.jpg', (120, 90)), ('holiday/b.png', (90, 120)), ('holiday/c.jpg', (120, 90))):
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(folder / name)
    return folder


@pytest.mark.slow
def test_they_are_shown_before_and_after(demo, photos, tmp_path, monkeypatch):
    sheets = []
    writing = demo.tool.write_results
    monkeypatch.setattr(
        demo.tool,
        'write_results',
        lambda folder, results: (sheets.append(results.photographs), writing(folder, results))[1],
    )
    assert demo('--photos', photos, '--rows', 'bn', '--iterations', 2) == 0
    (shown,) = sheets
    assert [list(sheet) for sheet in shown] == [['photograph', BEFORE, AFTER, READY.format('photographs')]] * 2
    for sheet in shown:
        assert [picture.shape for picture in sheet.values()] == [(32, 64, 3), *[(32, 64)] * 3]
    folder = tmp_path / 'demo'
    page = (folder / 'report.html').read_text()
    assert 'Your photographs' in page and 'trained on drawn streets of many towns' in page
    assert Image.open(folder / 'photographs.png').width > 900
    trained = (folder / 'runs/bn_photographs_seed0/iter_2.pth').stat().st_mtime_ns
    assert demo('--photos', photos, '--rows', 'bn', '--iterations', 2) == 0  # done before
    assert (folder / 'runs/bn_photographs_seed0/iter_2.pth').stat().st_mtime_ns == trained
    for first, second in zip(*sheets):
        assert all(np.array_equal(first[key], second[key]) for key in first)


def test_a_folder_without_photographs_is_refused_before_anything_is_drawn(demo, tmp_path, capsys):
    assert demo('--photos', tmp_path / 'nowhere') == 2
    assert 'no such folder' in capsys.readouterr().err
    (tmp_path / 'empty').mkdir()
    assert demo('--photos', tmp_path / 'empty') == 2
    assert '--photos' in capsys.readouterr().err and not (tmp_path / 'data').exists()


def test_sides_keep_their_ratio_and_the_area():
    assert size_like((128, 256), (256, 128)) == (256, 128)
    assert size_like((480, 640), (256, 128)) == (224, 160)
    assert size_like((640, 480), (256, 128)) == (160, 224)
    assert size_like((10, 4000), (256, 128)) == (3616, 32)
