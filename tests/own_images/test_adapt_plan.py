"""What tools/adapt.py chooses for the folders and the machine, and the configs it makes of that."""

import argparse
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image

from sw_mmseg.own_images import check, config, job, training
from sw_mmseg.own_images import plan as plan_module
from sw_mmseg.own_images.adapt import commands
from sw_mmseg.running.config_nodes import config_dicts
from sw_mmseg.running.errors import UserError
from tests.helpers.own_folders import save, write_folders


@pytest.fixture
def folders(tmp_path):
    return write_folders(tmp_path)


@pytest.fixture
def plan(folders):
    """Tool modules, and the folders as they were checked: sizes differ, so images are scaled and cropped."""
    modules = argparse.Namespace(plan=plan_module, config=config, check=check, runs=training, job=job)
    source = [str(folders / 'source/images'), str(folders / 'source/labels')]
    modules.checked = modules.check.check(source, str(folders / 'target'), None, None, folders / 'out')
    modules.args = argparse.Namespace(
        network='narrow',
        norm='sw',
        method='adaptsegnet',
        short_side=None,
        batch_size=None,
        iterations=100,
        seed=3,
        budget=2.0,
        no_comparison=False,
        cfg_options={},
        out=folders / 'out',
        command='adapt',
    )
    return modules


def test_sizes_follow_from_the_images(plan):
    choice, reasons = plan.plan.choose(plan.args, plan.checked)
    # the short sides are 40 and 64: both domains are scaled to 40; 80x64 becomes 50x40, cropped to multiples of 8
    assert (choice.short_side, choice.source_crop, choice.target_crop) == (40, (40, 48), (40, 48))
    assert (choice.batch, choice.norm, choice.seed) == (2, 'sw', 3)
    assert {name for name, _, _ in reasons} >= {'device', 'network', 'method', 'short side of images'}
    plan.args.short_side = 24
    with pytest.raises(UserError, match='at least 32'):
        plan.plan.choose(plan.args, plan.checked)


def test_what_does_not_fit_into_memory_is_made_smaller(plan):
    choice, _ = plan.plan.choose(plan.args, plan.checked)
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
    state = plan.job.begin(plan.args, plan.checked)
    assert state['choice']['iterations'] == 160  # 2 minutes of 0.75 s: both trainings take the same number
    config = Config.fromfile(plan.args.out / 'config.py')
    assert config.train_cfg.max_iters == 160 and config.param_scheduler.segmentor[-1].end == 160
    assert config.model.type == 'AdaptSegNet'


def test_timing_measures_and_leaves_nothing_behind(plan, monkeypatch):
    monkeypatch.setattr(plan.runs, 'TIMED', 2)
    choice, _ = plan.plan.choose(plan.args, plan.checked)
    before = set(Path(plan.args.out).rglob('*'))
    config = plan.config.make_config(choice, plan.checked, 'sourceonly', {})
    assert 0 < plan.runs.seconds_an_iteration(config) < 60
    assert set(Path(plan.args.out).rglob('*')) == before and config.custom_hooks


def test_every_method_gets_the_users_data_and_reads_no_target_label(plan):
    choice, _ = plan.plan.choose(plan.args, plan.checked)
    tried = []
    for network in plan.plan.NETWORKS:
        for method in plan.plan.available(network):
            tried.append((network, method))
            method_choice = plan.plan.replace(choice, network=network, method=method)
            config = plan.config.make_config(method_choice, plan.checked, method_choice.trainings[-1], {})
            assert {n.num_classes for n in config_dicts(config.model) if 'num_classes' in n} == {2}
            assert 'streets' not in str(config.to_dict()) and 'Accuracy' not in str(config.custom_hooks)
            assert config.val_dataloader is None and config.train_cfg.max_iters == 100
            assert max(s.get('end') or 0 for s in config_dicts(config.param_scheduler)) <= 100
            dataset = config.train_dataloader.dataset
            if 'target' in dataset:
                assert dataset.target.type == 'UnlabelledImages' and 'Label' not in str(dataset.target.pipeline)
            norms = [n.get('norm_cfg') for n in config_dicts(config.model) if n.get('type') == 'VGG16DeepLab']
            assert norms == [{'type': 'SW'}] * len(norms)
    assert {('narrow', 'adaptsegnet'), ('narrow', 'statistics'), ('vgg16', 'adaptsegnet')} <= set(tried)


