"""Streets on disk: the two layouts, the manifest, interruption, any number of processes."""

import hashlib
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sw_mmseg.commands.dataset_converters import streets as streets_command
from sw_mmseg.datasets import GTA5Dataset, RawCityscapesDataset, UnlabelledImages, check_dataset
from sw_mmseg.datasets.streets import draw_sample, generate_streets
from sw_mmseg.datasets.streets import generate as module

REPOSITORY = Path(__file__).parents[2]
SMALL = dict(size=(64, 32), source=5, target_train=6, target_val=3, seed=4)


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


@pytest.fixture(scope='module')
def streets(tmp_path_factory) -> Path:
    return generate_streets(tmp_path_factory.mktemp('streets'), **SMALL)


def test_files_lie_as_gta5_and_cityscapes_do(streets):
    names = set(digests(streets))
    assert streets.name == 'varied' and len(names) == 1 + 5 * 2 + 9 * 3
    assert {
        'manifest.json',
        'gta5/images/00001.png',
        'gta5/labels/00005.png',
        'cityscapes/leftImg8bit/train/eastvale/eastvale_000001_000019_leftImg8bit.png',
        'cityscapes/gtFine/train/eastvale/eastvale_000001_000019_gtFine_labelIds.png',
        'cityscapes/gtFine/val/southgate/southgate_000000_000019_gtFine_instanceIds.png',
    } <= names


def test_formats_and_contents(streets):
    domain, camera = module.VARIANTS['varied']
    sample = draw_sample(domain, (64, 32), 4, 'source', 2)
    label = Image.open(streets / 'gta5/labels/00003.png')
    assert label.mode == 'P' and label.getpalette()[26 * 3 : 27 * 3] == [0, 0, 142]
    np.testing.assert_array_equal(np.asarray(label), sample.labels)
    np.testing.assert_array_equal(np.asarray(Image.open(streets / 'gta5/images/00003.png')), sample.image)
    sample = draw_sample(camera, (64, 32), 4, 'target_val', 1)
    stem = streets / 'cityscapes/gtFine/val/westmoor/westmoor_000000_000019_gtFine_'
    label, instances = (Image.open(f'{stem}{kind}.png') for kind in ('labelIds', 'instanceIds'))
    assert label.mode == 'L' and instances.mode == 'I;16'
    np.testing.assert_array_equal(np.asarray(label), sample.labels)
    np.testing.assert_array_equal(np.asarray(instances), sample.instances)


def test_our_own_data_sets_read_them(streets):
    load = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='PackSegInputs')]
    source = GTA5Dataset(str(streets / 'gta5'), pipeline=load)
    target = UnlabelledImages(str(streets / 'cityscapes'), img_dir='leftImg8bit/train', pipeline=[load[0], load[2]])
    val = RawCityscapesDataset(str(streets / 'cityscapes'), split='val', pipeline=load)
    assert (len(source), len(target), len(val)) == (5, 6, 3)
    for data in (source, target, val):
        check_dataset(data, decode=None)


def test_a_second_call_makes_nothing_and_says_it_is_done(streets, monkeypatch):
    monkeypatch.setattr(module, '_make', lambda *a, **k: pytest.fail('a picture was made again'))
    steps = []
    before = digests(streets)
    generate_streets(streets.parent, **SMALL, progress=lambda done, total: steps.append((done, total)))
    assert steps == [(14, 14)] and digests(streets) == before


@pytest.mark.parametrize(('option', 'value'), [('seed', 5), ('size', (32, 16)), ('source', 6)])
def test_other_options_are_refused(streets, option, value):
    with pytest.raises(FileExistsError, match=rf'{option} .*--overwrite'):
        generate_streets(streets.parent, **{**SMALL, option: value})


def test_foreign_folders_are_not_touched(tmp_path):
    (tmp_path / 'varied/cityscapes').mkdir(parents=True)
    with pytest.raises(FileExistsError, match=r'no manifest\.json'):
        generate_streets(tmp_path, **SMALL)


def test_overwrite_makes_them_anew(tmp_path):
    few = dict(SMALL, source=1, target_train=1, target_val=0)
    root = generate_streets(tmp_path, **few)
    (root / 'notes.txt').write_text('mine')
    generate_streets(tmp_path, **dict(few, seed=9), overwrite=True)
    assert json.loads((root / 'manifest.json').read_text())['seed'] == 9
    assert (root / 'notes.txt').exists()
    image = draw_sample(module.VARIANTS['varied'][0], (64, 32), 9, 'source', 0).image
    np.testing.assert_array_equal(np.asarray(Image.open(root / 'gta5/images/00001.png')), image)


