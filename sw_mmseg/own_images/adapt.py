"""From two folders to an adapted network and its report: the trainings, and what goes on from here."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.registry import init_default_scope

from sw_mmseg.adaptation import running_layers
from sw_mmseg.own_images.check import check
from sw_mmseg.own_images.class_proposals import propose
from sw_mmseg.own_images.config import own_white
from sw_mmseg.own_images.folders import Checked
from sw_mmseg.own_images.foreign import refuse_foreign
from sw_mmseg.own_images.inputs import changes
from sw_mmseg.own_images.job import begin, changed_config, config_name, configs, resumed, trained
from sw_mmseg.own_images.learning import learning_notes, source_only_note
from sw_mmseg.own_images.outlines import table_comments
from sw_mmseg.own_images.plan import Choice, title
from sw_mmseg.own_images.report import write_results
from sw_mmseg.own_images.report_content import Report
from sw_mmseg.own_images.report_sections import warnings_of
from sw_mmseg.own_images.training import SWITCH_STEPS, Examiner, Outcome, learn_switches_again, put_switches
from sw_mmseg.own_images.written import write_checkpoint, write_predictions
from sw_mmseg.running import training
from sw_mmseg.running.command_line import command_text
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.methods import SOURCE_ONLY, STATISTICS
from sw_mmseg.running.tables import show

__all__ = ['adapt']

PICTURES = 6  # target images in the report
SWITCHING = ('sn', 'sw', 'swb')
SOURCE_CHECKPOINT = 'checkpoint_sourceonly.pth'


def train(args: argparse.Namespace, choice: Choice, checked: Checked) -> tuple[list[Outcome], str, Examiner, list[str]]:
    """All trainings, what their networks say, and what is to be said of them; writes checkpoints and predictions."""
    made = configs(choice, checked, trained(args, choice), args)
    config = list(made.values())[-1]
    examiner, outcomes, notes = Examiner(config, choice, checked, PICTURES), [], []
    final = title(choice.method)

    def keep(name: str, model, statistics: str) -> None:
        outcomes.append(examiner.outcome(name, model, statistics))
        if name == final:
            count = None if args.predict == 'all' else int(args.predict)
            write_checkpoint(model, config, args.out / 'checkpoint.pth', checked.table.names)
            write_predictions(model, examiner, args.out / 'predictions', count)
        elif name == title(SOURCE_ONLY):
            write_checkpoint(model, made[SOURCE_ONLY], args.out / SOURCE_CHECKPOINT, checked.table.names)

    for method, method_config in made.items():
        run = training.Run(choice.norm, method, choice.seed, '', {}, args.out / 'runs' / method)
        model, _ = training.train(run, method_config, 'adapt', f'    {title(method)}')
        for text in warnings_of(run.folder):
            print(f'{title(method)}: {text}', flush=True)
        statistics = method_config.model.get('statistics_from', 'source') if running_layers(model) else 'none kept'
        switches = [] if args.keep_switches else learn_switches_again(model, method_config)
        if switches:
            print(f'{title(method)}: switches learnt again on source images in other light', flush=True)
        keep(title(method), model, statistics + ('; switches learnt again' if switches else ''))
        if method == SOURCE_ONLY and (running_layers(model) or choice.method == STATISTICS):
            put_switches(model, switches)  # as trained: the study has not tried both together
            keep(title(STATISTICS), model, 'target, re-estimated' if examiner.estimate(model) else 'none kept')
        if method == choice.trainings[-1]:
            kept = next(outcome for outcome in outcomes if outcome.name == final)
            treated = bool(switches) or choice.method == STATISTICS
            notes = learning_notes(examiner, model, run.folder, kept.source, treated, args)
    notes += source_only_note(outcomes, final, source_only_files(args.out, choice))
    for text in notes:
        print(text, flush=True)
    return outcomes, final, examiner, notes


def source_only_files(out: Path, choice: Choice) -> tuple[Path, Path]:
    """Config and checkpoint of the network that was not adapted."""
    return out / config_name(SOURCE_ONLY, choice), out / SOURCE_CHECKPOINT


def learns_switches(args: argparse.Namespace, choice: Choice) -> bool:
    """Whether the network that is kept has learnt switches again: see `train`."""
    return choice.norm in SWITCHING and choice.method != STATISTICS and not args.keep_switches


def commands(args: argparse.Namespace, state: dict, choice: Choice, iterations: int, checked: Checked) -> list[str]:
    """What was run, and what goes on from here; every path is there, or is written by a command before."""
    config, checkpoint, again = args.out / 'config.py', args.out / 'checkpoint.pth', args.out / 'again'
    last, batch = again / f'iter_{iterations}.pth', choice.batch
    texts = [state['command'], command_text('train', config, '--work-dir', again)]
    if learns_switches(args, choice):
        texts.append(
            command_text(
                'analysis reestimate_statistics',
                config,
                last,
                again / 'switches.pth',
                '--switches',
                'source',
                '--keep-statistics',
                '--batch-size',
                batch,
                '--images',
                SWITCH_STEPS * batch,
            )
        )
    if choice.method == STATISTICS:
        words = [config, last, again / 'target.pth', '--images-from', args.target]
        words += ['--batch-size', 1] if len(checked.target.scan.sizes) > 1 else []
        texts.append(command_text('analysis reestimate_statistics', *words))
    texts.append(command_text('predict', config, checkpoint, args.target, args.out / 'more_predictions'))
    if choice.method != SOURCE_ONLY and SOURCE_ONLY in trained(args, choice):
        files = source_only_files(args.out, choice)
        texts.append(command_text('predict', *files, args.target, args.out / 'sourceonly_predictions'))
    if args.target_val:
        texts.append(command_text('test', config, checkpoint, *own_white(checked)))
    return texts


def show_checked(checked: Checked, out: Path) -> None:
    """What the folders hold, on the terminal."""
    show(checked.overview())
    show(checked.class_table())
    for folder in checked.folders:
        for note in folder.notes:
            print(f'{folder.role}: {note}')
    print(f'Pictures of what was found: {out / "check"}', flush=True)


def refuse_changed(args: argparse.Namespace, checked: Checked, state: dict) -> None:
    """Raises UserError where files or the package differ from what they were when the run began."""
    came_or_went = changes(args.out, checked)
    if came_or_went:
        raise UserError(
            f'--resume: {came_or_went}, since the run in {args.out} began. What was trained saw the files '
            'as they were: put them back, or begin a new run with another --out'
        )
    changed = changed_config(args, checked, Choice.from_dict(state['choice']))
    if changed:
        raise UserError(
            f'--resume: what training reads is not what it was when the run began ({changed} would be '
            'another): have the folders or the package changed? Give another --out'
        )


def report(args: argparse.Namespace, state: dict, checked: Checked, choice: Choice) -> None:
    """Trains, and leaves the results in OUT."""
    outcomes, final, examiner, notes = train(args, choice, checked)
    iterations = examiner.config.train_cfg.max_iters
    trainings = {title(method): args.out / 'runs' / method for method in trained(args, choice)}
    table = write_results(
        args.out,
        Report(
            checked,
            outcomes,
            final,
            [tuple(r) for r in state['reasons']],
            trainings,
            examiner.pictures(),
            commands(args, state, choice, iterations, checked),
            notes,
        ),
    )
    show(table)
    print(f'Open {args.out / "report.html"}')


def adapt(args: argparse.Namespace) -> int:
    """Check, choose, train, report. Returns the exit status."""
    init_default_scope('mmseg')
    state = resumed(args) if args.resume else None
    refuse_foreign(args)
    checked = check(
        args.source,
        args.target,
        args.target_val,
        args.classes,
        args.out,
        (args.image_suffix, args.label_suffix),
        args.skip_bad,
        args.check == 'all',
        args.bands,
        args.target_few,
        args.more_sources,
    )
    show_checked(checked, args.out)
    if args.check_only:
        if not args.classes and not args.more_sources:
            comments = table_comments(checked.source, args.out)
            proposal = propose(checked.table, args.out, 'classes.yaml', comments)
            print(f'Class table: {proposal}; change it, and give it as --classes {proposal}')
        return 0
    if args.resume:
        refuse_changed(args, checked, state)
    state = state or begin(args, checked)
    choice = Choice.from_dict(state['choice'])
    for name, value, reason in state['reasons']:
        print(f'{name}: {value} ({reason})')
    report(args, state, checked, choice)
    return 0
