"""tools/adapt.py with a few labelled target images: they join every training with their share and are never scored."""

import argparse
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from mmseg.registry import DATASETS

from sw_mmseg.datasets.positions import Position
from sw_mmseg.own_images import check, config, few_labels, job, plan
from sw_mmseg.own_images.labelled_data import class_weights, drawn_shares
from sw_mmseg.running.errors import UserError
from tests.helpers.own_folders import save, write_folders


@pytest.fixture
def folders(tmp_path):
    """Beside four source images and four of the target, of which two have labels, and two others to score on."""
    root, rng = write_folders(tmp_path), np.random.default_rng(7)
    labels = np.full((64, 80), 2, np.uint8)
    for n in range(2):
        (root / 'few/images').mkdir(parents=True, exist_ok=True)
        shutil.copy(root / f'target/{n}.jpg', root / f'few/images/{n}.jpg')
        save(root / f'few/labels/{n}.png', labels)
        save(root / f'val/images/{n}.png', rng.integers(0, 255, (64, 80, 3), np.uint8))
        save(root / f'val/labels/{n}.png', labels)
    return root


def look(root, few=True, val=False):
    pairs = {name: [str(root / name / 'images'), str(root / name / 'labels')] for name in ('source', 'few', 'val')}
    return check.check(
        pairs['source'],
        str(root / 'target'),
        pairs['val'] if val else None,
        None,
        root / 'out',
        target_few=pairs['few'] if few else None,
    )


def arguments(**changed):
    values = dict(
        network='narrow',
        norm='bn',
        method='adaptsegnet',
        short_side=None,
        batch_size=None,
        iterations=100,
        seed=3,
        cfg_options={},
        few_share=None,
    )
    return argparse.Namespace(**{**values, **changed})


def sides(made):
    """The labelled and the unlabelled data sets of a config."""
    dataset = made.train_dataloader.dataset
    return dataset.get('source', dataset.get('dataset')), dataset.get('target')


@pytest.mark.parametrize('network', ['narrow', 'small'])
def test_every_method_draws_them_with_their_share_and_no_label_beside_theirs(folders, network):
    checked = look(folders, val=True)
    for method in [m for m in plan.available(network) if m != 'statistics']:
        choice, reasons = plan.choose(arguments(network=network, method=method), checked)
        made = config.make_config(choice, checked, method, {})
        labelled, target = sides(made)
        assert labelled.type == 'LabelledSets' and list(labelled.shares) == [0.75, 0.25]
        roots = [part.get('dataset', part).labels for part in labelled.datasets]
        assert roots == [str(folders / 'source/labels'), str(folders / 'few/labels')]
        assert target is None or not any('Label' in step.type for step in target.pipeline)
        assert made.test_dataloader.dataset.labels == str(folders / 'val/labels')
        assert ('labels of the target', '2 images, trained on') in {r[:2] for r in reasons}
        stream = DATASETS.build({**made.train_dataloader.dataset, 'seed': 0})
        paths = [stream[Position(n, 0)] for n in range(8)]
        paths = [sample.get('source', sample)['data_samples'].img_path for sample in paths]
        assert sum('/few/' in path for path in paths) == 2, method


def test_images_that_are_mixed_have_one_size_in_all_three_folders(folders):
    checked = look(folders)
    choice, _ = plan.choose(arguments(method='dacs'), checked)
    made = config.make_config(choice, checked, 'dacs', {})
    stream = DATASETS.build({**made.train_dataloader.dataset, 'seed': 0})
    shapes = {tuple(stream[n][side]['inputs'].shape) for n in range(4) for side in ('source', 'target')}
    assert len(shapes) == 1


def test_classes_weigh_what_is_drawn(folders):
    # the source shows 3/4 of class 1 and 1/4 of class 2, the few labels class 2 alone
    assert class_weights(look(folders, few=False), [1]) == [0.816, 1.414]  # (2 · 3/4)^-½, (2 · 1/4)^-½
    checked = look(folders)
    # a quarter of what is drawn is of the few: 9/16 and 7/16
    assert class_weights(checked, drawn_shares(checked)) == [0.943, 1.069]
    assert class_weights(checked, drawn_shares(checked, 0.5)) == [1.155, 0.894]  # 3/8, 5/8


