"""How a command is run: its exit status, and what becomes of a user's mistake."""

from __future__ import annotations

import argparse
import errno
import os

import pytest

from sw_mmseg.running.command_line import run_tool
from sw_mmseg.running.errors import UserError


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """No launcher has set a rank, and the one that a command sets is forgotten afterwards."""
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.delenv('LOCAL_RANK')


@pytest.mark.parametrize(('returned', 'status'), [(None, 0), (0, 0), (3, 3)])
def test_a_command_without_common_options_runs(returned, status):
    """`dataset_converters streets` and some benchmarks have neither --local-rank nor --traceback."""
    assert run_tool(lambda args: returned, argparse.Namespace()) == status


def test_its_user_is_answered_in_one_line(capsys):

    def fail(args):
        raise UserError('no folder x:\n  give one')

    assert run_tool(fail, argparse.Namespace()) == 2
    assert capsys.readouterr().err == '\nerror: no folder x: give one\n'


@pytest.mark.parametrize(
    ('number', 'words'),
    [(errno.ENOSPC, 'written: No space left on device'), (errno.EACCES, 'opened: Permission denied')],
)
def test_a_disk_and_a_right_that_is_lacking(number, words, capsys):
    """Of a right the line does not say that it is one to write: of images and checkpoints it is one to read."""

    def fail(args):
        raise OSError(number, os.strerror(number), 'x.pth')

    assert run_tool(fail, argparse.Namespace()) == 2
    assert capsys.readouterr().err == f'\nerror: x.pth cannot be {words}\n'
