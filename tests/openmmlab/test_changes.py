"""The table of changes to foreign code: each is needed still, made once, and taken back."""

import logging

import pytest
from torch import nn

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.openmmlab import CHANGES, register, registered, unregister
from tests.helpers.slow_cases import slow
from tests.openmmlab.processes import python
from tests.openmmlab.unchanged import WITHOUT

SLOW = ('mmseg without operators',)  # imports all of mmdet anew

TABLE = {change.name: change for change in CHANGES}


@pytest.fixture
def unchanged():
    """One change by name, taken back for the test, if it is made."""
    taken = []

    def take_back(name):
        if TABLE[name] in registered():
            TABLE[name].undo()
            taken.append(TABLE[name])

    yield take_back
    for change in taken:
        change.apply()


@pytest.mark.parametrize('name', [slow(name) if name in SLOW else name for name in WITHOUT])
def test_foreign_behaviour_is_wrong_without(name, unchanged, tmp_path):
    WITHOUT[name](unchanged, tmp_path)


def test_every_change_says_what_it_is_and_has_a_test():
    assert set(TABLE) == set(WITHOUT) and len(TABLE) == len(CHANGES)
    for change in CHANGES:
        assert all((change.effect, change.reason, change.package, change.versions)), change.name


def test_changes_are_made_once_logged_and_taken_back(caplog):
    register()  # mmdet may have been imported since the plugin was
    assert registered()
    before, made = nn.SyncBatchNorm.convert_sync_batchnorm, registered()
    register()
    assert nn.SyncBatchNorm.convert_sync_batchnorm is before and registered() == made
    with caplog.at_level(logging.DEBUG, 'sw_mmseg'):
        unregister()
        assert registered() == () and nn.SyncBatchNorm.convert_sync_batchnorm is not before
        register()
    levels = {record.levelno for record in caplog.records if record.name.startswith('sw_mmseg')}
    assert levels == {logging.DEBUG} and all(change.name in caplog.text for change in made)
    assert set(registered()) == set(made)  # in another order where mmdet was imported after the plugin


def test_with_the_plugin_messages_of_imports_are_not_shown():
    """mmdet is imported late, by whatever needs it."""
    lines = python("""
        from sw_mmseg.running.start import start
        start()
        import mmdet.datasets
        from mmengine.logging import print_log
        print_log('heard')
        print('done')
    """)
    assert lines == ['heard', 'done']
