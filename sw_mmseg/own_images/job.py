"""A run of tools/adapt.py: begun, with all that was chosen written down, or found again for --resume."""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

from mmengine.config import Config

from sw_mmseg.datasets import write_class_table
from sw_mmseg.files import DamagedFileError, read_json
from sw_mmseg.own_images.config import make_config
from sw_mmseg.own_images.folders import Checked
from sw_mmseg.own_images.foreign import outputs_of
from sw_mmseg.own_images.inputs import write_inputs
from sw_mmseg.own_images.outlines import table_comments
from sw_mmseg.own_images.plan import BUDGET, Choice, choose
from sw_mmseg.own_images.training import fit, seconds_an_iteration, seconds_of_rounds
from sw_mmseg.running.command_line import command_text
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.methods import SOURCE_ONLY
from sw_mmseg.running.records import write_json
from sw_mmseg.running.rehearsal import rehearse

__all__ = [
    'FEWEST',
    'begin',
    'changed_config',
    'config_name',
    'config_texts',
    'configs',
    'resumed',
    'settings',
    'timed',
    'trained',
    'write_state',
]

FILE, DIGEST = 'adapt.json', 'digest'
FEWEST = 8  # iterations
PAYS_FROM = 300  # iterations of CBST: at 120 it lost, docs/choose.md
TRIAL = 1000  # iterations, until a measurement says how many
# what --resume may change
NOT_IN_A_RUN = {'resume', 'traceback', 'predict', 'check_only', 'local_rank', 'command', 'out'}
OPTIONS = {'given': 'from', 'more_sources': 'source'}  # where the option is called otherwise


def settings(args: argparse.Namespace) -> dict:
    """What makes a run, in JSON's terms."""
    kept = {key: value for key, value in vars(args).items() if key not in NOT_IN_A_RUN}
    return json.loads(json.dumps(kept, default=str))


def begin(args: argparse.Namespace, checked: Checked) -> dict:
    """A new run: what was chosen, with iterations that fit the budget; written to OUT/adapt.json."""
    asked, reasons = choose(args, checked)
    choice = asked
    methods = trained(args, choice)
    for method in methods:
        trial = replace(choice, iterations=args.iterations or TRIAL)
        rehearse(make_config(trial, checked, method, args.cfg_options))
    basis = 'as asked'
    if not args.iterations:
        choice, basis = timed(args, checked, choice, methods, args.budget or BUDGET[reasons[0][1]])
    crops = [f'{w}x{h}' for h, w in dict.fromkeys((choice.source_crop, choice.target_crop))]
    reasons += [
        ('crops, at most', ' and '.join(crops), 'as the images are, the long side at most twice the short one'),
        (
            'batch',
            f'{choice.batch} of each domain',
            'what fits into memory'
            if choice.batch < asked.batch
            else 'as asked'
            if args.batch_size
            else 'as in the configs of this network',
        ),
        ('iterations', f'{choice.iterations} of each training', basis + _too_short(choice)),
    ]
    state = {'arguments': settings(args), 'command': args.command, 'choice': asdict(choice), 'reasons': reasons}
    outputs = outputs_of(args.out)
    for file, text in config_texts(args, checked, choice).items():
        head = f'# Written by: {args.command}\n# Train it again: {command_text("train", file)}\n'
        outputs.write(file.name, head + text)
    with outputs.writing('classes.yaml') as part:
        write_class_table(checked.table, part, table_comments(checked.source, args.out))
    write_inputs(args.out, checked)
    write_state(args.out, state)
    return state


def _too_short(choice: Choice) -> str:
    """What is said where self-training has fewer iterations than it took to gain."""
    if choice.method != 'cbst' or choice.iterations >= PAYS_FROM:
        return ''
    return f'; below {PAYS_FROM}, self-training has been worse than source only: a longer --budget, or --method jitter'