def test_one_labelled_image_is_enough(folders):
    for path in (folders / 'few').rglob('1.*'):
        path.unlink()
    checked = look(folders)
    assert checked.few.names == ('0',) and (folders / 'out/check/target_few.png').is_file()


@pytest.mark.parametrize('kind', ['copied', 'linked', 'the same folder'])
def test_images_that_are_scored_on_are_not_trained_on(folders, kind):
    if kind == 'the same folder':
        shutil.rmtree(folders / 'val')
        (folders / 'val').symlink_to(folders / 'few')
    else:
        place = folders / 'val/images/sub/other.jpg'
        place.parent.mkdir()
        copy = shutil.copy if kind == 'copied' else lambda source, file: file.symlink_to(source)
        copy(folders / 'few/images/1.jpg', place)
        save(folders / 'val/labels/sub/other.png', np.full((64, 80), 2, np.uint8))
    with pytest.raises(UserError, match=r'--target-few: [12] of 2 images are among those of --target-val'):
        look(folders, val=True)


def test_scores_of_the_target_are_not_taken_on_the_source(folders):
    """They stood in the column of the target."""
    shutil.rmtree(folders / 'val')
    (folders / 'val').mkdir()
    for kind in ('images', 'labels'):
        (folders / 'val' / kind).symlink_to(folders / 'source' / kind)
    with pytest.raises(UserError, match=r'--target-val: (\d+) of its \1 images are of the source, the first is'):
        look(folders, few=False, val=True)


def test_digests_are_computed_once_a_file(tmp_path, monkeypatch):
    """Of images without compression all files have one size."""
    for n in range(6):
        (tmp_path / f'{n}.bmp').write_bytes(bytes([n]) * 9)
    paths, read = [str(tmp_path / f'{n}.bmp') for n in range(6)], []
    monkeypatch.setattr(few_labels, '_digest', lambda path: read.append(path) or path)
    few, scored = (SimpleNamespace(names=part, paths=part, images='') for part in (paths[:3], paths[3:]))
    few_labels.refuse_scored(few, [], scored)
    assert sorted(read) == paths


def test_they_pass_the_same_check_as_the_source(folders):
    save(folders / 'few/labels/0.png', np.full((64, 80), 9, np.uint8))
    with pytest.raises(UserError, match='target-few: the label files hold 1 ids'):
        look(folders)
    save(folders / 'few/labels/0.png', np.full((10, 80), 2, np.uint8))
    with pytest.raises(UserError, match='target-few: 1 of 2 files are faulty'):
        look(folders)


def test_a_share_needs_labels_and_lies_between_0_and_1(folders, run, capsys):
    words = ['--source', 'a', 'b', '--target', 'c', '--out', folders / 'out']
    for more in (['--few-share', 0.5], ['--target-few', 'd', 'e', '--few-share', 1]):
        with pytest.raises(SystemExit):
            run('adapt', *words, *more)
        assert '--few-share lies between 0 and 1' in capsys.readouterr().err


@pytest.mark.usefixtures('one_thread')
def test_from_three_folders_to_a_report_and_on_with_the_same_files(folders, run, capsys):
    out = folders / 'out'
    words = ['--source', folders / 'source/images', folders / 'source/labels', '--target', folders / 'target']
    words += ['--target-few', folders / 'few/images', folders / 'few/labels', '--few-share', 0.5, '--out', out]
    words += ['--iterations', job.FEWEST, '--network', 'small', '--method', 'cbst', '--batch-size', 2, '--predict', 0]
    assert run('adapt', *words) == 0
    assert '50 % of the labelled images that every training draws' in capsys.readouterr().out
    results = json.loads((out / 'results.json').read_text())
    assert results['labelled_images'] == {'source': 4, 'target-few': 2}
    assert [n['name'] for n in results['networks']][-1] == 'CBST' and len(results['networks']) == 3
    page = (out / 'report.html').read_text()
    assert '4 labelled images and 2 labelled ones of the target' in page
    assert 'all trained also on 2 labelled target images' in (out / 'results.md').read_text()
    save(folders / 'few/labels/1.png', np.full((64, 80), 1, np.uint8))
    assert run('adapt', *words, '--resume') == 2
    assert 'files of the labels of the target changed' in capsys.readouterr().err
