"""The tools on tiny streets and a tiny network: train, stop, go on, test, predict, several processes."""

import csv
import json
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sw_mmseg.datasets import PALETTE
from sw_mmseg.running import evaluation
from sw_mmseg.running.checkpoints import load_weights

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def trained(tiny_config, tmp_path_factory):
    """Config and checkpoint of a finished adversarial training; made once."""
    from mmengine.config import Config
    from mmengine.runner import Runner

    path, folder = tiny_config('sw_adaptsegnet'), tmp_path_factory.mktemp('trained')
    config = Config.fromfile(path)
    config.work_dir, config.train_cfg.max_iters = str(folder), 3
    Runner.from_cfg(config).train()
    return path, folder / 'iter_3.pth'


def test_testing_writes_tables_predictions_and_pictures(trained, run, tmp_path):
    config, checkpoint = trained
    assert (
        run(
            'test',
            config,
            checkpoint,
            '--work-dir',
            tmp_path / 'w',
            '--out',
            tmp_path / 'out',
            '--show-dir',
            tmp_path / 'show',
        )
        == 0
    )
    metrics = json.loads((tmp_path / 'w' / 'iter_3_metrics.json').read_text())
    rows = list(csv.reader((tmp_path / 'w' / 'iter_3_iou.csv').open()))
    assert rows[0] == ['class', 'IoU'] and len(rows) == 21 and rows[-1][0] == 'mean'
    assert float(rows[-1][1]) == pytest.approx(metrics['mIoU'], abs=0.006)  # the metric rounds to two decimals
    assert [metrics['IoU'][name] for name, _ in rows[1:-1]] == [float(v) if v else None for _, v in rows[1:-1]]
    predictions = sorted((tmp_path / 'out').rglob('*.png'))
    assert len(predictions) == 3
    assert np.array(Image.open(predictions[0])).shape == (32, 64)
    assert len(list((tmp_path / 'show').rglob('*leftImg8bit*.png'))) == 3


def test_augmentation_at_test_time_averages_scales_and_mirrors(trained, run, tmp_path, monkeypatch):
    config, checkpoint = trained
    assert run('test', config, checkpoint, '--work-dir', tmp_path, '--tta') == 0
    augmented = json.loads((tmp_path / 'iter_3_tta_metrics.json').read_text())
    # at one scale, what is averaged is the prediction and the mirrored prediction of the mirror image: by hand
    tool = import_module('sw_mmseg.commands.test')
    monkeypatch.setattr(evaluation, 'SCALES', (1.0,))
    words = [config, str(checkpoint), '--work-dir', str(tmp_path / 'one'), '--tta', '--out', str(tmp_path / 'out')]
    assert tool.main(tool.parse_arguments(words)) == 0
    from mmengine.config import Config
    from mmseg.registry import DATASETS, MODELS

    cfg = Config.fromfile(config)
    model = MODELS.build(cfg.model).eval()
    load_weights(model, str(checkpoint))
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    assert len(dataset) == 3 and augmented['mIoU'] > 0
    for index in range(3):
        sample = dataset[index]
        path = Path(sample['data_samples'].img_path)
        image = model.data_preprocessor({'inputs': [sample['inputs']]}, False)['inputs']
        with torch.no_grad():
            plain, mirrored = (
                torch.nn.functional.interpolate(model.segmentor(x), (32, 64), mode='bilinear', align_corners=True)
                for x in (image, image.flip(-1))
            )
        expected = (plain.softmax(1) + mirrored.flip(-1).softmax(1)).argmax(1)[0].numpy()
        labels = np.array(Image.open(tmp_path / 'out' / path.parent.name / path.name))
        assert (labels == expected).mean() > 0.995  # ties at the last bit


@pytest.mark.parametrize('more', [[], ['--switches'], ['--switches', 'source', '--keep-statistics']])
def test_reestimated_statistics_change_buffers_alone_and_switches_if_asked(trained, run, tmp_path, more):
    config, checkpoint = trained
    out = tmp_path / 'new' / 'target.pth'
    assert run('analysis reestimate_statistics', config, checkpoint, out, '--images', 4, '--batch-size', 2, *more) == 0
    before, after = torch.load(checkpoint, weights_only=False)['state_dict'], torch.load(out)['state_dict']
    assert before.keys() == after.keys()
    changed = {k.rpartition('.')[2] for k in before if not torch.equal(before[k], after[k])}
    logits = {'mean_logits', 'cov_logits'} if more else set()
    statistics = set() if '--keep-statistics' in more else {'running_mean', 'running_cov', 'num_batches_tracked'}
    assert changed == statistics | logits


