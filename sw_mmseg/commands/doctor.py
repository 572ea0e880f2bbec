"""Find what keeps this machine, your data or a checkpoint from working: `sw-mmseg doctor [data … | checkpoint …]`.

    sw-mmseg doctor                                          versions, GPU, compiler, kernels in use
    sw-mmseg doctor data CONFIG --out DIR                    counts, sizes, classes, and pictures as training sees them
    sw-mmseg doctor data IMAGES LABELS [TARGET] --out DIR    the same of plain folders
    sw-mmseg doctor checkpoint CONFIG FILE                   entries, norms, classes, what it was trained on

A line a finding: ok, note (works, but not as well as it could) or BROKEN, and below it what mends it. Exit status: 0, 1
where anything is broken, 2 where it could not be looked at.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sw_mmseg.doctor.findings import BROKEN, Finding, lines, status
from sw_mmseg.doctor.machine import examine_machine
from sw_mmseg.doctor.versions import examine_imports, examine_versions


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    subjects = parser.add_subparsers(dest='subject', metavar='data | checkpoint')
    data = subjects.add_parser('data', help='of a config, or of folders')
    data.add_argument('words', nargs='+', metavar='CONFIG|FOLDER', help='a config; or IMAGES LABELS [TARGET_IMAGES]')
    data.add_argument('--out', type=Path, default=Path('work_dirs/doctor'), help='of the pictures')
    data.add_argument('--classes', metavar='TABLE', help='class table of the label files of folders')
    data.add_argument('--check', choices=('some', 'all'), default='some', help='how many files to read whole')
    data.add_argument('--overwrite', action='store_true', help='write over pictures that doctor did not write itself')
    data.add_argument('--number', type=int, default=4, help='pictures of a config (default: 4)')
    checkpoint = subjects.add_parser('checkpoint', help='of a training')
    checkpoint.add_argument('config', help='the config the network was trained with')
    checkpoint.add_argument('checkpoint', help='a .pth file')
    checkpoint.add_argument('--norm', type=str.lower, metavar='NORM', help="as in training, in place of the config's")
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> int:
    """Look, and say what was found."""
    if args.subject is None:
        return tell([*examine_versions(), *examine_imports()], machine=True)
    from sw_mmseg.running.start import start

    start()
    from sw_mmseg.running.command_line import run_tool

    return run_tool(look_at_data if args.subject == 'data' else look_at_checkpoint, args)


def tell(findings: list[Finding], machine: bool = False) -> int:
    """Print findings, those of the machine behind them where torch can be imported. Returns the exit status."""
    if machine and not any(finding.state == BROKEN and finding.subject == 'torch' for finding in findings):
        findings = [*findings, *examine_machine()]
    print('\n'.join(lines(findings)))
    broken = sum(finding.state == BROKEN for finding in findings)
    print(f'\n{broken} of {len(findings)} broken' if broken else '\nnothing is broken')
    return status(findings)


def look_at_data(args: argparse.Namespace) -> int:
    """Of a config or of folders."""
    from sw_mmseg.doctor.data import examine_config_data, examine_folders

    everything = args.check == 'all'
    if len(args.words) > 1 or Path(args.words[0]).is_dir():
        findings = examine_folders(args.words, args.classes, args.out, everything, args.overwrite)
        code = tell(findings)
        if not code:
            print(f'pictures in {args.out / "check"}')
        return code
    from sw_mmseg.commands.analysis import browse_dataset
    from sw_mmseg.running.configs import load_config

    code = tell(examine_config_data(load_config(args.words[0], {}), None if everything else 32))
    if not code:
        words = [
            args.words[0],
            str(args.out),
            '--number',
            str(args.number),
            *(['--overwrite'] if args.overwrite else []),
        ]
        browse_dataset.main(browse_dataset.parse_arguments(words))
    return code


def look_at_checkpoint(args: argparse.Namespace) -> int:
    """Beside its config."""
    from sw_mmseg.doctor.checkpoint import examine_checkpoint
    from sw_mmseg.running.configs import load_config

    return tell(examine_checkpoint(load_config(args.config, {}, norm=args.norm), args.checkpoint))
