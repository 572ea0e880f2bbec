"""Which cells the adaptation study trains, and their training side by side."""

from __future__ import annotations

import argparse
import gc
import itertools
import multiprocessing
import warnings
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path

from sw_mmseg.datasets.label_scan import usable_cores
from sw_mmseg.datasets.streets import TARGETS
from sw_mmseg.processes import end_with_parent
from sw_mmseg.running import records
from sw_mmseg.running.errors import UserError
from sw_mmseg.studies.adaptation import runs
from sw_mmseg.studies.adaptation.cells import Cell, Result, configured, own_length

__all__ = ['plan', 'stored', 'work']


def plan(args: argparse.Namespace) -> list[Cell]:
    """All cells, seed by seed, so that a study that is stopped has every row."""
    wrong = [target for target in args.targets if args.data == 'streets' and target not in TARGETS]
    if wrong:
        raise UserError(f'--targets {" ".join(wrong)}: streets has {", ".join(TARGETS)}')
    targets = args.targets if args.data == 'streets' else ['']
    lengths = {method: own_length(method, args.data, args.iterations) for method in args.methods}
    planned = [
        Cell(method, norm, seed, target, variation.replace('none', ''), args.data, lengths[method], args.network)
        for seed in args.seeds
        for target in targets
        for method in args.methods
        for norm in args.norms
        for variation in args.variations
    ]
    for cell in planned:
        configured(cell, args.work_dir, args.streets)  # an unknown method ends it here
    return planned


def work(planned: list[Cell], args: argparse.Namespace) -> Iterator[tuple[Cell, Result]]:
    """Finished cells as they come; each is trained in a process of its own, whose memory is its own too."""
    threads = max(1, usable_cores() // args.jobs)
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(args.jobs, mp_context=context, max_tasks_per_child=1, initializer=end_with_parent) as pool:
        waiting, running = iter(planned), {}

        def start(count: int) -> None:  # no more than are worked on: what a pool has queued cannot be called back
            for cell in itertools.islice(waiting, count):
                running[pool.submit(measure, cell, args.work_dir, args.streets, threads)] = cell

        start(args.jobs)
        try:
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    cell, result = running.pop(future), future.result()
                    start(1)
                    yield cell, result
        except BaseException:
            for child in multiprocessing.active_children():
                child.terminate()  # which trainings answer with a checkpoint
            raise


def measure(cell: Cell, work_dir: Path, streets: Path, threads: int) -> Result:
    """`runs.measure`, in a fresh process."""
    warnings.filterwarnings('ignore')  # of libraries, between the lines of progress
    gc.freeze()
    return runs.measure(cell, work_dir, streets, threads)


def stored(work_dir: Path) -> list[Result]:
    """Every result of a work directory, those of earlier calls included."""
    return [Result(**records.without_fingerprint(content)) for content in records.every_result(work_dir).values()]
