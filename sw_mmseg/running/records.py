"""Results on disk, one file each, with a fingerprint of all that they depend on: a second call of a study skips what is
done and measures anew what has become out of date.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from mmengine.config import Config

import sw_mmseg
from sw_mmseg.files import parsed_json, read_json, whole_file
from sw_mmseg.running.dependencies import ALL, digest_of_code, registered_modules, types_in

__all__ = [
    'device_name',
    'devices',
    'every_result',
    'fingerprint',
    'keep_results',
    'none_for_nan',
    'read_result',
    'take_results',
    'without_fingerprint',
    'write_json',
    'write_result',
]


def fingerprint(config: Config, *more: object, code: Iterable[tuple[str, str]] = ()) -> str:
    """Changes with the config but for where it writes, with whatever else is given, and with the code that both
    the types of the config and `code`, (module, function) of the study, depend on (`dependencies`)."""
    settings = {key: value for key, value in config.to_dict().items() if key != 'work_dir'}
    digest = hashlib.sha256(json.dumps(settings, default=str, sort_keys=True).encode())
    modules = [(module, ALL) for name in types_in(settings) for module in registered_modules().get(name, ())]
    digest.update(digest_of_code(frozenset([*modules, *code])).encode())
    digest.update(json.dumps([sw_mmseg.__version__, torch.__version__, *more], default=str, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def read_result(file: Path, mark: str) -> dict | None:
    """What `write_result` wrote, or `None` if it is missing or out of date."""
    content = read_json(file) if file.is_file() else {}
    return content if content.pop('fingerprint', None) == mark else None


def write_result(file: Path, mark: str, result: object) -> None:
    """The fields of a data class, with the fingerprint of all that they depend on."""
    write_json(file, {**asdict(result), 'fingerprint': mark})


def write_json(file: Path, content: object) -> None:
    """The whole file or none of it."""
    with whole_file(file) as part:
        part.write_text(json.dumps(content, indent=1) + '\n')


def every_result(work_dir: Path) -> dict[str, dict]:
    """Name -> what `write_result` wrote, of all results of a work directory, also of earlier calls; by name."""
    return {path.stem: read_json(path) for path in sorted((work_dir / 'results').glob('*.json'))}


def without_fingerprint(content: dict) -> dict:
    """The fields of the data class alone."""
    return {key: value for key, value in content.items() if key != 'fingerprint'}


def keep_results(work_dir: Path, file: Path) -> None:
    """All results of a work directory into one file, a line each, to lie in the repository."""
    lines = [json.dumps({'file': name, **content}) for name, content in every_result(work_dir).items()]
    with whole_file(file) as part:
        part.write_text('\n'.join(lines) + '\n')


def take_results(file: Path, work_dir: Path) -> None:
    """What `keep_results` kept, where the work directory has no result of its own: a study goes on from there, and
    measures anew what has become out of date."""
    for line in file.read_text().splitlines() if file.is_file() else ():
        content = parsed_json(line, str(file), 'file', way_out='take it from the repository again')
        path = work_dir / 'results' / f'{content.pop("file")}.json'
        if not path.is_file():
            write_json(path, content)


def device_name() -> str:
    """Where a training runs: the GPU, or how many threads of which kind of CPU."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    threads = torch.get_num_threads()
    return f'{threads} thread{"s" * (threads > 1)} of an {platform.machine()} CPU'


def devices(results: Iterable[object]) -> str:
    """Where results were measured: 'NVIDIA H200 (12), 1 thread of an x86_64 CPU (3)', or one without a number."""
    names = [result.device or 'a CPU' for result in results]
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return next(iter(counts)) if len(counts) == 1 else ', '.join(f'{name} ({n})' for name, n in counts.items())


def none_for_nan(values: Sequence[float]) -> list[float | None]:
    """JSON has no NaN: an absent class is null."""
    return [None if math.isnan(v) else v for v in values]
