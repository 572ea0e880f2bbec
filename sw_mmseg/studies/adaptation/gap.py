"""What the step between the two domains of streets is made of, a part at a time."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure
from tqdm import tqdm

from sw_mmseg.analysis.grid import plot_grid
from sw_mmseg.analysis.style import LIGHT, Theme, figure_png
from sw_mmseg.analysis.tables import Table, mean_std, to_csv, to_markdown
from sw_mmseg.datasets import read_image
from sw_mmseg.datasets.label_scan import usable_cores
from sw_mmseg.datasets.streets import VARIANTS, Domain, Look, draw_sample
from sw_mmseg.datasets.streets.generate import VERSION
from sw_mmseg.datasets.streets.layouts import gta5_paths, write_sample
from sw_mmseg.processes import end_with_parent
from sw_mmseg.reporting.runs import Run, network
from sw_mmseg.running import data_sets, scoring, training
from sw_mmseg.running.command_line import size_text
from sw_mmseg.running.errors import UserError

__all__ = ['draw_all', 'measure', 'write']

SEED = 1  # of the pictures; 0 is that of the training images
# Every field of a `Look` once; the streets themselves are the layout.
LOOKS = {
    'materials': ('palette', 'texture', 'swatch_spread'),
    'sun and clouds': ('sun_elevation', 'overcast'),
    'haze and rain': ('visibility', 'rain', 'drops'),
    'exposure and contrast': ('exposure', 'contrast', 'saturation'),
    'colour cast': ('warmth', 'tint'),
    'lens and sensor': ('blur', 'sharpen', 'noise', 'vignette'),
}
OWN = ', own statistics'
STREETS, WHOLE_LOOK = 'streets', 'whole look'


def exchanged(base: Look, other: Look, names: tuple[str, ...]) -> Look:
    """`base` with some of `other`'s ranges."""
    return replace(base, **{name: getattr(other, name) for name in names})


def kinds(variant: str, back: bool) -> dict[str, Domain]:
    """Name -> domain: one end of the step, that end with ('+') each part of the other, and the other end."""
    ends = dict(zip(('source', 'target'), VARIANTS[variant]))
    (start, base), (end, other) = reversed(ends.items()) if back else ends.items()
    parts = {STREETS: Domain(other.layout, base.look)}
    parts |= {part: Domain(base.layout, exchanged(base.look, other.look, names)) for part, names in LOOKS.items()}
    parts[WHOLE_LOOK] = Domain(base.layout, other.look)
    return {start: base, **{f'+ {part}': domain for part, domain in parts.items()}, end: other}


def draw(index: int, root: Path, domain: Domain, size: tuple[int, int]) -> None:
    """One picture with its labels, unless it is there."""
    paths = gta5_paths(root, index)
    if not all(path.is_file() for path in paths.values()):
        write_sample(paths, draw_sample(domain, size, SEED, 'source', index), True)


def draw_all(args: argparse.Namespace) -> dict[str, Path]:
    """Kind -> folder of its pictures, laid out as GTA5.

    Raises:
        UserError: the size is too small, or no image is asked for.
    """
    word, folders = size_text(args.size), {}
    if min(args.size) < 16 or args.images < 1:
        raise UserError(f'--size {word}, --images {args.images}: at least 16x16, and one image')
    with ProcessPoolExecutor(usable_cores(), initializer=end_with_parent) as pool:
        for name, domain in kinds(args.variant, args.back).items():
            way = 'back' if args.back else 'forth'
            kind = '_'.join(name.removeprefix('+ ').split())
            folder = args.out / f'pictures/v{VERSION}_{args.variant}_{word}_{way}_{kind}'
            job = partial(draw, root=folder, domain=domain, size=args.size)
            list(tqdm(pool.map(job, range(args.images), chunksize=8), name, args.images, leave=False, disable=None))
            folders[name] = folder
    return folders


