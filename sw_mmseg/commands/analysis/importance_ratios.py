"""What SW has learned to use: `tools/analysis/importance_ratios.py RUN...`, a RUN a work directory or a checkpoint.

Writes for each run a table of its layers, the network with what every site chose, and the curves of ω and ω' of every
layer over training (Figures 6 and 7 of the paper), and for all of them a bar a task (Figure 8) and one page of Markdown
that shows everything. Runs of any task of the package mix; those whose labels differ in their seeds alone are averaged
in the bars. `--docs 'figure 8'` puts the bars into docs/understanding.md, `--docs 'figures 6 and 7'` the networks and
their curves.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sw_mmseg.analysis.importance import KINDS, Layers, ratio_table, task_mean, task_table
from sw_mmseg.analysis.importance_plots import plot_network, plot_ratio_curves, plot_tasks
from sw_mmseg.analysis.style import LIGHT, figure_png
from sw_mmseg.analysis.tables import to_csv, to_markdown
from sw_mmseg.reporting.runs import Run, open_runs, ratio_curves, ratios, whose_ratios
from sw_mmseg.running import paths
from sw_mmseg.running.command_line import add_trust_argument
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs, add_overwrite
from sw_mmseg.studies.documents import fill_with_pictures

SECTIONS = ('figure 8', 'figures 6 and 7')
DOCS, IMAGES = paths.DOCS / 'understanding.md', paths.DOCS / 'images'


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', nargs='+', metavar='RUN', help='a work directory, or a checkpoint')
    parser.add_argument('--labels', nargs='+', help="a name a run (default: the folders')")
    parser.add_argument('--out', type=Path, default=Path('work_dirs/importance_ratios'))
    add_overwrite(parser)
    parser.add_argument('--docs', choices=SECTIONS, help='fill this section of docs/understanding.md')
    parser.add_argument('--traceback', action='store_true', help='show where in the code an error arose')
    parser.set_defaults(local_rank=0)
    add_trust_argument(parser)
    return parser.parse_args(arguments)


def stem_of(run: Run) -> str:
    """How the files of a run begin."""
    return run.label.replace('/', '_').replace(' ', '_')


def files(runs: list[Run]) -> list[str]:
    """All that is written.

    Raises:
        UserError: two files of one name, of runs whose labels differ in blanks or slashes alone.
    """
    ends = ('.csv', '_network.png', *(f'_{kind}.png' for kind in KINDS))
    names = ['importance_ratios.md', 'tasks.csv', 'tasks.png', *(stem_of(run) + end for run in runs for end in ends)]
    if twice := [run for run in runs if names.count(f'{stem_of(run)}.csv') > 1]:
        same = [repr(run.label) for run in twice if stem_of(run) == stem_of(twice[0])]
        raise UserError(
            f'{stem_of(twice[0])}.csv would be written twice, for {" and ".join(same)}: give other names with --labels'
        )
    return names


def write_run(outputs: Outputs, run: Run, layers: Layers) -> str:
    """The files of one run; returns its part of the page."""
    stem = stem_of(run)
    table = ratio_table(layers, f'{whose_ratios(run)}; "even": the lead of the largest is below 0.05.')
    outputs.write(f'{stem}.csv', to_csv(table))
    pictures = {f'{stem}_network.png': (lambda theme: plot_network(layers, run.label, theme), 'what each site chose')}
    curves = ratio_curves(run)
    for kind, symbol in KINDS.items() if curves else ():
        pictures[f'{stem}_{kind}.png'] = (
            lambda theme, kind=kind, symbol=symbol: plot_ratio_curves(curves, kind, f'{run.label}: {symbol}', theme),
            f'{symbol} of every layer over training',
        )
    for name, (draw, _) in pictures.items():
        outputs.write(name, figure_png(draw, LIGHT))
    parts = [
        f'## {run.label}',
        to_markdown(table).strip(),
        *(f'![{alt}]({name})' for name, (_, alt) in pictures.items()),
    ]
    if not curves:
        parts.append(f'No curves: {run.folder} has no logged ratios (`ImportanceRatioHook` writes them).')
    return '\n\n'.join(parts)


def write(outputs: Outputs, runs: list[Run], run_layers: list[Layers]) -> dict[str, str]:
    """All files; returns the page by section."""
    tasks: dict[str, list[Layers]] = {}
    for run, layers in zip(runs, run_layers):
        tasks.setdefault(run.task, []).append(layers)
    table = task_table(tasks)
    bars = {task: task_mean(networks) for task, networks in tasks.items()}
    outputs.write('tasks.csv', to_csv(table))
    outputs.write('tasks.png', figure_png(lambda theme: plot_tasks(bars, theme=theme), LIGHT))
    page = {
        'figure 8': f"{to_markdown(table).strip()}\n\n![ω' by task](tasks.png)\n",
        'figures 6 and 7': '\n\n'.join(write_run(outputs, run, layers) for run, layers in zip(runs, run_layers)) + '\n',
    }
    outputs.write('importance_ratios.md', '# Importance ratios\n\n' + '\n'.join(page.values()))
    print(to_markdown(table))
    return page


def main(args: argparse.Namespace) -> int:
    """Parse, read, write."""
    runs = open_runs(args.runs, args.labels)
    outputs = Outputs(args.out, 'importance_ratios', args.overwrite)
    outputs.refuse_existing(files(runs))
    page = write(outputs, runs, [ratios(run) for run in runs])
    if args.docs:
        fill_with_pictures(DOCS, IMAGES, args.docs, page[args.docs].replace('## ', '### '), args.out, 'understanding_')
    print(f'Written: {args.out}/importance_ratios.md and the files beside it')
    return 0
