"""Make a network trained on your labelled images work on your unlabelled ones.

    python tools/adapt.py --source IMAGES LABELS --target IMAGES --out DIR

Folders may be nested; PNG, JPEG, TIFF, WebP and BMP of any size; labels of 8 or 16 bits, paletted, or colours that
--classes names. Everything is checked before anything is trained. DIR gets checkpoint.pth, config.py (which
tools/train.py trains again), classes.yaml, predictions/ and report.html. Ctrl-C keeps what was trained; the same
command with --resume goes on. Labels of the target are read only where --target-val gives them, and choose nothing.
"""

from __future__ import annotations

import argparse
import errno
import shlex
import sys
import warnings
from pathlib import Path

import torch
from mmengine.config import DictAction
from mmengine.registry import init_default_scope

from sw_mmseg.adaptation import running_layers
from sw_mmseg.own_images.check import check
from sw_mmseg.own_images.folders import Checked
from sw_mmseg.own_images.job import FEWEST, begin, changed_config, configs, resumed, trained
from sw_mmseg.own_images.plan import BUDGET, DEFAULT_METHOD, METHODS, NETWORKS, SOURCE_ONLY, STATISTICS, Choice, title
from sw_mmseg.own_images.report import Report, warnings_of, write_results
from sw_mmseg.own_images.training import (
    SWITCH_STEPS,
    Examiner,
    Outcome,
    learn_switches_again,
    put_switches,
    write_checkpoint,
    write_predictions,
)
from sw_mmseg.running import training
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.site_norms import NORMS
from sw_mmseg.running.tables import show

