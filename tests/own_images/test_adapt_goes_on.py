"""tools/adapt.py keeps what was done, goes on with the same files alone, and finds mistakes before it trains."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sw_mmseg.own_images import job, written
from sw_mmseg.running import training
from tests.helpers.own_folders import save, write_folders

pytestmark = pytest.mark.usefixtures('one_thread')


def words(root, *more, out='out'):
    return (
        'adapt',
        '--source',
        root / 'source/images',
        root / 'source/labels',
        '--target',
        root / 'target',
        '--out',
        root / out,
        '--iterations',
        8,
        '--batch-size',
        1,
        '--network',
        'narrow',
        '--norm',
        'bn',
        *more,
    )


@pytest.fixture(scope='module')
def finished(tmp_path_factory, streets):
    """Folders, one with a blank in its name, and a finished run beside them."""
    from importlib import import_module

    from sw_mmseg.running.command_line import run_tool

    root = write_folders(tmp_path_factory.mktemp('my images'))
    tool = import_module('sw_mmseg.commands.adapt')
    arguments = [str(word) for word in words(root, '--no-comparison', '--predict', 'all', '--norm', 'sw')[1:]]
    assert run_tool(tool.main, tool.parse_arguments(arguments)) == 0
    return root


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of both, as a run that began there."""
    root = tmp_path / 'copy'
    shutil.copytree(finished, root)
    config, state = root / 'out/config.py', (root / 'out/adapt.json').read_text()
    config.write_text(config.read_text().replace(str(finished), str(root)))
    state = json.loads(state.replace(str(finished), str(root)))
    del state['digest']
    job.write_state(root / 'out', state)
    return root


def resume(root):
    return words(root, '--no-comparison', '--predict', 'all', '--norm', 'sw', '--resume')


@pytest.mark.parametrize(
    'change, text',
    [
        (
            lambda root: save(root / 'target/9.jpg', np.zeros((64, 80, 3), np.uint8)),
            '1 files of the target images came (9)',
        ),
        (lambda root: (root / 'target/3.jpg').unlink(), '1 files of the target images went (3)'),
        (
            lambda root: save(root / 'source/images/0/0.png', np.ones((40, 48, 3), np.uint8)),
            '1 files of the source images changed (0/0)',
        ),
        (
            lambda root: save(root / 'source/labels/1/1.png', np.full((40, 48), 2, np.uint8)),
            '1 files of the source labels changed (1/1)',
        ),
    ],
)
def test_resume_goes_on_with_the_same_files_alone(copied, run, capsys, change, text):
    before = (copied / 'out/report.html').read_bytes()
    change(copied)
    assert run(*resume(copied)) == 2
    error = capsys.readouterr().err
    assert text in error and 'begin a new run with another --out' in error
    assert (copied / 'out/report.html').read_bytes() == before


def test_a_run_whose_state_was_changed_does_not_go_on(copied, run, capsys):
    file = copied / 'out/adapt.json'
    whole = file.read_text()
    changed = [whole.replace('"iterations": 8', '"iterations": 9'), whole[:-9], '[]', '{}']
    assert whole not in changed
    for text in changed:
        file.write_text(text)
        assert run(*resume(copied)) == 2
        error = capsys.readouterr().err
        assert str(file) in error and 'begin a new run with another --out' in error


def test_predictions_that_an_interrupt_left_are_kept(copied, run, monkeypatch, capsys):
    """The third image is never predicted at first; the second call predicts what is missing, and no more."""
    whole = {path.name: path.read_bytes() for path in (copied / 'out/predictions').rglob('*.[pj]*')}
    assert len(whole) == 8
    shutil.rmtree(copied / 'out/predictions')
    segment, done = written.segment_pixels, []

    def stopped(model, pipeline, image):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(1)
        return segment(model, pipeline, image)

    monkeypatch.setattr(written, 'segment_pixels', stopped)
    assert run(*resume(copied)) == 130
    assert 'the same command with --resume goes on' in capsys.readouterr().err
    assert not (copied / 'out/predictions').exists()
    count = []
    monkeypatch.setattr(written, 'segment_pixels', lambda *arguments: count.append(1) or segment(*arguments))
    assert run(*resume(copied)) == 0
    assert len(count) == 2 and '4 predictions in' in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (copied / 'out/predictions').rglob('*.[pj]*')} == whole
    assert not (copied / 'out/.predictions.part').exists()


def test_predictions_that_a_user_changed_are_moved_aside(copied, run, capsys):
    folder = copied / 'out/predictions'
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(*resume(copied), '--predict', 0) == 0
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before and len(before) > 8
    assert not (copied / 'out/.predictions.part').exists() and 'predictions in' not in capsys.readouterr().out
    (folder / '0.png').write_bytes(b'corrected by hand')
    (folder / 'notes.txt').write_text('mine')
    for aside in (True, False):
        assert run(*resume(copied)) == 0
        text = capsys.readouterr().out
        assert {path.name for path in folder.iterdir()} == before.keys() and '4 predictions in' in text
        assert ('predictions.before' in text) == aside
    kept = copied / 'out/predictions.before'
    assert (kept / '0.png').read_bytes() == b'corrected by hand' and (kept / 'notes.txt').read_text() == 'mine'
    assert not (copied / 'out/predictions.before2').exists()


