"""What the classification study writes: tables, training curves, curves of the importance ratios."""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from sw_mmseg.analysis import ILLUMINATION, Table, mean_std, plot_curves, read_scalars, to_csv, to_markdown
from sw_mmseg.analysis.style import LIGHT
from sw_mmseg.whitening import NORMS

__all__ = [
    'LABELS',
    'PAPER',
    'Result',
    'error_curves',
    'error_table',
    'over_seeds',
    'ratio_curves',
    'ratio_figures',
    'robustness_table',
    'tables',
    'write',
]

# Table 2 of the paper and its text: test error in percent
PAPER = {
    ('resnet20', 'cifar10'): dict(bn=8.45, sn=8.34, bw=8.28, iw=12.57, sw=7.64, swb=7.75, swtied=8.17),
    ('resnet44', 'cifar10'): dict(bn=7.01, sn=6.75, bw=6.83, sw=6.27, swb=6.35),
    ('resnet56', 'cifar10'): dict(bn=6.88, sn=6.57, bw=6.62, sw=6.07, swb=6.25),
    ('resnet110', 'cifar10'): dict(bn=6.21, sn=5.97, bw=5.99, sw=5.69, swb=5.78),
    ('resnet20', 'cifar100'): dict(bn=32.09, sn=32.28, bw=32.44, sw=31.00, swb=30.87),
    ('resnet110', 'cifar100'): dict(bn=27.32, sn=27.25, bw=27.76, sw=26.64, swb=26.48),
}
LABELS = {**{word: norm.title for word, norm in NORMS.items()}, 'swtied': 'SWa, tied'}
Curve = tuple[list[int], list[float]]


@dataclass
class Result:
    """One trained network. Errors in percent; `changed` has one value a severity, `shifted` is None without a second
    test set."""

    network: str
    norm: str
    seed: int
    error: float
    shifted: float | None
    changed: dict[str, list[float]]
    seconds: float
    command: str
    folder: str


def tables(results: list[Result], data: str) -> dict[str, Table]:
    """'errors' and 'robustness', a row for each network and norm, mean ± sample standard deviation over seeds."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.network, result.norm), []).append(result)
    return {'errors': error_table(groups, data), 'robustness': robustness_table(groups, list(results[0].changed))}


def error_table(groups: dict[tuple[str, str], list[Result]], data: str) -> Table:
    """Test error, on the second test set too where there is one, beside the paper's where it has one."""
    paper = any((network, data) in PAPER for network, _ in groups)
    shifted = any(result.shifted is not None for group in groups.values() for result in group)
    rows = []
    for (network, norm), group in groups.items():
        row = [network, LABELS.get(norm, norm), len(group), over_seeds([result.error for result in group])]
        if shifted:
            values = [result.shifted for result in group if result.shifted is not None]
            row.append(over_seeds(values) if values else None)
        if paper:
            row.append(PAPER.get((network, data), {}).get(norm))
        rows.append((*row, round(statistics.mean(result.seconds for result in group))))
    columns = (*(('error on the other domain',) if shifted else ()), *(('paper',) if paper else ()))
    headings = ('network', 'norm', 'seeds', 'error', *columns, 'seconds a run')
    return Table(headings, tuple(rows), 'Test error in percent after the last iteration.', 2)


def robustness_table(groups: dict[tuple[str, str], list[Result]], changes: list[str]) -> Table:
    """Test error by change of the images, and the mean of those of contrast and light."""
    light, rows = [name for name in changes if name in ILLUMINATION], []
    for (network, norm), group in groups.items():
        means = [{name: statistics.mean(result.changed[name]) for name in changes} for result in group]
        rows.append(
            (
                network,
                LABELS.get(norm, norm),
                over_seeds([result.error for result in group]),
                over_seeds([statistics.mean(mean[name] for name in light) for mean in means]),
                *(over_seeds([mean[name] for mean in means]) for name in changes),
            )
        )
    note = 'Test error in percent on changed images, mean of three severities.'
    return Table(('network', 'norm', 'clean', 'contrast and light', *changes), tuple(rows), note, 2)


def over_seeds(values: list[float]) -> float | str:
    """Mean, and the sample standard deviation where there are several."""
    return mean_std(values, 2)


def error_curves(results: list[Result], scalar: str) -> dict[str, Curve]:
    """Error in percent by iteration, mean over seeds, from the accuracies that training logged under `scalar`."""
    collected: dict[str, dict[int, list[float]]] = {}
    for result in results:
        curves = read_scalars(result.folder)
        points = collected.setdefault(LABELS.get(result.norm, result.norm), {})
        for step, value in zip(*curves.get(scalar, ([], []))):
            points.setdefault(step, []).append(100 - value)
    return {
        label: (sorted(points), [statistics.mean(points[step]) for step in sorted(points)])
        for label, points in collected.items()
        if points
    }


def ratio_curves(result: Result, kind: str, statistic: str) -> dict[str, Curve]:
    """Importance ratio of one statistic in every layer by iteration; `kind` is 'mean' or 'cov'."""
    pattern = re.compile(rf'ratios/backbone\.(.+)/{kind}/{statistic}')
    scalars = read_scalars(result.folder)
    return {match[1]: scalars[name] for name in scalars if (match := pattern.fullmatch(name))}


def write(results: list[Result], data: str, out: Path, about: str) -> Path:
    """Tables as Markdown and CSV, figures as PNG; returns the Markdown file."""
    out.mkdir(parents=True, exist_ok=True)
    made = tables(results, data)
    for name, table in made.items():
        (out / f'{name}.csv').write_text(to_csv(table))
    figures = {}
    for network in dict.fromkeys(result.network for result in results):
        network_results = [result for result in results if result.network == network]
        for file, scalar, ylabel, weight in (
            ('validation', 'accuracy/top1', 'validation error (%)', 0.0),
            ('training', 'accuracy_top-1', 'training error (%)', 0.5),
        ):
            curves = error_curves(network_results, scalar)
            if curves:
                figures[f'{network}_{file}.png'] = plot_curves(
                    curves, ylabel, f'{network} on {data}', LIGHT, weight=weight
                )
        figures |= ratio_figures(network_results, network)
    for name, figure in figures.items():
        figure.savefig(out / name, dpi=150, metadata={'Software': None})
    parts = [f'{to_markdown(table)}\n' for table in made.values()]
    parts += [f'![{Path(name).stem}]({name})\n' for name in figures]
    commands = dict.fromkeys(re.sub(r'(seed ?)\d+', r'\1N', result.command) for result in results)
    text = [f'# Norms on {data}', '', about, '', *parts, 'Each run by itself:', '', '```bash', *commands, '```', '']
    (out / 'study.md').write_text('\n'.join(text))
    return out / 'study.md'


def ratio_figures(results: list[Result], network: str) -> dict[str, Figure]:
    """Curves of the ratio of 'iw' in the first run of each SW (Figure 6 of the paper)."""
    figures = {}
    for norm in ('sw', 'swb'):
        first = next((result for result in results if result.norm == norm), None)
        for kind, symbol in (('mean', 'ω'), ('cov', "ω'")):
            curves = ratio_curves(first, kind, 'iw') if first else {}
            if curves:
                figures[f'{network}_{norm}_{kind}.png'] = plot_curves(
                    curves, f'{symbol} of iw', f'{LABELS[norm]}: importance of instance whitening, {kind}'
                )
    return figures