PICTURES = 6  # target images in the report
SWITCHING = ('sn', 'sw', 'swb')
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--source', nargs=2, metavar=('IMAGES', 'LABELS'), required=True, help='labelled images')
    parser.add_argument('--target', metavar='IMAGES', required=True, help='images that it shall work on, unlabelled')
    parser.add_argument('--out', type=Path, required=True, help='where everything goes')
    parser.add_argument('--classes', metavar='FILE', help='YAML: names, ids, colours; without it every id is a class')
    parser.add_argument('--target-val', nargs=2, metavar=('IMAGES', 'LABELS'), help='to report scores on, nothing else')
    parser.add_argument('--image-suffix', metavar='TEXT', help="end of image names, such as _image (default: found)")
    parser.add_argument('--label-suffix', metavar='TEXT', help="end of label names, such as _label (default: found)")
    parser.add_argument('--skip-bad', action='store_true', help='go on without faulty files and images without labels')
    parser.add_argument('--check', choices=('some', 'all'), default='some', help='how many files to read whole first')
    parser.add_argument('--check-only', action='store_true', help='stop after the checks; see DIR/check')
    parser.add_argument('--budget', type=float, metavar='MINUTES', help='of training (default: '
                        f'{BUDGET["cpu"]:.0f} without a graphics card, {BUDGET["cuda"]:.0f} with one)')
    parser.add_argument('--iterations', type=int, metavar='N', help='of each training, in place of a budget')
    parser.add_argument('--method', choices=tuple(METHODS), default=DEFAULT_METHOD,
                        help='; '.join(f'{name}: {what}' for name, what in METHODS.items()))
    parser.add_argument('--norm', choices=tuple(NORMS), default='sw', help='norm at the sites of the paper')
    parser.add_argument('--network', choices=('auto', *NETWORKS), default='auto')
    parser.add_argument('--short-side', type=int, metavar='PIXELS', help='that images are scaled to')
    parser.add_argument('--batch-size', type=int, metavar='N', help='images of each domain')
    parser.add_argument('--no-comparison', action='store_true', help='do not also train on the source alone')
    parser.add_argument('--keep-switches', action='store_true', help='do not learn the switches of SW and SN again, '
                        'after training, on source images in other light')
    parser.add_argument('--predict', default='20', metavar='N|all', help='target images to predict (default: 20)')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--resume', action='store_true', help='go on with the run in DIR')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE',
                        help='settings of the config to change, e.g. train_dataloader.num_workers=4')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    return parser


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, as given; `command` is its text."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    args.command = 'python tools/adapt.py ' + ' '.join(map(shlex.quote, words))
    for name, least in (('iterations', FEWEST), ('budget', 0.01), ('short_side', 32), ('batch_size', 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            parser.error(f'--{name.replace("_", "-")} must be at least {least}')
    if args.predict != 'all' and not args.predict.isdigit():
        parser.error('--predict takes a number or "all"')
    return args


def train(args: argparse.Namespace, choice: Choice, found: Checked) -> tuple[list[Outcome], str, Examiner]:
    """All trainings, and what their networks say; writes checkpoint.pth and predictions."""
    made = configs(choice, found, trained(args, choice), args)
    config = list(made.values())[-1]
    examiner, outcomes = Examiner(config, choice, found, PICTURES), []
    final = title(choice.method)

    def keep(name: str, model, statistics: str) -> None:
        outcomes.append(examiner.outcome(name, model, statistics))
        if name == final:
            count = None if args.predict == 'all' else int(args.predict)
            write_checkpoint(model, config, args.out / 'checkpoint.pth', found.table.names)
            written = write_predictions(model, examiner, args.out / 'predictions', count)
            print(f'{written} predictions in {args.out / "predictions"}', flush=True)

    for method, own in made.items():
        run = training.Run(choice.norm, method, choice.seed, '', {}, args.out / 'runs' / method)
        model, _ = training.train(run, own, 'adapt', f'    {title(method)}')
        for text in warnings_of(run.folder):
            print(f'{title(method)}: {text}', flush=True)
        statistics = own.model.get('statistics_from', 'source') if running_layers(model) else 'none kept'
        switches = [] if args.keep_switches else learn_switches_again(model, own)
        if switches:
            print(f'{title(method)}: switches learnt again on source images in other light', flush=True)
        keep(title(method), model, statistics + ('; switches learnt again' if switches else ''))
        if method == SOURCE_ONLY and (running_layers(model) or choice.method == STATISTICS):
            put_switches(model, switches)  # as trained: the study has not tried both together
            keep(title(STATISTICS), model, 'target, re-estimated' if examiner.estimate(model) else 'none kept')
    return outcomes, final, examiner


def learns_switches(args: argparse.Namespace) -> bool:
    """Whether the network that is kept has learnt switches again: see `train`."""
    return args.norm in SWITCHING and args.method != STATISTICS and not args.keep_switches


def commands(args: argparse.Namespace, state: dict) -> list[str]:
    """What was run, and what goes on from here."""
    out = shlex.quote(str(args.out))
    estimation = (f'python tools/analysis/reestimate_statistics.py {out}/config.py {out}/again/iter_N.pth '
                  f'{out}/again/target.pth --images-from {shlex.quote(args.target)}')
    batch = state['choice']['batch']
    switches = (f'python tools/analysis/reestimate_statistics.py {out}/config.py {out}/again/iter_N.pth '
                f'{out}/again/switches.pth --switches source --keep-statistics --batch-size {batch} '
                f'--images {SWITCH_STEPS * batch}')
    return [state['command'],
            f'python tools/train.py {out}/config.py --work-dir {out}/again',
            *([switches] if learns_switches(args) else []),
            *([estimation] if args.method == STATISTICS else []),
            f'python tools/predict.py {out}/config.py {out}/checkpoint.pth IMAGES PREDICTIONS',
            *([f'python tools/test.py {out}/config.py {out}/checkpoint.pth'] if args.target_val else [])]


def adapt(args: argparse.Namespace) -> int:
    """Check, choose, train, report. Returns the exit status."""
    init_default_scope('mmseg')
    state = resumed(args) if args.resume else None
    if not (args.resume or args.check_only) and (args.out / 'adapt.json').is_file():
        raise UserError(f'{args.out} holds a run already: go on with it by --resume, or give another --out')
    found = check(args.source, args.target, args.target_val, args.classes, args.out,
                  (args.image_suffix, args.label_suffix), args.skip_bad, args.check == 'all')
    show(found.overview())
    show(found.class_table())
    for folder in found.folders:
        for note in folder.notes:
            print(f'{folder.what}: {note}')
    print(f'Pictures of what was found: {args.out / "check"}', flush=True)
    if args.check_only:
        return 0
    state = state or begin(args, found)
    changed = args.resume and changed_config(args, found, Choice.from_dict(state['choice']))
    if changed:
        raise UserError(f'--resume: what training reads is not what it was when the run began ({changed} would be '
                        'another): have the folders or the package changed? Give another --out')
    choice = Choice.from_dict(state['choice'])
    for what, value, why in state['reasons']:
        print(f'{what}: {value} ({why})')
    outcomes, final, examiner = train(args, choice, found)
    trainings = {title(method): args.out / 'runs' / method for method in trained(args, choice)}
    table = write_results(args.out, Report(found, outcomes, final, [tuple(r) for r in state['reasons']], trainings,
                                           examiner.pictures(), commands(args, state)))
    show(table)
    print(f'Open {args.out / "report.html"}')
    return 0


def main(args: argparse.Namespace) -> int:
    """The whole tool; a full disk and an interrupt are said in a line."""
    warnings.filterwarnings('ignore')  # of libraries, between the lines of progress
    try:
        return adapt(args)
    except (training.Interrupted, KeyboardInterrupt):
        way_on = 'the same command with --resume goes on from here' if (args.out / 'adapt.json').is_file() else (
            'nothing was trained yet')
        print(f'\nStopped; {way_on}.', file=sys.stderr)
        return 130
    except torch.cuda.OutOfMemoryError as error:
        raise UserError('the memory of the graphics card is full: is something else running on it? --resume goes on; '
                        'a new run with --batch-size 1 or a smaller --short-side needs less') from error
    except OSError as error:
        if error.errno not in DISK:
            raise
        raise UserError(f'cannot write {error.filename or f"to {args.out}"}: {error.strerror}. Make room or give '
                        'another --out; what was trained is kept, --resume goes on') from error
    except RuntimeError as error:
        if 'PytorchStreamWriter' not in str(error):  # torch's word for a file that could not be written whole
            raise
        raise UserError(f'a checkpoint could not be written below {args.out}: is the disk full? --resume goes on from '
                        'the last one') from error
