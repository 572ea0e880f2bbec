"""tools/adapt.py before it trains: every fault of a user's folders is one line, and what is chosen fits the folders."""

import argparse
import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path)


@pytest.fixture
def folders(tmp_path):
    """Four labelled images 48x40 of ids 1 and 2, in nested folders, and four unlabelled ones, 80x64."""
    rng = np.random.default_rng(0)
    labels = np.full((40, 48), 1, np.uint8)
    labels[:10] = 2
    for n in range(4):
        save(tmp_path / f'source/images/{n % 2}/{n}.png', rng.integers(0, 255, (40, 48, 3), np.uint8))
        save(tmp_path / f'source/labels/{n % 2}/{n}.png', labels)
        save(tmp_path / f'target/{n}.jpg', rng.integers(0, 255, (64, 80, 3), np.uint8))
    return tmp_path


@pytest.fixture
def adapt(folders, run):
    """`adapt(*more)` -> exit status; the results' folder is OUT."""

    def call(*more):
        return run('adapt', '--source', folders / 'source/images', folders / 'source/labels', '--target',
                   folders / 'target', '--out', folders / 'out', '--check-only', *more)

    return call


def empty_image(root):
    (root / 'source/images/0/0.png').write_bytes(b'')


def broken_label(root):
    path = root / 'source/labels/1/1.png'
    path.write_bytes(path.read_bytes()[:60])


def other_size(root):
    save(root / 'source/labels/1/1.png', np.ones((20, 48), np.uint8))


def no_label(root):
    (root / 'source/labels/0/2.png').unlink()


def colour_labels(root):
    for path in (root / 'source/labels').rglob('*.png'):
        ids = np.asarray(Image.open(path))
        save(path, np.array([[0, 0, 0], [128, 64, 128], [70, 130, 180]], np.uint8)[ids])


def photographs_as_labels(root):
    for path in (root / 'source/labels').rglob('*.png'):
        save(path, np.random.default_rng(0).integers(0, 255, (40, 48, 3), np.uint8))


def one_image(root):
    for n in range(1, 4):
        (root / f'target/{n}.jpg').unlink()


def no_images(root):
    for path in (root / 'target').iterdir():
        path.unlink()


def broken_target(root):
    (root / 'target/0.jpg').write_bytes(b'no picture')


def nothing(root):
    pass


def table(text):
    def write(root):
        (root / 'classes.yaml').write_text(text)
    return write


@pytest.mark.parametrize(('fault', 'more', 'text'), [
    (empty_image, [], r'source: 1 of 4 files are faulty: .*0/0.png cannot be read (the file is empty)'),
    (broken_label, [], 'label file .*1/1.png cannot be read'),
    (other_size, [], '1/1.png is 48x20, its image .* 48x40'),
    (no_label, [], r'source: 1 images of .* have no label file in .*: 0/2. Compared were paths'),
    (colour_labels, [], r'colour pictures: (128, 64, 128) (75 %), (70, 130, 180) (25 %). Say what each colour is'),
    (photographs_as_labels, [], 'colour pictures with .* colours'),
    (one_image, [], r'target: .* has 1 image that can be used; at least 2'),
    (no_images, [], 'target holds no images'),
    (broken_target, [], r'target: 1 of 4 files are faulty: .*0.jpg cannot be read'),
    (table('classes: {a: 1, b: 3}'), ['--classes', 'classes.yaml'],
     r'hold 1 ids that the class table .*classes.yaml has not, .*: 2 (25 %). Add them .*"ignore: [255, 2]"'),
    (table('classes: {a: 1, b: 1}'), ['--classes', 'classes.yaml'], '1 belongs to a and to b'),
    (table('classes: {a: 7, b: 8}\nignore: [1, 2]'), ['--classes', 'classes.yaml'], 'shows any class'),
    (nothing, ['--classes', 'nowhere.yaml'], 'nowhere.yaml is missing'),
    (nothing, ['--label-suffix', '_mask'], "no labels whose name ends with '_mask'"),
    (nothing, ['--out', 'source/images/out'], 'lies in .*source/images: what is written there would be taken for data'),
    (nothing, ['--out', 'classes.yaml/out'], 'cannot write to --out'),
])
def test_a_fault_is_one_line_before_anything_is_trained(fault, more, text, adapt, folders, capsys):
    (folders / 'classes.yaml').write_text('')
    fault(folders)
    more = [folders / word if word.endswith(('.yaml', 'out')) and not word.startswith('--') else word for word in more]
    assert adapt(*more) == 2
    errors = capsys.readouterr().err
    (line, ) = [x for x in errors.splitlines() if x.startswith('error: ')]
    pattern = '.*'.join(map(re.escape, text.split('.*')))
    assert re.search(pattern, line), line
    assert 'Traceback' not in errors
    assert {p.name for p in (folders / 'out').glob('*')} <= {'check'}