def scored(run: Run, folders: dict[str, Path], args: argparse.Namespace) -> Iterator[tuple[str, str, float]]:
    """Kind, column and mIoU of a run's network."""
    model, pipeline = network(run), run.config.test_dataloader.dataset.pipeline
    trained = {key: value.clone() for key, value in model.state_dict().items()}
    for kind, folder in folders.items():
        dataset = dict(type='GTA5Dataset', data_root=str(folder / 'gta5'), pipeline=pipeline, indices=args.images)
        loader = data_sets.build_loader(dataset, 4)
        yield kind, run.task, scoring.miou(scoring.test(model, loader)[0])
        if args.own_statistics and scoring.estimate(model, loader, len(loader))[0]:
            yield kind, f'{run.task}{OWN}', scoring.miou(scoring.test(model, loader)[0])
            model.load_state_dict(trained)


def measure(runs: list[Run], folders: dict[str, Path], args: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Kind -> column -> mIoU of every seed."""
    scores: dict[str, dict[str, list[float]]] = {name: {} for name in folders}
    for run in runs:
        with training.quiet(args.out / 'console.log'):
            results = list(scored(run, folders, args))
        for kind, column, value in results:
            scores[kind].setdefault(column, []).append(value)
        print(
            f'{run.label}: '
            + ', '.join(f'{kind} {value:.1f}' for kind, column, value in results if column == run.task),
            flush=True,
        )
    return scores


def gap_table(scores: dict[str, dict[str, list[float]]], images: int) -> Table:
    """mIoU of every kind of picture (rows) and network (columns)."""
    start, end = list(scores)[0], list(scores)[-1]
    networks = list(dict.fromkeys(name for row in scores.values() for name in row))
    rows = [(kind, *(mean_std(row[name]) for name in networks)) for kind, row in scores.items()]
    note = ' Own statistics: running statistics of these very images.' * any(name.endswith(OWN) for name in networks)
    return Table(
        ('images', *networks),
        tuple(rows),
        f'mIoU in percent over {images} images of each kind; +: this of the {end}, the rest of the {start}.{note}',
    )


def sheet(folders: dict[str, Path], theme: Theme) -> Figure:
    """The first scene, once a kind."""
    columns = 4
    figure = Figure(figsize=(12, 1.75 * -(-len(folders) // columns)), facecolor=theme.page, layout='constrained')
    for place, (kind, folder) in enumerate(folders.items(), 1):
        axes = figure.add_subplot(-(-len(folders) // columns), columns, place)
        axes.imshow(read_image(gta5_paths(folder, 0)['image']).pixels[..., ::-1])
        axes.set_title(kind, color=theme.ink, fontsize=9)
        axes.set_axis_off()
    return figure


def write(scores: dict[str, dict[str, list[float]]], folders: dict[str, Path], args: argparse.Namespace) -> str:
    """Table, numbers, plot and pictures; returns the page."""
    stem = 'gap_back' if args.back else 'gap'
    table = gap_table(scores, args.images)
    (args.out / f'{stem}.json').write_text(json.dumps(scores, indent=1))
    (args.out / f'{stem}.csv').write_text(to_csv(table))
    shown = {
        kind: {name: values for name, values in row.items() if not name.endswith(OWN)} for kind, row in scores.items()
    }
    (args.out / f'{stem}.png').write_bytes(figure_png(lambda theme: plot_grid(shown, 'mIoU (%)', theme=theme), LIGHT))
    (args.out / f'{stem}_pictures.png').write_bytes(figure_png(partial(sheet, folders), LIGHT, dpi=85))
    page = '\n\n'.join(
        [
            f'![One scene in every kind of image]({stem}_pictures.png)',
            to_markdown(table).strip(),
            f'![mIoU of every kind, network and seed]({stem}.png)',
        ]
    )
    (args.out / f'{stem}.md').write_text(f'# The step between the domains\n\n{page}\n')
    return page
