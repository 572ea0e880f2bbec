"""tools/adapt.py on tiny folders of a user's own: from folders to a report, and on after a stop."""

import json
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sw_mmseg.analysis.report import page_faults
from sw_mmseg.commands.dataset_converters import streets_folders
from sw_mmseg.datasets import read_class_table
from sw_mmseg.running import alone, training

pytestmark = pytest.mark.usefixtures('one_thread')
CLASSES = ('road', 'building', 'plants', 'sky', 'things')


@pytest.fixture(scope='module')
def user_data(streets, tmp_path_factory):
    """Six labelled, four unlabelled images and three to score on, 64x32, as tools/dataset_converters makes them."""
    out = tmp_path_factory.mktemp('mine') / 'data'
    tool = Path(__file__).resolve().parents[2] / 'tools' / 'dataset_converters' / 'streets_folders.py'
    subprocess.run([sys.executable, str(tool), str(streets.parent), str(out)], check=True, capture_output=True)
    return out


def words(user_data, out, *more):
    return [
        '--source',
        user_data / 'source/photos',
        user_data / 'source/masks',
        '--target',
        user_data / 'target/photos',
        '--classes',
        user_data / 'classes.yaml',
        '--out',
        out,
        '--iterations',
        8,
        '--network',
        'narrow',
        *more,
    ]


def validated(user_data, out, *more):
    return words(user_data, out, '--target-val', user_data / 'target_val/photos', user_data / 'target_val/masks', *more)


def predictions(out):
    return sorted((out / 'predictions').rglob('*.png'))


def test_as_many_folders_of_streets_as_none_are_refused(run, tmp_path, capsys):
    """0 was taken for all."""
    assert run('dataset_converters streets_folders', tmp_path, tmp_path / 'out', '--images', 0) == 2
    assert '--images must be at least 1' in capsys.readouterr().err and not (tmp_path / 'out').exists()


def test_streets_that_two_write_at_once_are_of_one(streets, user_data, run, tmp_path, monkeypatch, capsys):
    """The second one emptied the folder that the first one wrote to."""
    monkeypatch.setattr(alone, 'PATIENCE', 0.0)
    words = ('dataset_converters streets_folders', streets.parent, tmp_path / 'out')
    (tmp_path / '.out.part/source').mkdir(parents=True)
    (tmp_path / '.out.part/source/left').touch()  # by a call that was killed
    write, errors = streets_folders.write_folders, []

    def beside(*arguments):
        monkeypatch.setattr(streets_folders, 'write_folders', write)
        assert run(*words) == 2
        errors.append(capsys.readouterr().err)
        return write(*arguments)

    monkeypatch.setattr(streets_folders, 'write_folders', beside)
    assert run(*words) == 0 and 'another process is at work in' in errors[0]
    assert [p.name for p in tmp_path.iterdir()] == ['out']
    whole = {p.relative_to(user_data) for p in user_data.rglob('*')}
    assert {p.relative_to(tmp_path / 'out') for p in (tmp_path / 'out').rglob('*')} == whole


def test_folders_of_streets_are_what_they_say(user_data):
    table = read_class_table(user_data / 'classes.yaml')
    (labels,) = {p.parent.parent.name for p in user_data.rglob('*.png')}
    assert table.names == CLASSES and labels == 'masks' and not (user_data / 'target/masks').exists()
    counts = [len(list((user_data / part / 'photos').rglob('*.jpg'))) for part in ('source', 'target', 'target_val')]
    assert counts == [6, 4, 3]
    picture = Image.open(next((user_data / 'source/masks').rglob('*.png')))
    assert picture.mode == 'I;16' and set(np.unique(np.asarray(picture))) <= {0, 10, 20, 30, 40, 50}