@pytest.mark.parametrize('fault', [empty_image, broken_label, other_size, no_label, broken_target])
def test_what_can_be_skipped_is_counted(fault, adapt, folders, capsys):
    fault(folders)
    assert adapt('--skip-bad') == 0
    out = capsys.readouterr().out
    lost = {'no_label': '1 without a label file, 0 faulty'}.get(fault.__name__, '0 without a label file, 1 faulty')
    assert f'1 images left out: {lost}' in out
    found = json.loads((folders / 'out/check/check.json').read_text())
    assert [f['used'] for f in found['folders']] == ([4, 3] if fault is broken_target else [3, 4])


def test_colours_are_proposed_as_classes_and_then_read(adapt, folders, capsys):
    colour_labels(folders)
    assert adapt() == 2
    proposal = folders / 'out/check/colours.yaml'
    assert str(proposal) in capsys.readouterr().err
    text = proposal.read_text()
    assert '[128, 64, 128]' in text
    proposal.write_text(text.replace('colour 1', 'road'))
    assert adapt('--classes', proposal) == 0
    rows = json.loads((folders / 'out/check/check.json').read_text())['classes']
    shares = {row['class']: row['% of source'] for row in rows}
    assert shares == {'road': 75.0, 'colour 2': 25.0, '(ignored)': 0.0}


def test_labels_that_belong_to_no_image_are_told(adapt, folders, capsys):
    save(folders / 'source/labels/stray.png', np.ones((40, 48), np.uint8))
    assert adapt() == 0
    assert 'source: 1 label files belong to no image, the first is stray' in capsys.readouterr().out


def test_a_folder_that_cannot_be_written_to_and_a_full_disk(adapt, folders, monkeypatch, capsys):
    usage = shutil.disk_usage(folders)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage._replace(free=5_000_000))
    assert adapt() == 2
    assert 'has 5 MB free' in capsys.readouterr().err
    monkeypatch.undo()
    if os.geteuid():  # root may write anywhere
        (folders / 'out').chmod(0o500)
        assert adapt() == 2


def test_a_disk_that_fills_while_training_is_one_line(folders, load_tool, monkeypatch, capsys):
    tool = load_tool('adapt')

    def begin(*_):
        raise OSError(28, 'No space left on device', 'x.pth')

    monkeypatch.setattr(tool, 'begin', begin)
    words = ['--source', folders / 'source/images', folders / 'source/labels', '--target', folders / 'target', '--out',
             folders / 'out']
    assert tool.run_tool(tool.main, tool.parse_arguments([str(w) for w in words])) == 2
    assert 'error: cannot write x.pth: No space left on device. Make room' in capsys.readouterr().err


