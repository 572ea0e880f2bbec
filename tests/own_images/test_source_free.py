"""tools/adapt.py --from: a trained network and target images, and no source."""

import json
import shutil

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, inference_model, init_model
from mmseg.registry import DATASETS

from sw_mmseg.datasets import read_class_table
from sw_mmseg.own_images import source_free
from tests.helpers.own_folders import save, write_folders

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A run of the tool with SW in the narrow network, and target images to score on; its source is gone."""
    from importlib import import_module

    root = write_folders(tmp_path_factory.mktemp('given'))
    rng = np.random.default_rng(3)
    for n in range(2):
        save(root / f'val/images/{n}.png', rng.integers(0, 255, (64, 80, 3), np.uint8))
        save(root / f'val/labels/{n}.png', np.full((64, 80), 1 + n, np.uint8))
    save(root / 'few/images/0.png', rng.integers(0, 255, (64, 80, 3), np.uint8))
    save(root / 'few/labels/0.png', np.full((64, 80), 2, np.uint8))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        tool = import_module('sw_mmseg.commands.adapt')
        words = ['--source', root / 'source/images', root / 'source/labels', '--target', root / 'target']
        words += ['--out', root / 'first', '--iterations', 8, '--network', 'narrow', '--no-comparison', '--predict', 0]
        assert tool.main(tool.parse_arguments(list(map(str, words)))) == 0
    finally:
        torch.set_num_threads(threads)
    shutil.rmtree(root / 'source')
    return root


def words(root, out, *more):
    return ['--from', root / 'first', '--target', root / 'target', '--out', out, '--predict', 2, *more]


@pytest.mark.slow
def test_from_a_folder_of_the_tool_to_a_report_without_any_source(trained, run, tmp_path, capsys):
    out, val = tmp_path / 'out', trained / 'val'
    more = ['--iterations', 8, '--target-val', val / 'images', val / 'labels']
    assert run('adapt', *words(trained, out, *more)) == 0
    assert 'its source is not read' in capsys.readouterr().out
    results = json.loads((out / 'results.json').read_text())
    assert [n['name'] for n in results['networks']] == [
        'as given',
        'target statistics',
        'target statistics and switches',
        'self-training without source',
    ]
    assert results['checkpoint'] == 'self-training without source' and results['labelled_images'] == {}
    assert all(n['source'] is None and len(n['target']) == 2 for n in results['networks'])
    # the given network is the one that the first run has left
    first = json.loads((trained / 'first/results.json').read_text())['networks'][-1]
    assert results['networks'][0]['ratios'] == first['ratios']
    np.testing.assert_allclose(results['networks'][0]['predicted_shares'], first['predicted_shares'], atol=1e-9)
    assert results['networks'][2]['ratios'] != first['ratios'] == results['networks'][1]['ratios']
    assert sorted(p.parent.name for p in (out / 'runs/cbst/pseudo_labels').glob('round_*/round.json')) == [
        'round_1',
        'round_2',
    ]
    assert read_class_table(out / 'classes.yaml') == read_class_table(trained / 'first/classes.yaml')
    assert 'its images are not here' in (out / 'results.md').read_text() and (out / 'report.html').is_file()
    assert len(list((out / 'predictions').glob('*.png'))) == 2
    # what is left serves the other tools, and the tool itself
    assert run('test', out / 'config.py', out / 'checkpoint.pth', '--work-dir', tmp_path / 'test') == 0
    scores = json.loads((tmp_path / 'test/checkpoint_metrics.json').read_text())
    assert list(scores['IoU'].values()) == pytest.approx(results['networks'][-1]['target'])
    assert run('train', out / 'config.py', '--work-dir', tmp_path / 'again') == 0
    again = torch.load(tmp_path / 'again/iter_8.pth', weights_only=False)['state_dict']
    saved = torch.load(out / 'checkpoint.pth')['state_dict']
    assert all(torch.equal(value, again[key]) for key, value in saved.items())
    assert run('adapt', *words(trained, out, *more), '--resume') == 0
    more = ['--target', trained / 'target', '--method', 'statistics', '--out', tmp_path / 'more', '--predict', 0]
    assert run('adapt', '--from', out, *more) == 0


@pytest.mark.slow
def test_a_few_labels_stand_in_the_source_s_place(trained, run, tmp_path, capsys):
    out, val, few = tmp_path / 'out', trained / 'val', trained / 'few'
    more = ['--target-val', val / 'images', val / 'labels', '--target-few', few / 'images', few / 'labels']
    assert run('adapt', *words(trained, out, '--iterations', 8, *more)) == 0
    assert 'labels of the target: 1 images, trained on' in capsys.readouterr().out
    results = json.loads((out / 'results.json').read_text())
    assert results['checkpoint'] == results['networks'][-1]['name'] == 'self-training and a few labels'
    assert results['labelled_images'] == {'target-few': 1}
    assert 'the last one trained also on 1 labelled target images' in (out / 'results.md').read_text()
    assert (out / 'check/target_few.png').is_file() and (out / 'runs/cbst/pseudo_labels/round_2').is_dir()
    # half of each batch is labelled, by the files of --target-few alone
    config = Config.fromfile(out / 'config.py')
    dataset = DATASETS.build(config.train_dataloader.dataset)
    pairs = [dataset.at(position, 0) for position in range(4)]
    assert {pair['source']['data_samples'].img_path for pair in pairs} == {str((few / 'images/0.png').resolve())}
    assert all((pair['source']['data_samples'].gt_sem_seg.data == 1).all() for pair in pairs)
    assert len({pair['target']['data_samples'].img_path for pair in pairs}) == 4


def test_labels_that_nothing_learns_from_or_that_are_scored_on_are_refused(trained, run, tmp_path, capsys):
    val, out = trained / 'val', tmp_path / 'out'
    more = ['--target-few', val / 'images', val / 'labels']
    assert run('adapt', *words(trained, out, *more, '--method', 'statistics')) == 2
    assert 'leave out --target-few' in capsys.readouterr().err
    assert run('adapt', *words(trained, out, *more, '--target-val', val / 'images', val / 'labels')) == 2
    assert '--target-few: 2 of 2 images are among those of --target-val' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run('adapt', *words(trained, out, *more, '--few-share', 0.5))
    assert 'half of every batch' in capsys.readouterr().err


def test_statistics_alone_train_nothing_and_name_classes_without_labels(trained, run, tmp_path):
    out, given = tmp_path / 'out', [trained / 'first/config.py', trained / 'first/checkpoint.pth']
    more = ['--target', trained / 'target', '--out', out, '--predict', 0, '--keep-switches']
    assert run('adapt', '--from', *given, *more, '--method', 'statistics') == 0
    results = json.loads((out / 'results.json').read_text())
    assert [n['name'] for n in results['networks']] == ['as given', 'target statistics']
    assert results['checkpoint'] == 'target statistics' and not list(out.rglob('iter_*.pth'))
    before = torch.load(trained / 'first/checkpoint.pth')['state_dict']
    after = torch.load(out / 'checkpoint.pth')['state_dict']
    shared = [key for key in after if key.startswith('segmentor.')]
    changed = {key.rpartition('.')[2] for key in shared if not torch.equal(after[key], before[key])}
    assert changed == {'running_mean', 'running_cov', 'num_batches_tracked'}
    named = Config.fromfile(out / 'config.py').test_dataloader.dataset.metainfo['classes']
    assert list(named) == ['class 1', 'class 2']
    assert run('predict', out / 'config.py', out / 'checkpoint.pth', trained / 'target', tmp_path / 'maps') == 0


def test_a_users_start_stays_and_a_run_that_was_stopped_while_it_began_begins_again(
    trained, run, tmp_path, capsys, monkeypatch
):
    def stopped(*_):
        raise KeyboardInterrupt

    out = tmp_path / 'out'
    out.mkdir()
    (out / 'start.pth').write_text("the user's own")
    arguments = ['adapt', *words(trained, out, '--iterations', 8)]
    assert run(*arguments) == 2
    assert f'{out}/start.pth is there and is not of a run of this tool' in capsys.readouterr().err
    assert (out / 'start.pth').read_text() == "the user's own"
    (out / 'start.pth').unlink()
    for step in ('choose', 'write_inputs', 'train'):
        with monkeypatch.context() as patch:
            patch.setattr(source_free, step, stopped)
            assert run(*arguments) == 130
    assert (out / 'adapt.json').is_file() and 'with --resume goes on' in capsys.readouterr().err


@pytest.mark.parametrize(
    'more, text',
    [
        (['--method', 'mic'], '--method mic needs the source'),
        (['--classes', 'other.yaml'], 'has the classes class 1, class 2'),
        (['--cfg-options', 'model.zom=1'], 'zom'),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_trained(trained, run, tmp_path, capsys, more, text):
    (tmp_path / 'other.yaml').write_text('classes:\n  one: 1\n  two: 2\n')
    more = [tmp_path / word if word.endswith('.yaml') else word for word in more]
    assert run('adapt', *words(trained, tmp_path / 'out', '--iterations', 8, *more)) == 2
    assert text in capsys.readouterr().err and not (tmp_path / 'out/runs').exists()


def test_mmsegs_functions_take_the_config_and_the_checkpoint_that_are_left(trained):
    files = [str(trained / 'first' / name) for name in ('config.py', 'checkpoint.pth')]
    image = str(next((trained / 'target').iterdir()))
    model = init_model(*files, device='cpu')
    assert list(model.dataset_meta['classes']) == ['class 1', 'class 2']
    labels = inference_model(model, image).pred_sem_seg.data[0].numpy()
    assert labels.shape == (64, 80) and np.array_equal(
        MMSegInferencer(*files, device='cpu')(image)['predictions'], labels
    )


def test_a_folder_without_a_network_and_a_checkpoint_that_does_not_fit(trained, run, tmp_path, capsys):
    more = ['--target', trained / 'target', '--out', tmp_path / 'out']
    assert run('adapt', '--from', trained / 'val', *more) == 2
    assert 'there is no config.py' in capsys.readouterr().err
    state = torch.load(trained / 'first/checkpoint.pth')
    state['state_dict'] = {k: v for k, v in state['state_dict'].items() if 'decode_head' not in k}
    torch.save(state, tmp_path / 'part.pth')
    assert run('adapt', '--from', trained / 'first/config.py', tmp_path / 'part.pth', *more) == 2
    assert 'does not fit the config: it lacks' in capsys.readouterr().err
    for extra, text in (
        ([], 'either --source'),
        (['--source', 'a', 'b', '--from', 'c'], 'either --source'),
        (['--from', 'c', '--norm', 'sw'], '--norm needs --source'),
        (['--from', 'c', '--no-comparison'], '--no-comparison needs --source: with --from no network is trained to be'),
    ):
        with pytest.raises(SystemExit):
            run('adapt', *extra, *more)
        assert text in capsys.readouterr().err


def test_a_check_beside_a_run_is_no_new_run(trained, run, tmp_path, capsys):
    out = tmp_path / 'out'
    assert run('adapt', *words(trained, out, '--method', 'statistics')) == 0
    before = {path: path.read_bytes() for path in out.rglob('*') if path.is_file() and path.parent.name != 'check'}
    assert run('adapt', *words(trained, out, '--check-only')) == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    assert run('adapt', *words(trained, out)) == 2
    assert 'holds a run already' in capsys.readouterr().err