def test_predictions_of_another_network_are_not_kept(copied, run):
    part = copied / 'out/.predictions.part'
    shutil.move(copied / 'out/predictions', part)
    (part / '.network').write_text('another')
    for path in part.glob('*.png'):
        path.write_bytes(b'of another network')
    assert run(*resume(copied)) == 0
    assert all(Image.open(path).size == (80, 64) for path in (copied / 'out/predictions').glob('*.png'))


@pytest.mark.parametrize(
    'option, word',
    [
        ('model.levels.0.lamda_adv=0.1', 'lamda_adv'),
        ('optim_wrapper.discriminator.optimizer.lrr=1', 'lrr'),
        ('param_scheduler.discriminator.0.powr=1', 'powr'),
        ('test_dataloader.batch_sise=4', 'batch_sise'),
        ('default_hooks.checkpoint.intervall=5', 'interval?'),
    ],
)
def test_a_typo_is_found_before_the_first_training(finished, run, tmp_path, capsys, monkeypatch, option, word):
    """It is in the second training's config alone, or is used after both."""
    monkeypatch.setattr(training, 'train', lambda *_: pytest.fail('trained'))
    monkeypatch.setattr('sw_mmseg.own_images.job.seconds_an_iteration', lambda *_: pytest.fail('timed'))
    arguments = words(finished, '--cfg-options', option)
    assert run(*arguments[:7], tmp_path / 'new', *arguments[8:]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: the config does not build') and word in error
    assert not (tmp_path / 'new/adapt.json').exists()


@pytest.mark.parametrize('name', ['report.html', 'config.py', 'predictions', 'runs', 'check'])
def test_what_is_not_of_a_run_is_not_written_over(finished, run, tmp_path, capsys, name):
    file = tmp_path / 'new' / name
    if '.' not in name:
        file = file / 'mine.txt'
    file.parent.mkdir(parents=True)
    file.write_text("the user's own")
    arguments = words(finished)
    assert run(*arguments[:7], tmp_path / 'new', *arguments[8:]) == 2
    assert f'{tmp_path}/new/{name} is there and is not of a run of this tool' in capsys.readouterr().err
    assert file.read_text() == "the user's own" and len(list((tmp_path / 'new').rglob('*'))) <= 2


@pytest.mark.parametrize('step', ['write_class_table', 'write_inputs', 'write_state'])
def test_a_run_that_was_stopped_while_it_began_begins_again(finished, run, tmp_path, capsys, monkeypatch, step):
    def stopped(*_):
        raise KeyboardInterrupt

    arguments = words(finished, '--no-comparison')
    arguments = *arguments[:7], tmp_path / 'new', *arguments[8:]
    with monkeypatch.context() as patch:
        patch.setattr(job, step, stopped)
        assert [run(*arguments), run(*arguments)] == [130, 130]
    config = tmp_path / 'new/config.py'
    assert config.is_file() and not (tmp_path / 'new/adapt.json').exists()
    whole = config.read_text()
    config.write_text(whole.replace('max_iters=8', 'max_iters=9'))  # a user's file now
    assert run(*arguments) == 2
    assert f'{config} is there and is not of a run of this tool' in capsys.readouterr().err
    config.unlink()
    monkeypatch.setattr(training, 'train', stopped)
    assert run(*arguments) == 130
    assert config.read_text() == whole and (tmp_path / 'new/adapt.json').is_file()
    assert 'the same command with --resume goes on' in capsys.readouterr().err


def test_commands_of_a_report_can_be_copied(finished, run, capsys, monkeypatch):
    """Quoted where paths have blanks; each path is there, or is written by a command before."""
    commands = json.loads((finished / 'out/results.json').read_text())['commands']
    assert not [text for text in commands if 'iter_N' in text or 'IMAGES' in text or 'NEW_FOLDER' in text]
    tools = [shlex.split(text) for text in commands]
    assert [tool[1] for tool in tools] == [
        'tools/adapt.py',
        'tools/train.py',
        'tools/analysis/reestimate_statistics.py',
        'tools/predict.py',
    ]
    head = (finished / 'out/config.py').read_text().splitlines()[1]
    assert shlex.split(head.removeprefix('# Train it again: ')) == [
        'python',
        'tools/train.py',
        str(finished / 'out/config.py'),
    ]
    for tool in tools[1:]:
        name = ' '.join(Path(tool[1]).with_suffix('').parts[1:])
        assert run(name, *tool[2:]) == 0, capsys.readouterr().err
    assert len(list((finished / 'out/more_predictions').glob('*_overlay.jpg'))) == 4
    assert re.search(r'Estimated: switches', capsys.readouterr().out)
    shutil.rmtree(finished / 'out/again')


def test_seeds_below_zero_are_no_seeds(finished, run, capsys):
    with pytest.raises(SystemExit):
        run(*words(finished, '--seed', -1))
    assert '--seed: -1 is no seed' in capsys.readouterr().err