@pytest.fixture(scope='module')
def adapted(user_data, tmp_path_factory):
    """A finished run with scores, by one thread like `run`: another number of them rounds otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        tool = import_module('sw_mmseg.commands.adapt')
        out = tmp_path_factory.mktemp('adapted') / 'out'
        assert tool.main(tool.parse_arguments([str(w) for w in validated(user_data, out, '--predict', 2)])) == 0
    finally:
        torch.set_num_threads(threads)
    return out


def test_everything_promised_is_there(adapted, user_data):
    names = {p.name for p in adapted.iterdir()}
    assert {
        '.written_by_sw_mmseg',
        'checkpoint.pth',
        'checkpoint_sourceonly.pth',
        'config.py',
        'config_sourceonly.py',
        'classes.yaml',
        'report.html',
        'results.json',
        'results.md',
        'predictions',
        'check',
        'adapt.json',
        'runs',
    } == names
    assert {p.name for p in (adapted / 'check').iterdir()} == {'check.json', 'inputs.json', 'source.png', 'target.png'}
    assert read_class_table(adapted / 'classes.yaml').names == CLASSES
    page = (adapted / 'report.html').read_text()
    assert not page_faults(page)
    for text in ('AdaptSegNet', 'source only + target statistics', '--target-val', 'tools/adapt.py --source', 'things'):
        assert text in page
    shown = predictions(adapted)
    assert len(shown) == 2 and {p.parent.name for p in shown} == {'north', 'south'}
    for path in shown:
        ids = np.asarray(Image.open(path))
        assert ids.shape == (32, 64) and ids.max() < len(CLASSES)
        assert path.with_name(f'{path.stem}_overlay.jpg').is_file()


def test_results_say_which_network_is_kept_and_how_it_scores(adapted):
    results = json.loads((adapted / 'results.json').read_text())
    assert [n['name'] for n in results['networks']] == ['source only', 'source only + target statistics', 'AdaptSegNet']
    assert [n['statistics'] for n in results['networks']] == [
        'source; switches learnt again',
        'target, re-estimated',
        'target; switches learnt again',
    ]
    assert results['checkpoint'] == 'AdaptSegNet' and results['classes'] == list(CLASSES)
    for network in results['networks']:
        known = [v for v in network['target'] if v is not None]
        assert network['target_mIoU'] == pytest.approx(np.mean(known)) and len(network['target']) == 5
        assert network['source'] is None  # six images: none to spare
        assert sum(network['predicted_shares']) == pytest.approx(100)


def test_checkpoint_and_config_serve_the_other_tools(adapted, user_data, run, tmp_path):
    config, checkpoint = adapted / 'config.py', adapted / 'checkpoint.pth'
    assert set(torch.load(checkpoint, weights_only=True)) == {'state_dict', 'meta'}
    assert run('test', config, checkpoint, '--work-dir', tmp_path / 'test') == 0
    scores = json.loads((tmp_path / 'test/checkpoint_metrics.json').read_text())
    results = json.loads((adapted / 'results.json').read_text())['networks'][-1]
    assert [None if v is None else pytest.approx(v) for v in results['target']] == list(scores['IoU'].values())
    assert run('predict', config, checkpoint, user_data / 'target/photos', tmp_path / 'again') == 0
    for path in predictions(adapted):
        same = tmp_path / 'again' / path.relative_to(adapted / 'predictions')
        np.testing.assert_array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(same)))


def test_the_network_that_was_not_adapted_is_kept_too(adapted, run, tmp_path):
    config, checkpoint = adapted / 'config_sourceonly.py', adapted / 'checkpoint_sourceonly.pth'
    assert run('test', config, checkpoint, '--work-dir', tmp_path / 'test') == 0
    scores = json.loads((tmp_path / 'test/checkpoint_sourceonly_metrics.json').read_text())
    results = json.loads((adapted / 'results.json').read_text())['networks'][0]
    assert [None if v is None else pytest.approx(v) for v in results['target']] == list(scores['IoU'].values())
    assert 'checkpoint_sourceonly.pth' in (adapted / 'report.html').read_text()
    assert f'{config} {checkpoint} ' in (adapted / 'report.html').read_text()  # the command that predicts with it


def test_the_config_trains_the_same_network_again(adapted, run, tmp_path):
    """All but the switches, which are learnt again afterwards."""
    assert run('train', adapted / 'config.py', '--work-dir', tmp_path) == 0
    first = torch.load(adapted / 'checkpoint.pth')['state_dict']
    again = torch.load(tmp_path / 'iter_8.pth', weights_only=False)['state_dict']
    assert first.keys() == again.keys()
    changed = {key.rpartition('.')[2] for key, value in first.items() if not torch.equal(value, again[key])}
    assert changed == {'mean_logits', 'cov_logits'}
    assert '--switches source --keep-statistics' in (adapted / 'report.html').read_text()


def test_statistics_alone_is_a_method_and_no_target_label_is_read_unless_given(user_data, run, tmp_path):
    """Labels that cannot be read lie where target labels would."""
    target, out = tmp_path / 'target', tmp_path / 'out'
    shutil.copytree(user_data / 'target/photos', target / 'photos')
    for path in list((target / 'photos').rglob('*.jpg')):
        mask = target / 'masks' / path.relative_to(target / 'photos').parent / f'{path.stem}_label.png'
        mask.parent.mkdir(parents=True, exist_ok=True)
        mask.write_bytes(b'not to be read')
    arguments = words(user_data, out, '--method', 'statistics', '--predict', 'all')
    arguments[arguments.index('--target') + 1] = target / 'photos'
    assert run('adapt', *arguments) == 0
    results = json.loads((out / 'results.json').read_text())
    assert results['checkpoint'] == 'source only + target statistics' == results['networks'][-1]['name']
    assert all(network['target'] is None for network in results['networks'])
    assert 'No labels of the target were given' in (out / 'report.html').read_text()
    assert f'{out}/config.py {out}/checkpoint_sourceonly.pth ' in (out / 'report.html').read_text()
    assert str(target / 'masks') not in (out / 'config.py').read_text() and len(predictions(out)) == 4
    kept = torch.load(out / 'checkpoint.pth')['state_dict']
    before = torch.load(out / 'runs/sourceonly/iter_8.pth', weights_only=False)['state_dict']
    changed = {key.rpartition('.')[2] for key in kept if not torch.equal(kept[key], before[key])}
    assert changed == {'running_mean', 'running_cov', 'num_batches_tracked'}


def test_a_stopped_run_goes_on_and_no_other_is_taken_for_it(user_data, run, tmp_path, monkeypatch, capsys):
    out, tool = tmp_path / 'out', import_module('sw_mmseg.commands.adapt')
    calls = []
    train = training.train

    def stopped(run, *options):
        calls.append(run.network)
        if len(calls) == 2:
            raise training.Interrupted
        return train(run, *options)

    monkeypatch.setattr(training, 'train', stopped)
    arguments = [str(w) for w in words(user_data, out, '--predict', 0, '--norm', 'bn')]
    assert tool.main(tool.parse_arguments(arguments)) == 130
    assert 'the same command with --resume goes on' in capsys.readouterr().err
    assert not (out / 'checkpoint.pth').exists() and not (out / 'report.html').exists()
    monkeypatch.setattr(training, 'train', train)
    assert run('adapt', *arguments) == 2
    assert f'error: {out} holds a run already' in capsys.readouterr().err
    assert run('adapt', *arguments, '--resume', '--norm', 'sw') == 2
    assert "--norm is 'sw' and was 'bn'" in capsys.readouterr().err
    first = (out / 'runs/sourceonly/iter_8.pth').stat().st_mtime_ns
    assert run('adapt', *arguments, '--resume') == 0
    assert (out / 'report.html').is_file() and (out / 'runs/sourceonly/iter_8.pth').stat().st_mtime_ns == first


def test_resume_refuses_other_data(user_data, adapted, run, tmp_path, capsys):
    shutil.copytree(adapted, tmp_path / 'out', ignore=shutil.ignore_patterns('runs'))
    text = (tmp_path / 'out/config.py').read_text()
    (tmp_path / 'out/config.py').write_text(text.replace('max_iters=8', 'max_iters=9'))
    assert run('adapt', *validated(user_data, tmp_path / 'out', '--resume')) == 2
    assert 'have the folders or the package changed?' in capsys.readouterr().err
