"""The rule of what commands may write over, and where they may write."""

import os
from argparse import Namespace
from pathlib import Path

import pytest

from sw_mmseg.running import paths
from sw_mmseg.running.command_line import command_text, run_tool, seed_number
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.failures import Failures
from sw_mmseg.running.outputs import Outputs, refuse_among_inputs
from sw_mmseg.running.prediction import find_images, names_below


def test_a_file_that_is_not_ones_own_stays(tmp_path):
    file = tmp_path / 'a.png'
    file.write_text("the user's")
    outputs = Outputs(tmp_path, 'predict')
    with pytest.raises(UserError, match=r'a\.png exists and is not of an earlier `predict`.*--overwrite'):
        outputs.refuse_existing(['a.png', 'b.png'])
    assert file.read_text() == "the user's"
    allowed = Outputs(tmp_path, 'predict', overwrite=True)
    allowed.refuse_existing(['a.png', 'b.png'])
    allowed.write('a.png', 'ours')
    assert file.read_text() == 'ours'


def test_what_the_same_command_wrote_is_written_anew_until_somebody_changes_it(tmp_path):
    Outputs(tmp_path, 'predict').write('sub/a.png', 'ours')
    again = Outputs(tmp_path, 'predict')
    again.refuse_existing(['sub/a.png'])
    with pytest.raises(UserError, match='not of an earlier `test`'):
        Outputs(tmp_path, 'test').refuse_existing(['sub/a.png'])
    (tmp_path / 'sub/a.png').write_text('edited')
    with pytest.raises(UserError, match='or changed since'):
        again.refuse_existing(['sub/a.png'])
    again = Outputs(tmp_path, 'predict', overwrite=True)
    again.write('sub/a.png', 'ours, again')
    Outputs(tmp_path, 'predict').refuse_existing(['sub/a.png'])


