"""From a trained network and a folder of target images to an adapted network: what tools/adapt.py --from does.

The network as it was given stands first; then the same with running statistics of the target; then, where it has
switches, with switches that the target's images chose (certainty and diversity, without labels); then self-training
without a source, which starts at the network as it was given. Labels of a few target images, where there are any,
join that self-training alone.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import nn

from sw_mmseg.adaptation import running_layers
from sw_mmseg.adaptation.estimate_switches import switch_logits
from sw_mmseg.datasets import write_class_table
from sw_mmseg.files import write_encoded
from sw_mmseg.own_images.adapt import PICTURES, show_checked
from sw_mmseg.own_images.check_target import check_target
from sw_mmseg.own_images.config import own_white
from sw_mmseg.own_images.folders import Checked
from sw_mmseg.own_images.foreign import outputs_of, refuse_foreign
from sw_mmseg.own_images.given_network import GivenNetwork, read_given
from sw_mmseg.own_images.inputs import changes, write_inputs
from sw_mmseg.own_images.job import FEWEST, TRIAL, resumed, settings, write_state
from sw_mmseg.own_images.plan import BATCH, BUDGET, SMALLEST, Choice, crop_of
from sw_mmseg.own_images.report import write_results
from sw_mmseg.own_images.report_content import Report
from sw_mmseg.own_images.source_free_config import source_free_config
from sw_mmseg.own_images.training import Examiner, Outcome, fit, seconds_an_iteration
from sw_mmseg.own_images.written import write_checkpoint, write_predictions
from sw_mmseg.running import training
from sw_mmseg.running.command_line import command_text
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.methods import STATISTICS
from sw_mmseg.running.rehearsal import rehearse
from sw_mmseg.running.tables import show

__all__ = ['METHODS', 'adapt_given']

METHODS = ('cbst', STATISTICS)  # without a source there is nothing else to learn from
GIVEN, WITH_STATISTICS, WITH_SWITCHES = 'as given', 'target statistics', 'target statistics and switches'
TRAINED, TRAINED_FEW = 'self-training without source', 'self-training and a few labels'
SIDE = 512  # of images, at most, where the given config says nothing
START = 'start.pth'
LOOKS = 1.5  # a step on labels that are there costs as much as on those made in it, less a forward pass


def adapt_given(args: argparse.Namespace) -> int:
    """Check, choose, train, report. Returns the exit status."""
    init_default_scope('mmseg')
    state = resumed(args) if args.resume else None
    refuse_foreign(args, [START])
    given = read_given(args.given, args.classes)
    checked = check_target(args, given.table)
    show_checked(checked, args.out)
    if args.check_only:
        return 0
    if args.resume and changes(args.out, checked):
        raise UserError(
            f'--resume: {changes(args.out, checked)}, since the run in {args.out} began. Put them back, or begin a new '
            'run with another --out'
        )
    state = state or begin(args, checked, given)
    choice = Choice.from_dict(state['choice'])
    for name, value, reason in state['reasons']:
        print(f'{name}: {value} ({reason})')
    config = source_free_config(choice, checked, given, args.out / START, args.cfg_options)
    examiner, outcomes, final = train(args, choice, checked, config)
    report = Report(
        checked,
        outcomes,
        final,
        [tuple(reason) for reason in state['reasons']],
        {trained_name(checked): args.out / 'runs' / choice.method} if choice.method != STATISTICS else {},
        examiner.pictures(),
        commands(args, state, choice, checked),
    )
    show(write_results(args.out, report))
    print(f'Open {args.out / "report.html"}')
    return 0


def begin(args: argparse.Namespace, checked: Checked, given: GivenNetwork) -> dict:
    """A new run: what was chosen, written to OUT/adapt.json; OUT/start.pth; OUT/config.py."""
    outputs = outputs_of(args.out)
    with outputs.writing(START) as part:
        write_encoded(part, partial(torch.save, {'state_dict': given.weights}))
    choice, reasons = choose(args, checked, given)
    make = partial(source_free_config, checked=checked, given=given, start=args.out / START, options=args.cfg_options)
    rehearse(make(choice))
    basis = 'as asked'
    if not args.iterations and choice.method != STATISTICS:
        print('timing the first iterations', flush=True)
        choice, seconds = fit(choice, lambda trial: seconds_an_iteration(make(trial)))
        budget = args.budget or BUDGET['cuda' if torch.cuda.is_available() else 'cpu']
        labelling = 2 * len(checked.target.names) * seconds / choice.batch / LOOKS
        seconds *= 2 if checked.few else 1  # timed before the first round, on the labelled ones alone
        choice = replace(choice, iterations=max(FEWEST, int((60 * budget - labelling) / seconds)))
        basis = f'{seconds:.2f} s an iteration, {budget:g} minutes'
    if choice.method != STATISTICS:
        reasons.append(('iterations', f'{choice.iterations}', basis))
    head = f'# Written by: {args.command}\n# Train it again: {command_text("train", args.out / "config.py")}\n'
    outputs.write('config.py', head + make(choice).pretty_text)
    with outputs.writing('classes.yaml') as part:
        write_class_table(checked.table, part)
    write_inputs(args.out, checked)
    state = {'arguments': settings(args), 'command': args.command, 'choice': asdict(choice), 'reasons': reasons}
    write_state(args.out, state)
    return state


def choose(
    args: argparse.Namespace, checked: Checked, given: GivenNetwork
) -> tuple[Choice, list[tuple[str, str, str]]]:
    """Sizes and batch, and (name, value, reason) of each choice; iterations are for timing where none were asked.

    Raises:
        UserError: a method that needs a source, or images too small to train on.
    """
    method = args.method or 'cbst'
    if method not in METHODS:
        raise UserError(f'--method {method} needs the source; with --from there are {", ".join(METHODS)}')
    if method == STATISTICS and checked.few:
        raise UserError('--method statistics trains nothing, and reads no label: leave out --target-few')
    native = min(checked.target.typical_size())
    side = min(args.short_side or given.side or SIDE, native) // 8 * 8
    if side < SMALLEST:
        raise UserError(f'the images are {native} pixels on their short side; at least {SMALLEST} are needed')
    batch = args.batch_size or given.config.train_dataloader.get('batch_size') or BATCH['small']
    crop = crop_of(checked.target, side)
    choice = Choice('given', '', method, side, crop, crop, batch, args.iterations or TRIAL, args.seed)
    reasons = [
        ('network', ' '.join(map(str, args.given)), 'as given; its source is not read'),
        ('method', method, 'self-training in rounds on the target alone' if method == 'cbst' else 'no training'),
        ('short side of images', f'{side} pixels', 'as asked' if args.short_side else 'as the network was trained'),
        ('batch', f'{batch} images', 'as asked' if args.batch_size else 'as the network was trained'),
    ]
    if checked.few:
        few = f'{len(checked.few.names)} images, trained on'
        reasons.append(('labels of the target', few, f'{batch} beside {batch} unlabelled ones in every iteration'))
    return choice, reasons


def train(
    args: argparse.Namespace, choice: Choice, checked: Checked, config: Config
) -> tuple[Examiner, list[Outcome], str]:
    """Every network in its turn; writes checkpoint.pth and predictions of the last one. Returns also its name."""
    config.work_dir = str(args.out / 'runs' / choice.method)
    examiner, outcomes = Examiner(config, choice, checked, PICTURES), []
    model = MODELS.build(config.model)
    model.init_weights()
    model = model.to('cuda' if torch.cuda.is_available() else 'cpu')
    outcomes.append(examiner.outcome(GIVEN, model, 'as given'))
    if running_layers(model) and examiner.estimate(model):
        outcomes.append(examiner.outcome(WITH_STATISTICS, model, 'target, re-estimated'))
    if switch_logits(model) and not args.keep_switches and examiner.choose_switches(model):
        outcomes.append(examiner.outcome(WITH_SWITCHES, model, 'target, re-estimated; switches by the target'))
    if choice.method != STATISTICS:
        run = training.Run('given', choice.method, choice.seed, '', {}, Path(config.work_dir))
        name = trained_name(checked)
        model, _ = training.train(run, config, 'adapt', f'    {name}')
        outcomes.append(examiner.outcome(name, model, 'target' if running_layers(model) else 'none kept'))
    _write(args, model, config, examiner)
    return examiner, outcomes, outcomes[-1].name


def trained_name(checked: Checked) -> str:
    """What the trained network is called."""
    return TRAINED_FEW if checked.few else TRAINED


def _write(args: argparse.Namespace, model: nn.Module, config: Config, examiner: Examiner) -> None:
    write_checkpoint(model, config, args.out / 'checkpoint.pth', examiner.checked.table.names)
    count = None if args.predict == 'all' else int(args.predict)
    write_predictions(model, examiner, args.out / 'predictions', count)


def commands(args: argparse.Namespace, state: dict, choice: Choice, checked: Checked) -> list[str]:
    """What was run, and what goes on from here."""
    config, checkpoint = args.out / 'config.py', args.out / 'checkpoint.pth'
    again = [] if choice.method == STATISTICS else [command_text('train', config, '--work-dir', args.out / 'again')]
    tests = [command_text('test', config, checkpoint, *own_white(checked))] if args.target_val else []
    predict = command_text('predict', config, checkpoint, args.target, args.out / 'more_predictions')
    return [state['command'], *again, predict, *tests]