def test_variants_share_the_files_they_have_in_common(streets, tmp_path):
    """Every source picture; of a mixed set each other target picture. What is linked is what would have been drawn."""
    alone = {
        variant: generate_streets(tmp_path / 'alone' / variant, variant, **SMALL)
        for variant in ('varied', 'homogeneous', 'mixed')
    }
    beside = {variant: generate_streets(tmp_path / 'beside', variant, **SMALL) for variant in alone}
    assert digests(alone['varied']) == digests(streets)
    for variant, root in beside.items():
        assert digests(root) == digests(alone[variant])

    def linked(one, other, folder):
        files = sorted(path.relative_to(one) for path in (one / folder).rglob('*.png'))
        assert files
        return [(one / file).samefile(other / file) for file in files]

    for variant in ('homogeneous', 'mixed'):
        assert all(linked(beside['varied'], beside[variant], 'gta5'))
    assert not any(linked(beside['varied'], beside['homogeneous'], 'cityscapes'))
    of_varied = linked(beside['varied'], beside['mixed'], 'cityscapes')
    assert [not link for link in of_varied] == linked(beside['homogeneous'], beside['mixed'], 'cityscapes')
    pictures = sorted((beside['mixed'] / 'cityscapes/leftImg8bit/train').rglob('*.png'))
    ours = [picture.samefile(beside['varied'] / picture.relative_to(beside['mixed'])) for picture in pictures]
    assert sum(ours) == len(ours) / 2  # 6 pictures in the cities eastvale, harborough, millbridge, northport, ...
    assert ours == [picture.parent.name in ('eastvale', 'millbridge') for picture in pictures]


def test_other_options_share_nothing(streets, tmp_path):
    few = dict(SMALL, source=2, target_train=1, target_val=0)
    one = generate_streets(tmp_path, **few)
    other = generate_streets(tmp_path, 'homogeneous', **dict(few, seed=5))
    assert not (one / 'gta5/images/00001.png').samefile(other / 'gta5/images/00001.png')
    generate_streets(tmp_path, 'homogeneous', **few, overwrite=True)
    assert (one / 'gta5/images/00001.png').samefile(other / 'gta5/images/00001.png')
    generate_streets(tmp_path, **dict(few, seed=5), overwrite=True)  # leaves the other's files alone
    assert not (one / 'gta5/images/00001.png').samefile(other / 'gta5/images/00001.png')
    assert json.loads((other / 'manifest.json').read_text())['seed'] == SMALL['seed']


def test_two_processes_write_the_same_bytes(streets, tmp_path):
    assert digests(generate_streets(tmp_path, **SMALL, workers=2)) == digests(streets)


def test_a_picture_whose_labels_are_gone_is_made_again(streets, tmp_path):
    root = generate_streets(tmp_path, **SMALL)
    (root / 'gta5/labels/00002.png').unlink()
    generate_streets(tmp_path, **SMALL)
    assert digests(root) == digests(streets)


def run_in_a_group(out: Path, options: dict) -> None:
    os.setsid()  # so that the test can kill it with its workers
    generate_streets(out, **options)


@pytest.mark.slow
def test_killing_it_leaves_whole_files_and_it_goes_on(tmp_path):
    options = dict(size=(96, 48), source=60, target_train=60, target_val=10, workers=2)
    run = multiprocessing.get_context('fork').Process(target=run_in_a_group, args=(tmp_path / 'a', options))
    run.start()
    images = tmp_path / 'a/varied/gta5/images'
    deadline = time.time() + 60
    while time.time() < deadline and len(list(images.glob('[0-9]*.png')) if images.exists() else []) < 8:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGKILL)
    run.join()
    made = [path for path in (tmp_path / 'a').rglob('*.png') if not path.name.startswith('.')]
    assert 8 <= len(made) < 60 * 2 + 70 * 3  # it was under way
    for path in made:
        Image.open(path).load()  # raises where a file is cut off
    for name in ('a', 'b'):  # goes on, and once without interruption
        generate_streets(tmp_path / name, **options)
    assert digests(tmp_path / 'a') == digests(tmp_path / 'b')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(variant='rainy'), 'varied, homogeneous'),
        (dict(size=(8, 8)), '8x8'),
        (dict(source=-1), 'source=-1'),
        (dict(seed=-1), 'seed=-1'),
    ],
)
def test_wrong_options_are_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        generate_streets(tmp_path, **{**SMALL, **options})
    assert not list(tmp_path.iterdir())


def test_the_tool_explains_a_wrong_size(capsys):
    assert streets_command.parse_arguments(['out', '--size', '512x256']).size == (512, 256)
    assert streets_command.parse_arguments([]).size == (256, 128)
    with pytest.raises(SystemExit):
        streets_command.parse_arguments(['--size', 'large'])
    assert "'large' is no size: give width and height" in capsys.readouterr().err