@pytest.fixture
def plan(load_tool, folders):
    """Tool modules, and the folders as they were checked: sizes differ, so images are scaled and cropped."""
    load_tool('adapt')
    names = ('_adapt_plan', '_adapt_config', '_adapt_check', '_adapt_runs', '_adapt_job')
    modules = argparse.Namespace(**{name.removeprefix('_adapt_'): sys.modules[name] for name in names})
    source = [str(folders / 'source/images'), str(folders / 'source/labels')]
    modules.found = modules.check.check(source, str(folders / 'target'), None, None, folders / 'out')
    modules.args = argparse.Namespace(network='narrow', norm='sw', method='adaptsegnet', short_side=None,
                                      batch_size=None, iterations=100, seed=3, budget=2.0, no_comparison=False,
                                      cfg_options={}, out=folders / 'out', command='adapt')
    return modules


def test_sizes_follow_from_the_images(plan):
    choice, reasons = plan.plan.choose(plan.args, plan.found)
    # the short sides are 40 and 64: both domains are scaled to 40; 80x64 becomes 50x40, cropped to multiples of 8
    assert (choice.short_side, choice.source_crop, choice.target_crop) == (40, (40, 48), (40, 48))
    assert (choice.batch, choice.norm, choice.seed) == (2, 'sw', 3)
    assert {what for what, _, _ in reasons} >= {'device', 'network', 'method', 'short side of images'}
    plan.args.short_side = 24
    with pytest.raises(plan.check.UserError, match='at least 32'):
        plan.plan.choose(plan.args, plan.found)


def test_what_does_not_fit_into_memory_is_made_smaller(plan):
    choice, _ = plan.plan.choose(plan.args, plan.found)
    choice = plan.plan.replace(choice, batch=4, source_crop=(512, 1024), target_crop=(512, 512))
    seen = []

    def measure(choice):
        seen.append((choice.batch, choice.source_crop, choice.target_crop))
        if choice.source_crop[1] > 600:
            raise torch.cuda.OutOfMemoryError
        return 0.5

    fitting, seconds = plan.runs.fit(choice, measure)
    assert seconds == 0.5 and [s[0] for s in seen] == [4, 2, 1, 1, 1]
    assert [s[1] for s in seen[2:]] == [(512, 1024), (384, 768), (288, 576)] and fitting.target_crop == (288, 288)


def test_iterations_follow_from_the_budget(plan, monkeypatch):
    seconds = {'SelfTraining': 1.0, 'AdaptSegNet': 0.5, 'MultiLevelSegmentor': 0.25}
    monkeypatch.setattr(plan.job, 'seconds_an_iteration', lambda config: seconds[config.model.type])
    plan.args.iterations = None
    state = plan.job.begin(plan.args, plan.found)
    assert state['choice']['iterations'] == 160  # 2 minutes of 0.75 s: both trainings take the same number
    config = Config.fromfile(plan.args.out / 'config.py')
    assert config.train_cfg.max_iters == 160 and config.param_scheduler.segmentor[-1].end == 160
    assert config.model.type == 'AdaptSegNet'


def test_timing_measures_and_leaves_nothing_behind(plan, monkeypatch):
    monkeypatch.setattr(plan.runs, 'TIMED', 2)
    choice, _ = plan.plan.choose(plan.args, plan.found)
    before = set(Path(plan.args.out).rglob('*'))
    config = plan.config.make_config(choice, plan.found, 'sourceonly', {})
    assert 0 < plan.runs.seconds_an_iteration(config) < 60
    assert set(Path(plan.args.out).rglob('*')) == before and config.custom_hooks


