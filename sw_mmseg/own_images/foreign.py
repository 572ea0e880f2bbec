"""What lies in OUT before a run begins: files of the user's are not written over, those of a run that was stopped while
it began are."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from sw_mmseg.own_images.drawn_files import has_drawn
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import RECORD, Outputs

__all__ = ['outputs_of', 'refuse_foreign']

WRITTEN = (
    'checkpoint.pth',
    'checkpoint_sourceonly.pth',
    'classes.yaml',
    'config.py',
    'config_sourceonly.py',
    'predictions',
    'report.html',
    'results.json',
    'results.md',
    'runs',
)
PROPOSED = '*.yaml'  # in OUT/check, where a table has to be named first


def outputs_of(out: Path) -> Outputs:
    """The files that a run writes while it begins. Until OUT/adapt.json is there, a record says that they are its own,
    so that the same command can begin again."""
    return Outputs(out, 'adapt')


def refuse_foreign(args: argparse.Namespace, more: Iterable[str] = ()) -> None:
    """Raises UserError where OUT holds files that a run would write over, or a run already, unless that goes on or
    nothing but a check is asked for.

    Args:
        args: the command line.
        more: names of files that this kind of run writes beside those of every run.
    """
    out = args.out
    begun = (out / 'adapt.json').is_file()
    if args.resume:
        return
    if begun and args.check_only:
        if has_drawn(out):
            raise UserError(
                f'--check-only would draw anew, from outlines, the label files of the run in {out}: give another --out'
            )
        return
    if begun:
        raise UserError(f'{out} holds a run already: go on with it by --resume, or give another --out')
    foreign = outputs_of(out).foreign((*WRITTEN, *more))
    if (
        (out / 'check').exists()
        and not (out / 'check' / 'check.json').is_file()
        and any(not file.match(PROPOSED) and file.name != RECORD for file in (out / 'check').iterdir())
    ):
        foreign.append(out / 'check')
    if foreign:
        raise UserError(
            f'{foreign[0]} is there and is not of a run of this tool: it would be written over. Give another --out'
        )