@pytest.mark.parametrize('more', [[], ['--switches', '--keep-statistics']])
def test_images_of_several_sizes_are_estimated_on_one_by_one(trained, run, tmp_path, capsys, more):
    for n, (width, height) in enumerate([(64, 32), (48, 32), (64, 48)]):
        pixels = np.random.default_rng(n).integers(0, 255, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f'{n}.png')
    words = [*trained, tmp_path / 'out.pth', '--images-from', tmp_path, *more]
    assert run('analysis reestimate_statistics', *words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert 'of several sizes (48x32, 64x32, 64x48)' in error and '--batch-size 1' in error
    assert not (tmp_path / 'out.pth').exists()
    assert run('analysis reestimate_statistics', *words, '--batch-size', 1) == 0


def test_without_labelled_images_no_switches_are_learnt_on_them(trained, run, tmp_path, capsys, streets):
    config, checkpoint = trained
    folder = streets / 'cityscapes' / 'leftImg8bit' / 'train'
    target = f"dict(type='UnlabelledImages', data_root='{folder}', pipeline=[])"
    dataset = f"dict(_delete_=True, type='TargetAlone', target={target}, classes='cityscapes')"
    (tmp_path / 'alone.py').write_text(f"_base_ = '{config}'\ntrain_dataloader = dict(dataset={dataset})\n")
    words = [tmp_path / 'alone.py', checkpoint, tmp_path / 'out.pth', '--switches', 'source', '--keep-statistics']
    assert run('analysis reestimate_statistics', *words) == 2
    assert 'trains on target images alone' in capsys.readouterr().err


def test_a_folder_of_images_is_segmented(trained, run, tmp_path, streets):
    config, checkpoint = trained
    images = streets / 'cityscapes' / 'leftImg8bit' / 'val'
    assert run('predict', config, checkpoint, images, tmp_path) == 0
    names = sorted(str(p.relative_to(images).with_suffix('')) for p in images.rglob('*.png'))
    assert len(names) == 3
    for name in names:
        labels = Image.open(tmp_path / f'{name}.png')
        ids = np.array(labels)
        assert labels.mode == 'P' and ids.shape == (32, 64) and ids.max() < 19
        assert (np.array(labels.convert('RGB')) == np.array(PALETTE)[ids]).all()
        assert Image.open(tmp_path / f'{name}_overlay.jpg').size == (64, 32)


def test_a_resume_that_does_not_fit_stops(tiny_config, run, trained, tmp_path, capsys):
    config = tiny_config('bn_adaptsegnet')  # the checkpoint has SW
    assert run('train', config, '--work-dir', tmp_path, '--resume', trained[1], '--check-data', 'none') == 2
    assert 'does not fit the config: it lacks' in capsys.readouterr().err


def test_blended_statistics_when_testing_and_predicting(trained, run, tmp_path, streets):
    config, checkpoint = trained
    scores = {}
    for alpha in ('0', '0.5', 'auto'):
        assert run('test', config, checkpoint, '--work-dir', tmp_path, '--blend', alpha) == 0
        scores[alpha] = json.loads((tmp_path / f'iter_3_blend{alpha}_metrics.json').read_text())
    assert run('test', config, checkpoint, '--work-dir', tmp_path) == 0
    assert scores['0'] == json.loads((tmp_path / 'iter_3_metrics.json').read_text()) != scores['0.5']
    images = streets / 'cityscapes' / 'leftImg8bit' / 'val'
    assert run('predict', config, checkpoint, images, tmp_path / 'plain') == 0
    assert run('predict', config, checkpoint, images, tmp_path / 'blended', '--blend', '1') == 0
    plain, other = (sorted((tmp_path / name).rglob('*.png')) for name in ('plain', 'blended'))
    assert any(not np.array_equal(np.array(Image.open(a)), np.array(Image.open(b))) for a, b in zip(plain, other))
