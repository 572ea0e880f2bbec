"""The sections of a report on runs of any task; each shows what the runs have, and is left out where it is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sw_mmseg.analysis import Section, Table, environment, page, per_class_table, plot_class_bars, plot_curves, to_html
from sw_mmseg.analysis.domain_layers import PARTS, LayerDistance, distance_table, plot_distances
from sw_mmseg.files import DamagedFileError, read_json
from sw_mmseg.reporting.runs import Run
from sw_mmseg.running.checkpoints import read_checkpoint
from sw_mmseg.running.command_line import command_text

__all__ = [
    'chart',
    'checkpoint_facts',
    'classes',
    'curves',
    'domains',
    'last_step',
    'means',
    'network_name',
    'overview',
    'repeat',
    'stored_classes',
    'study_result',
    'training_command',
]

# logged score -> its name; those of a validation come first in a table
SCORES = {
    'mIoU': 'mIoU (%)',
    'aAcc': 'pixel accuracy (%)',
    'mAcc': 'class accuracy (%)',
    'accuracy/top1': 'accuracy (%)',
    'accuracy/top5': 'top-5 accuracy (%)',
    'coco/bbox_mAP': 'box AP',
    'coco/segm_mAP': 'mask AP',
    'dis_acc_source': "discriminator's accuracy, source",
    'dis_acc_target': "discriminator's accuracy, target",
}
MOST_CHARTS = 8  # of losses


def overview(runs: Sequence[Run]) -> Section:
    """A row a run: data, iterations, last scores."""
    scores = [key for key in SCORES if any(key in run.scalars for run in runs)]
    rows = [
        (
            run.label,
            network_name(run),
            last_step(run),
            *(run.scalars[key][1][-1] if key in run.scalars else None for key in scores),
            run.checkpoint.name if run.checkpoint else None,
        )
        for run in runs
    ]
    table = Table(
        ('run', 'network', 'iterations', *(SCORES[key] for key in scores), 'checkpoint'),
        tuple(rows),
        "Last logged values. A score is of the last validation, a discriminator's of the last training log.",
        2,
    )
    silent = [run.label for run in runs if not run.scalars]
    notes = [page.paragraph(f'No logs: {", ".join(silent)}.', 'muted')] if silent else []
    return Section('Runs', (to_html(table), *notes))


def network_name(run: Run) -> str:
    """'AdaptSegNet, VGG16DeepLab'."""
    model = run.config.model
    backbone = (model.get('segmentor') or model).get('backbone') or {}
    names = [str(model.get('type', 'network')), str(backbone.get('of') or backbone.get('type') or '')]
    return ', '.join(name for name in names if name)


def last_step(run: Run) -> int | None:
    """Iterations that were logged."""
    return max((curve[0][-1] for curve in run.scalars.values()), default=None)


def curves(runs: Sequence[Run]) -> Section | None:
    """Losses, then scores that were measured more than once."""
    charts = []
    losses = list(dict.fromkeys(key for run in runs for key in run.scalars if 'loss' in key))
    losses.sort(key=lambda key: key != 'loss')
    for key in losses[:MOST_CHARTS]:
        charts.append(chart(runs, key, key, 0.8))
    for key, name in SCORES.items():
        charts.append(chart(runs, key, name, 0.8 if key.startswith('dis') else 0.0))
    charts = [drawn for drawn in charts if drawn]
    if not charts:
        return None
    undrawn = losses[MOST_CHARTS:]
    notes = [page.paragraph(f'Also logged: {", ".join(undrawn)}.', 'muted')] if undrawn else []
    return Section('Training', (page.side_by_side(charts), page.paragraph('Losses are smoothed.', 'muted'), *notes))


def chart(runs: Sequence[Run], key: str, name: str, weight: float) -> str:
    """One of them; nothing where no run has at least two points."""
    measured = {run.label: run.scalars[key] for run in runs if len(run.scalars.get(key, ([], []))[0]) > 1}
    if not measured:
        return ''
    ends = ', '.join(f'{label} ends at {values[-1]:.3g}' for label, (_, values) in measured.items())
    return page.figure(lambda theme: plot_curves(measured, key, name, theme, weight=weight), f'{name}: {ends}')


def classes(scores: dict[str, dict[str, float]]) -> Section | None:
    """IoU of every class; runs of different classes get tables of their own."""
    alike: dict[tuple[str, ...], dict[str, list[float]]] = {}
    for label, values in scores.items():
        alike.setdefault(tuple(values), {})[label] = list(values.values())
    parts = []
    for names, networks in alike.items():
        bars = page.figure(
            lambda theme, names=names, networks=networks: plot_class_bars(names, networks, theme=theme),
            'IoU of every class; the table beside it has the numbers',
        )
        parts.append(
            page.side_by_side([bars, to_html(per_class_table(names, networks, 'IoU in percent on the test pictures.'))])
        )
    return Section('Classes', tuple(parts)) if parts else None


def stored_classes(run: Run) -> dict[str, float] | None:
    """IoU by class that tools/test.py, or a study, left beside the run's checkpoint; NaN for an absent class."""
    file = run.folder / f'{run.checkpoint.stem}_metrics.json' if run.checkpoint else None
    study = study_result(run)
    content = read_json(file).get('IoU') if file and file.is_file() else (study or {}).get('class_iou')
    if not content:
        return None
    if not isinstance(content, dict) or not all(isinstance(v, int | float | None) for v in content.values()):
        raise DamagedFileError(f'{file} is damaged: its IoU is no number a class; measure again with tools/test.py')
    return {name: float('nan') if value is None else float(value) for name, value in content.items()}


