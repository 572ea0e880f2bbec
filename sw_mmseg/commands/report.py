"""One HTML file about finished runs: `tools/report.py RUN...`, a RUN a work directory or a checkpoint of any task.

Scores, curves of losses and scores, importance ratios, predictions side by side, IoU of every class, environment,
command and config. It opens offline, on a phone and in the dark, and stays below 10 MB. IoU of classes is what
tools/test.py left beside the checkpoint; `--test` measures it where that is missing. `--domain-distance` adds the
distance between source and target features by layer (see domain_distance.py), which takes forward passes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sw_mmseg.analysis import write_report
from sw_mmseg.files import DamagedFileError
from sw_mmseg.reporting.report import sections
from sw_mmseg.reporting.runs import open_runs
from sw_mmseg.running.command_line import add_trust_argument
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs, add_overwrite


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', metavar='RUN', help='a work directory, or a checkpoint')
    parser.add_argument('--labels', nargs='+', help="a name a run (default: the folders')")
    parser.add_argument(
        '--out',
        type=Path,
        help='the file (default: report.html in the run, runs_report.html '
        'where that is the report of tools/adapt.py, for several runs work_dirs/report.html)',
    )
    add_overwrite(parser)
    parser.add_argument('--title', help='of the page')
    parser.add_argument('--pictures', type=int, default=3, help='test pictures with predictions (default: 3; 0: none)')
    parser.add_argument('--test', action='store_true', help='measure IoU of every class where it is not there')
    parser.add_argument('--domain-distance', action='store_true', help='measure and show it')
    parser.add_argument('--images', type=int, default=50, help='of each domain, for the distance (default: 50)')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    add_trust_argument(parser)
    return parser.parse_args(arguments)


def default_file(folders: list[Path]) -> Path:
    """Where the report goes if nothing is said."""
    if len(folders) > 1:
        return Path('work_dirs/report.html')
    return folders[0] / ('runs_report.html' if (folders[0] / 'adapt.json').is_file() else 'report.html')


def main(args: argparse.Namespace) -> int:
    """Parse, read, write."""
    if args.pictures < 0 or args.images < 2:
        raise UserError('--pictures must be at least 0 and --images at least 2')
    runs = open_runs(args.runs, args.labels)
    out = args.out or default_file([run.folder for run in runs])
    outputs = Outputs.of_file(out, 'report', args.overwrite)
    args.words = [
        *args.runs,
        '--out',
        str(out),
        *(['--labels', *args.labels] if args.labels else []),
        *(['--test'] if args.test else []),
        *(['--domain-distance'] if args.domain_distance else []),
    ]
    title = args.title or ('Report on ' + (runs[0].label if len(runs) == 1 else f'{len(runs)} runs'))
    try:
        size = write_report(out, title, [], sections(runs, args))
    except (DamagedFileError, UnicodeError):
        raise
    except ValueError as error:
        raise UserError(f'{error} (--pictures {max(0, args.pictures - 1)}, or fewer runs)') from error
    outputs.record(out.name)
    print(f'Written: {out}, {size / 1e6:.1f} MB')
    return 0