def test_options_reach_both_trainings_where_they_fit(plan):
    choice, _ = plan.plan.choose(plan.args, plan.checked)
    options = {
        'model.segmentor.backbone.width': 0.5,
        'model.levels.0.lambda_adv': 0.5,
        'model.statistics_from': 'separate',  # of the method, and a word that a segmentor refuses
        'train_dataloader.batch_size': 3,
    }
    adapted, alone = (plan.config.make_config(choice, plan.checked, m, options) for m in ('adaptsegnet', 'sourceonly'))
    assert adapted.model.segmentor.backbone.width == alone.model.backbone.width == 0.5
    assert adapted.model.levels[0].lambda_adv == 0.5 and 'levels' not in alone.model
    assert adapted.model.statistics_from == 'separate' and 'statistics_from' not in alone.model
    assert adapted.train_dataloader.batch_size == alone.train_dataloader.batch_size == 3
    with pytest.raises(UserError, match="no 'modle'; did you mean model"):
        plan.config.make_config(choice, plan.checked, 'adaptsegnet', {'modle.width': 1})
    with pytest.raises(UserError, match='--cfg-options do not fit'):
        plan.config.make_config(choice, plan.checked, 'adaptsegnet', {'model.levels.7.head': 'x'})


def test_some_source_images_are_kept_apart_where_there_are_many(plan):
    assert plan.config.held_out(plan.checked.source) == 0
    many = plan.plan.replace(plan.checked, source=plan.plan.replace(plan.checked.source, names=('x',) * 1000))
    assert plan.config.held_out(many.source) == 20
    choice, _ = plan.plan.choose(plan.args, plan.checked)
    assert plan.config.test_loader(choice, many, None).dataset.held_out is True
    assert plan.config.make_config(choice, many, 'sourceonly', {}).train_dataloader.dataset.dataset.hold_out == 20


@pytest.mark.usefixtures('one_thread')
@pytest.mark.parametrize('size, words', [((64, 80), []), ((80, 64), ['--batch-size', '1'])])
def test_the_printed_command_estimates_statistics_on_what_makes_a_batch(plan, folders, size, words):
    save(folders / 'target/9.jpg', np.zeros((*size, 3), np.uint8))
    source = [str(folders / 'source/images'), str(folders / 'source/labels')]
    checked = plan.check.check(source, str(folders / 'target'), None, None, folders / 'out')
    assert len(checked.target.scan.sizes) == 1 + len(words) // 2
    args = argparse.Namespace(**{**vars(plan.args), 'method': 'statistics'})
    args.target, args.target_val, args.keep_switches = str(folders / 'target'), None, True
    choice, _ = plan.plan.choose(args, checked)
    (text,) = [t for t in commands(args, {'command': 'adapt'}, choice, 8, checked) if 'reestimate' in t]
    assert shlex.split(text)[-2 - len(words) :] == ['--images-from', args.target, *words]


def test_images_of_all_sizes_are_trained_on_and_predicted_at_their_own(folders, run):
    """Upright and wide, larger and smaller images on both sides; classes found in the labels; another method."""
    for n, (height, width) in enumerate([(96, 64), (40, 120)]):
        save(folders / f'source/images/more/{n}.png', np.zeros((height, width, 3), np.uint8))
        save(folders / f'source/labels/more/{n}.png', np.full((height, width), 300 * n, np.uint16))
        save(folders / f'target/{n}/wide.png', np.zeros((width, height, 3), np.uint8))
    words = [
        '--source',
        folders / 'source/images',
        folders / 'source/labels',
        '--target',
        folders / 'target',
        '--out',
        folders / 'out',
        '--iterations',
        8,
        '--batch-size',
        1,
        '--no-comparison',
        '--predict',
        'all',
        '--network',
        'narrow',
        '--norm',
        'in',
        '--method',
        'dacs',
    ]
    assert run('adapt', *words) == 0
    results = json.loads((folders / 'out/results.json').read_text())
    assert results['classes'] == ['class 0', 'class 1', 'class 2', 'class 300']
    assert [(n['name'], n['statistics']) for n in results['networks']] == [('DACS', 'none kept')]
    sizes = {
        str(p.relative_to(folders / 'out/predictions')): Image.open(p).size
        for p in (folders / 'out/predictions').rglob('*.png')
    }
    assert sizes == {**{f'{n}.png': (80, 64) for n in range(4)}, '0/wide.png': (96, 64), '1/wide.png': (40, 120)}