def study_result(run: Run) -> dict | None:
    """What a study measured of the run in this folder."""
    file = run.folder.resolve().parent.parent / 'results' / f'{run.folder.resolve().name}.json'
    return read_json(file) if file.is_file() else None


def domains(distances: dict[str, list[LayerDistance]]) -> Section:
    """Distances between source and target, by layer."""
    charts = [
        page.figure(
            lambda theme, part=part: plot_distances(distances, part, theme=theme),
            f'{text} by layer, mean: ' + ', '.join(f'{row}' for row in means(distances, part)),
            text,
        )
        for part, text in PARTS.items()
    ]
    return Section(
        'Distance between source and target',
        (
            page.side_by_side(charts),
            to_html(
                distance_table(
                    distances, 'features', '± standard error over pictures; * p < 0.05 when pictures are exchanged.'
                )
            ),
        ),
    )


def means(distances: dict[str, list[LayerDistance]], part: str) -> list[str]:
    """'SW 0.01' for every network."""
    table = distance_table(distances, part)
    return [f'{label} {value}' for label, value in zip(distances, table.rows[-1][1:])]


def repeat(runs: Sequence[Run], command: str) -> Section:
    """Commands, environment, configs."""
    lines = [f'# {run.label}\n{training_command(run)}' for run in runs]
    parts = [
        page.commands([*lines, '# this report', command]),
        page.heading('Environment of this report'),
        page.facts(environment()),
    ]
    for run in runs:
        about = {key: str(value) for key, value in checkpoint_facts(run.checkpoint).items()}
        parts += [
            page.heading(run.label),
            page.facts({'folder': str(run.folder), **about}),
            page.details('The whole config', run.config.pretty_text),
        ]
    return Section('How to repeat it', tuple(parts))


def training_command(run: Run) -> str:
    """What trains the same again: of a study, or from the config that was dumped, which has options and seed in it."""
    study = study_result(run)
    if study and study.get('command'):
        return f'python {study["command"]}'
    dumped = sorted([*run.folder.glob('*.py'), *run.folder.glob('*/vis_data/config.py')])
    again = run.folder.resolve().with_name(f'{run.folder.resolve().name}_again')
    if dumped:
        return command_text('train', dumped[0], '--work-dir', again)
    file = run.folder / 'config.py'
    return f'# with the whole config, below, saved as {file}:\n' + command_text('train', file, '--work-dir', again)


def checkpoint_facts(checkpoint: Path | None) -> dict[str, object]:
    """What a checkpoint says of itself."""
    if checkpoint is None:
        return {}
    meta = read_checkpoint(str(checkpoint)).get('meta', {})
    names = {'iter': 'iterations', 'epoch': 'epochs', 'seed': 'seed', 'time': 'written', 'mmengine_version': 'mmengine'}
    return {'checkpoint': checkpoint.name, **{text: meta[key] for key, text in names.items() if key in meta}}