def write_state(out: Path, state: dict) -> None:
    """OUT/adapt.json, with a digest, so that `resumed` sees whether it is as it was written."""
    write_json(out / FILE, {**state, DIGEST: _digest(state)})


def _digest(state: dict) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]


def timed(
    args: argparse.Namespace, checked: Checked, choice: Choice, methods: list[str], budget: float
) -> tuple[Choice, str]:
    """The choice with a batch that fits and iterations that take `budget` minutes, and how these were found."""
    print('timing the first iterations', flush=True)
    seconds = {}
    for method in reversed(methods):  # the larger one finds what fits into memory

        def measure(choice: Choice, method=method) -> float:
            trial = replace(choice, iterations=TRIAL)
            return seconds_an_iteration(make_config(trial, checked, method, args.cfg_options))

        choice, seconds[method] = fit(choice, measure)
    trial, once = replace(choice, iterations=TRIAL), 0.0
    for method in methods:
        config = make_config(trial, checked, method, args.cfg_options)
        seconds[method], beside = seconds_of_rounds(config, seconds[method], len(checked.target.names))
        once += beside
    count = max(FEWEST, int((60 * budget - once) / sum(seconds.values())))
    basis = ' + '.join(f'{s:.2f} s ({m})' for m, s in seconds.items()) + f' an iteration, {budget:g} minutes'
    return replace(choice, iterations=count), basis


def trained(args: argparse.Namespace, choice: Choice) -> list[str]:
    """Methods to train one after the other; the last is what is asked for."""
    comparison = [] if args.no_comparison else [SOURCE_ONLY]
    return list(dict.fromkeys([*comparison, *choice.trainings]))


def configs(choice: Choice, checked: Checked, methods: list[str], args: argparse.Namespace) -> dict[str, Config]:
    """The config of each training, with its work directory."""
    made = {method: make_config(choice, checked, method, args.cfg_options) for method in methods}
    for method, config in made.items():
        config.work_dir = str(args.out / 'runs' / method)
    return made


def resumed(args: argparse.Namespace) -> dict:
    """The run in OUT. Raises UserError, DamagedFileError: there is none, it was another, or its file was changed."""
    file = args.out / FILE
    if not file.is_file():
        raise UserError(f'--resume: no run in {args.out}; start it without --resume')
    way_out = 'it cannot go on; begin a new run with another --out'
    state = read_json(file, DIGEST, way_out=way_out)
    if state.pop(DIGEST) != _digest(state):
        raise DamagedFileError(f'{file} is damaged, or was changed: {way_out}')
    now = settings(args)
    changed = [key for key, value in state['arguments'].items() if now.get(key) != value]
    if changed:
        key = changed[0]
        raise UserError(
            f'--resume: --{OPTIONS.get(key, key).replace("_", "-")} is {now.get(key)!r} and was '
            f'{state["arguments"][key]!r} when '
            f'the run in {args.out} began, with: {state["command"]}'
        )
    return state


def config_texts(args: argparse.Namespace, checked: Checked, choice: Choice) -> dict[Path, str]:
    """File -> config that tools/train.py trains anew: OUT/config.py of the method, OUT/config_sourceonly.py."""
    texts = {}
    for method, config in configs(choice, checked, trained(args, choice), args).items():
        content = {key: value for key, value in config.to_dict().items() if key != 'work_dir'}
        texts[args.out / config_name(method, choice)] = Config(content).pretty_text
    return texts


def config_name(method: str, choice: Choice) -> str:
    """What the config of a training is called in OUT."""
    return 'config.py' if method == choice.trainings[-1] else f'config_{method}.py'


def changed_config(args: argparse.Namespace, checked: Checked, choice: Choice) -> Path | None:
    """A config in OUT that would be another now: images came or went, or the package has changed."""
    texts = config_texts(args, checked, choice)
    return next(
        (
            file
            for file, text in texts.items()
            if Config.fromfile(file).to_dict() != Config.fromstring(text, '.py').to_dict()
        ),
        None,
    )
