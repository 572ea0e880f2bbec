"""The demo's networks trained side by side, one process each: layers of a small network leave a second thread idle."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from sw_mmseg.datasets.label_scan import usable_cores
from sw_mmseg.running.command_line import size_text

__all__ = ['at_once', 'measure_each', 'words_of']


def at_once(args: argparse.Namespace) -> int:
    """How many networks are trained at once: `--jobs`, else one a core; never more than there are."""
    return min(len(args.rows), args.jobs or usable_cores())


def words_of(args: argparse.Namespace) -> list[str]:
    """The command line that gives `args`, without `--jobs` and `--only`."""
    words = ['--size', size_text(args.size)]
    for key in ('work_dir', 'data', 'variant', 'images', 'test_images', 'iterations', 'pictures'):
        if getattr(args, key) is not None:
            words += [f'--{key.replace("_", "-")}', str(getattr(args, key))]
    for key in ('seeds', 'rows'):
        words += [f'--{key}', *map(str, getattr(args, key))]
    return words + [f'--{key}' for key in ('all', 'traceback') if getattr(args, key)]


def measure_each(args: argparse.Namespace, jobs: int) -> int:
    """Every network's rows by a call of the demo of its own, `jobs` at once; what these print is passed on.

    A signal stops all of them, and each saves. Returns the first exit status that is none of success, or 0.
    """
    environment = {**os.environ, 'OMP_NUM_THREADS': str(max(1, usable_cores() // jobs))}
    running: list[subprocess.Popen] = []

    def measured(network: str) -> int:
        words = [sys.executable, '-m', 'sw_mmseg', 'demo', *words_of(args), '--only', network]
        process = subprocess.Popen(
            words,
            env=environment,
            text=True,
            errors='replace',
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a terminal's Ctrl-C comes from `stop`, once: a second one would end it unsaved
        )
        running.append(process)
        for line in process.stdout or ():
            print(line, end='', flush=True)
        return process.wait()

    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(measured, network) for network in args.rows]
        try:
            return first_failure(waiting)
        except KeyboardInterrupt:
            for future in waiting:
                future.cancel()
            stop(running)
            raise


def first_failure(waiting: Sequence[Future[int]]) -> int:
    """The first exit status that is none of success, or 0; behind a failure nothing more is begun."""
    for future in waiting:
        if status := future.result():
            for other in waiting:
                other.cancel()
            return status
    return 0


def stop(processes: Sequence[subprocess.Popen]) -> None:
    """As after one Ctrl-C: each finishes its iteration and saves."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
