"""The files that a run's trainings read, as they were when it began: --resume goes on with those files alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sw_mmseg.files import read_json
from sw_mmseg.own_images.folders import Checked
from sw_mmseg.running.records import write_json

__all__ = ['changes', 'write_inputs']

FILE = Path('check', 'inputs.json')
State = list[int | None]  # bytes, time of writing


def write_inputs(out: Path, checked: Checked) -> None:
    """Notes names, sizes and times of all files in OUT/check/inputs.json; no file is opened."""
    write_json(out / FILE, states(out, checked))


def changes(out: Path, checked: Checked) -> str:
    """What came, went or changed since `write_inputs`, in words; '' where nothing did, or nothing was noted."""
    file = out / FILE
    if not file.is_file():
        return ''
    before, texts = read_json(file, way_out='begin a new run with another --out'), []
    for group, now in states(out, checked).items():
        then = before[group] if isinstance(before.get(group), dict) else {}
        kinds = {
            'came': sorted(now.keys() - then.keys()),
            'went': sorted(then.keys() - now.keys()),
            'changed': sorted(name for name in now.keys() & then.keys() if now[name] != then[name]),
        }
        texts += [
            f'{len(names)} files of the {group} {kind} ({names[0]}{", ..." if len(names) > 1 else ""})'
            for kind, names in kinds.items()
            if names
        ]
    return ', '.join(texts)


def states(out: Path, checked: Checked) -> dict[str, dict[str, State]]:
    """What -> name of the image -> state of the file. Images that only scores are taken on are not among them."""
    parts = {'target images': (checked.target.names, checked.target.paths)}
    for source in checked.sources:
        parts |= {
            f'{source.role} images': (source.names, source.paths),
            f'{source.role} labels': (source.names, source.label_paths),
        }
    if checked.few:
        parts |= {
            'labelled target images': (checked.few.names, checked.few.paths),
            'labels of the target': (checked.few.names, checked.few.label_paths),
        }
    return {group: dict(zip(names, _states(out, paths))) for group, (names, paths) in parts.items()}


def _states(out: Path, paths: Iterable[str]) -> Iterable[State]:
    for path in paths:
        status = os.stat(path)
        drawn = Path(path).resolve().is_relative_to(out.resolve())  # anew by each call
        yield [status.st_size, None if drawn else status.st_mtime_ns]