def test_a_file_of_the_same_size_and_another_time_is_another(tmp_path):
    Outputs(tmp_path, 'predict').write('a.png', 'ours')
    status = (tmp_path / 'a.png').stat()
    os.utime(tmp_path / 'a.png', ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    with pytest.raises(UserError, match='changed since'):
        Outputs(tmp_path, 'predict').refuse_existing(['a.png'])


def test_a_free_name(tmp_path):
    outputs = Outputs(tmp_path, 'adapt')
    assert outputs.free_name('a.yaml') == 'a.yaml'
    outputs.write('a.yaml', 'proposal')
    assert Outputs(tmp_path, 'adapt').free_name('a.yaml') == 'a.yaml'
    (tmp_path / 'a.yaml').write_text('with names put in')
    assert Outputs(tmp_path, 'adapt').free_name('a.yaml') == 'a_2.yaml'


def test_a_failed_write_leaves_what_was_there(tmp_path):
    outputs = Outputs(tmp_path, 'predict')
    outputs.write('a.png', 'whole')
    with pytest.raises(RuntimeError), outputs.writing('a.png') as part:
        part.write_text('half')
        raise RuntimeError
    assert (tmp_path / 'a.png').read_text() == 'whole' and not list(tmp_path.glob('*part*'))


def test_what_is_read_is_never_written_over(tmp_path):
    (tmp_path / 'in').mkdir()
    file = tmp_path / 'in/a.png'
    file.write_text('photograph')
    (tmp_path / 'link').symlink_to(tmp_path / 'in')
    for out in ('in', 'in/results', 'link', 'in/../in/x'):
        with pytest.raises(UserError, match='read'):
            refuse_among_inputs(tmp_path / out, tmp_path / 'in')
    refuse_among_inputs(tmp_path / 'in_results', tmp_path / 'in')
    with pytest.raises(UserError, match='one of the files that are read'):
        Outputs(tmp_path / 'link', 'predict', overwrite=True).refuse_existing(['a.png'], [file])
    with pytest.raises(UserError, match='is a folder'):
        Outputs(tmp_path, 'predict', overwrite=True).refuse_existing(['in'])


def test_names_keep_folders_and_do_not_collide(tmp_path):
    files = [tmp_path / name for name in ('a/x.png', 'b/x.png', 'b/y.jpg', 'b/y.png', 'b/y.png.jpg')]
    names = names_below(files)
    assert list(names.values()) == files and len(names) == 5
    assert names_below(files[:4]) == dict(zip(('a/x', 'b/x', 'b/y.jpg', 'b/y.png'), files))
    assert list(names_below(files[1:3])) == ['x', 'y']


def test_images_are_found_behind_links_and_hidden_ones_are_not(tmp_path):
    for name in ('in/a.jpg', 'in/._a.jpg', 'in/.cache/c.png', 'in/notes.txt', 'other/z.PNG'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('x')
    (tmp_path / 'in/more').symlink_to(tmp_path / 'other')
    (tmp_path / 'other/back').symlink_to(tmp_path / 'in')
    assert list(find_images(tmp_path / 'in')) == ['a', 'more/z']
    with pytest.raises(UserError, match='no images'):
        (tmp_path / 'empty').mkdir()
        find_images(tmp_path / 'empty')


def test_two_configs_of_one_name_do_not_share_a_work_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = paths.CONFIGS / 'bn_adaptsegnet_streets.py'
    assert paths.default_work_dir(shipped) == Path('work_dirs/bn_adaptsegnet_streets')
    places = [
        'config.py',
        'a/config.py',
        'b/config.py',
        'b/c/config.py',
        'work_dirs/a/config.py',
        'work_dirs/config.py',
        'bn_adaptsegnet_streets.py',
        '../elsewhere/config.py',
        '../elsewhere/a/config.py',
    ]
    for place in places:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_text('x = 1')
    folders = [paths.default_work_dir(Path(place)) for place in [*places, shipped]]
    assert len(set(folders)) == len(folders)
    assert paths.default_work_dir(Path('mine.py')) == Path('work_dirs/mine')
    assert folders[2] == Path('work_dirs/b/config') and folders[4] == Path('work_dirs/a/config')
    assert load_config('b/config.py', {}).work_dir == 'work_dirs/b/config'
    assert load_config('b/config.py', {}, 'mine').work_dir == 'mine'


def test_no_workers_are_not_kept(tmp_path):
    (tmp_path / 'c.py').write_text('train_dataloader = dict(num_workers=2, persistent_workers=True)')
    path = str(tmp_path / 'c.py')
    assert load_config(path, {}).train_dataloader.persistent_workers
    assert not load_config(path, {'train_dataloader.num_workers': 0}).train_dataloader.persistent_workers


def test_failures_are_counted_and_decide_the_status(capsys):
    failures = Failures()
    with failures.past():
        pass
    assert failures.status('read') == 0
    with failures.past():
        raise UserError('b.png cannot\n be read')
    assert failures.status('read') == 1 and '1 of 2 could not be read: b.png cannot be read' in capsys.readouterr().err
    with pytest.raises(ZeroDivisionError), failures.past():
        raise ZeroDivisionError
    nothing = Failures()
    with nothing.past():
        raise UserError('a.png')
    with pytest.raises(UserError, match='1 of 1 could not be read: a.png'):
        nothing.status('read')


def test_commands_for_copying_are_quoted_and_of_this_place(tmp_path, monkeypatch):
    monkeypatch.chdir(paths.REPOSITORY)
    assert command_text('analysis cost', '--out', 'a b') == "python tools/analysis/cost.py --out 'a b'"
    monkeypatch.chdir(tmp_path)
    assert command_text('train', Path('x.py')) == 'python -m sw_mmseg train x.py'
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/train.py').write_text("of OpenMMLab's")
    assert command_text('train', Path('x.py')) == 'python -m sw_mmseg train x.py'


def test_errors_name_commands_as_they_are_called_here(tmp_path, monkeypatch, capsys):
    def fail(args):
        raise UserError(
            'make them: python tools/dataset_converters/streets.py data/streets; see tools/test.py. '
            'my/tools/train.py ../tools/train.py tools/no_command.py'
        )

    for folder, text in (
        (paths.REPOSITORY, 'python tools/dataset_converters/streets.py data/streets; see tools/test.py'),
        (tmp_path, 'python -m sw_mmseg dataset_converters streets data/streets; see python -m sw_mmseg test'),
    ):
        monkeypatch.chdir(folder)
        assert run_tool(fail, Namespace()) == 2
        assert f'make them: {text}. my/tools/train.py ../tools/train.py tools/no_command.py' in capsys.readouterr().err


@pytest.mark.parametrize('text', ['-1', str(2**32), 'one', '1.5'])
def test_seeds(text):
    from argparse import ArgumentTypeError

    assert seed_number('0') == 0
    with pytest.raises(ArgumentTypeError):
        seed_number(text)
