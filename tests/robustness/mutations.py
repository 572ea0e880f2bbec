"""Damages files in all the ways that disks, downloads and editors do, and reads them in a process that is watched."""

import json
import multiprocessing
import random
import resource
import time
from pathlib import Path

from sw_mmseg.running.errors import is_user_error
from tests.robustness.readers import IMAGES, READERS

SECONDS = 20  # a file, of which almost all take a hundredth
GIB = 1 << 30
WORDS = [b'', b'\0', b'\xff' * 8, b'<!DOCTYPE html><html>', b'PK\3\4', b'-1', b'null', b'[]', b'{}', b'1e999', b'"a"']
VALUES = [None, [], {}, '', 'a', -1, 0, 2**40, 1.5, True, [None], {'a': 1}, [[]], float('nan')]


def bit(content, rng):
    place = rng.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :]


def head(content, rng):
    place = rng.randrange(min(len(content), 64))
    return content[:place] + rng.randbytes(4) + content[place + 4 :]


def cut(content, rng):
    return content[: rng.randrange(len(content))]


def word(content, rng):
    place = rng.randrange(len(content))
    return content[:place] + rng.choice(WORDS) + content[place + rng.randrange(8) :]


def repeat(content, rng):
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[start:end] * rng.randrange(1, 30) + content[end:]


def foreign(content, rng):
    return rng.choice(
        [b'', b'\0' * 100, b'<html><body>404</body></html>', b'version https://git-lfs.github.com/spec/v1\n']
    )


def value(content, rng):
    """Of a JSON file, anything in the place of anything."""
    try:
        nest = json.loads(content)
    except ValueError:
        return head(content, rng)
    place = nest
    if not isinstance(nest, (dict, list)) or not nest:
        return head(content, rng)
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = rng.choice(keys)
        if isinstance(place[key], (dict, list)) and place[key] and rng.random() < 0.8:
            place = place[key]
            continue
        if rng.random() < 0.2:
            del place[key]
        else:
            place[key] = rng.choice(VALUES)
        return json.dumps(nest).encode()


WAYS = [bit, head, cut, word, repeat, foreign, value, value]


def mutation(number, readers=READERS):
    """The name of a reader, and the damaged content of its file; of every number always the same."""
    rng = random.Random(number)
    name = list(readers)[number % len(readers)]
    content = readers[name][0]
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        content = rng.choice(WAYS)(content, rng) or content
    return name, content


def work(folder, readers, jobs, results):
    (folder / 'image.png').write_bytes(IMAGES['png'])
    whole = {}
    for name, (content, read) in readers.items():  # whole files are read, and everything is imported
        (folder / name).write_bytes(content)
        whole[name] = read(folder / name) if name != '.written_by_sw_mmseg' else None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results.send({name: status for name, status in whole.items() if isinstance(status, int)})
    while (number := jobs.recv()) is not None:
        name, content = mutation(number, readers)
        (folder / name).write_bytes(content)
        try:
            readers[name][1](folder / name)
            text = None
        except Exception as error:
            text = None if is_user_error(error) and str(error).strip() else f'{type(error).__name__}: {error}'
        (folder / name).write_bytes(readers[name][0])
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        results.send(text or (f'{more / GIB:.1f} GiB more' if more > GIB else None))
        if more > GIB:
            return


class Watched:
    """A process that reads damaged files; one that hangs, dies or takes too much is replaced."""

    def __init__(self, folder: Path, readers: dict = READERS, seconds: float = SECONDS) -> None:
        self.folder, self.readers, self.seconds, self.process = folder, readers, seconds, None
        self.whole = {}  # of commands, the exit status where nothing is damaged

    def read(self, number: int) -> str | None:
        """What went wrong with a mutation, None if nothing did."""
        if self.process is None or not self.process.is_alive():
            context = multiprocessing.get_context('fork')
            (jobs, self.jobs), (self.results, results) = context.Pipe(False), context.Pipe(False)
            self.process = context.Process(target=work, args=(self.folder, self.readers, jobs, results), daemon=True)
            self.process.start()
            jobs.close()
            results.close()
            if not self.results.poll(600):
                raise RuntimeError('whole files are not read')
            self.whole = self.results.recv()
        begin = time.monotonic()
        self.jobs.send(number)
        try:
            if self.results.poll(self.seconds + 20):
                text = self.results.recv()
                seconds = time.monotonic() - begin
                text = text or (f'{seconds:.0f} s' if seconds > self.seconds else None)
                if text is None or not text.endswith('more'):
                    return text
            else:
                text = 'no answer'
        except EOFError:
            text = 'the process died'
        self.end()
        return text

    def end(self) -> None:
        """Nothing is left behind."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None