def test_every_method_gets_the_users_data_and_reads_no_target_label(plan):
    choice, _ = plan.plan.choose(plan.args, plan.found)
    tried = []
    for network in plan.plan.NETWORKS:
        for method in plan.plan.available(network):
            tried.append((network, method))
            own = plan.plan.replace(choice, network=network, method=method)
            config = plan.config.make_config(own, plan.found, own.trainings[-1], {})
            assert {n.num_classes for n in plan.config.nodes(config.model) if 'num_classes' in n} == {2}
            assert 'streets' not in str(config.to_dict()) and 'Accuracy' not in str(config.custom_hooks)
            assert config.val_dataloader is None and config.train_cfg.max_iters == 100
            assert max(s.get('end') or 0 for s in plan.config.nodes(config.param_scheduler)) <= 100
            dataset = config.train_dataloader.dataset
            if 'target' in dataset:
                assert dataset.target.type == 'UnlabelledImages' and 'Label' not in str(dataset.target.pipeline)
            norms = [n.get('norm_cfg') for n in plan.config.nodes(config.model) if n.get('type') == 'VGG16DeepLab']
            assert norms == [{'type': 'SW'}] * len(norms)
    assert {('narrow', 'adaptsegnet'), ('narrow', 'statistics'), ('vgg16', 'adaptsegnet')} <= set(tried)


def test_options_reach_both_trainings_where_they_fit(plan):
    choice, _ = plan.plan.choose(plan.args, plan.found)
    options = {'model.segmentor.backbone.width': 0.5, 'model.levels.0.lambda_adv': 0.5,
               'train_dataloader.batch_size': 3}
    adapted, alone = (plan.config.make_config(choice, plan.found, m, options) for m in ('adaptsegnet', 'sourceonly'))
    assert adapted.model.segmentor.backbone.width == alone.model.backbone.width == 0.5
    assert adapted.model.levels[0].lambda_adv == 0.5 and 'levels' not in alone.model
    assert adapted.train_dataloader.batch_size == alone.train_dataloader.batch_size == 3
    with pytest.raises(plan.check.UserError, match="no 'modle'; did you mean model"):
        plan.config.make_config(choice, plan.found, 'adaptsegnet', {'modle.width': 1})
    with pytest.raises(plan.check.UserError, match='--cfg-options do not fit'):
        plan.config.make_config(choice, plan.found, 'adaptsegnet', {'model.levels.7.head': 'x'})


def test_some_source_images_are_kept_apart_where_there_are_many(plan):
    assert plan.config.held_out(plan.found) == 0
    many = plan.plan.replace(plan.found, source=plan.plan.replace(plan.found.source, names=('x',) * 1000))
    assert plan.config.held_out(many) == 20
    choice, _ = plan.plan.choose(plan.args, plan.found)
    assert plan.config.test_loader(choice, many, None).dataset.held_out is True
    assert plan.config.make_config(choice, many, 'sourceonly', {}).train_dataloader.dataset.dataset.hold_out == 20


@pytest.mark.usefixtures('one_thread')
def test_images_of_all_sizes_are_trained_on_and_predicted_at_their_own(folders, run):
    """Upright and wide, larger and smaller images on both sides; classes found in the labels; another method."""
    for n, (height, width) in enumerate([(96, 64), (40, 120)]):
        save(folders / f'source/images/more/{n}.png', np.zeros((height, width, 3), np.uint8))
        save(folders / f'source/labels/more/{n}.png', np.full((height, width), 300 * n, np.uint16))
        save(folders / f'target/{n}/wide.png', np.zeros((width, height, 3), np.uint8))
    words = ['--source', folders / 'source/images', folders / 'source/labels', '--target', folders / 'target',
             '--out', folders / 'out', '--iterations', 8, '--batch-size', 1, '--no-comparison', '--predict', 'all',
             '--norm', 'in', '--method', 'dacs']
    assert run('adapt', *words) == 0
    results = json.loads((folders / 'out/results.json').read_text())
    assert results['classes'] == ['class 0', 'class 1', 'class 2', 'class 300']
    assert [(n['name'], n['statistics']) for n in results['networks']] == [('DACS', 'none kept')]
    sizes = {str(p.relative_to(folders / 'out/predictions')): Image.open(p).size
             for p in (folders / 'out/predictions').rglob('*.png')}
    assert sizes == {**{f'{n}.png': (80, 64) for n in range(4)}, '0/wide.png': (96, 64), '1/wide.png': (40, 120)}
