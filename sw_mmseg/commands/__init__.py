"""The commands, a module each: `sw-mmseg NAME …`, `python -m sw_mmseg NAME …`, or tools/NAME.py in a checkout.

A command in a folder is named by both words: `sw-mmseg analysis cost` is tools/analysis/cost.py. Each module has
`parse_arguments`, which makes a namespace of the words, and `main`, which takes it and returns the exit status.
"""

from __future__ import annotations

import difflib
import importlib
import sys
from pathlib import Path

__all__ = ['main', 'names', 'run']

FOLDER = Path(__file__).parent
# they run where nothing but torch is installed
TORCH_ALONE = tuple(
    f'benchmark {name}'
    for name in ('config_cost', 'equality', 'host_cost', 'kernels', 'network_step', 'newton', 'norm_layer')
)

# and this one where an import may be what is broken
BY_THEMSELVES = (*TORCH_ALONE, 'doctor')


def names() -> list[str]:
    """Of all commands: 'train', 'analysis cost'."""
    files = sorted(file.relative_to(FOLDER).with_suffix('') for file in FOLDER.rglob('*.py'))
    return [' '.join(file.parts) for file in files if file.name != '__init__']


def run(name: str, arguments: list[str] | None = None) -> int:
    """Run a command with these words, those of the process where there are none. Returns the exit status."""
    if name not in BY_THEMSELVES:
        from sw_mmseg.running.start import start

        start()
    module = importlib.import_module(f'{__name__}.{name.replace(" ", ".")}')
    if name in BY_THEMSELVES:
        return module.main(module.parse_arguments(arguments))
    from sw_mmseg.running.command_line import run_tool

    return run_tool(module.main, module.parse_arguments(arguments))


def main() -> int:
    """`sw-mmseg NAME …`. Returns the exit status."""
    words = sys.argv[1:]
    if not words or words[0] in ('-h', '--help'):
        print(usage())
        return 0 if words else 2
    for count in (1, 2):
        name = ' '.join(words[:count])
        if name in names():
            sys.argv = [f'sw-mmseg {name}', *words[count:]]
            return run(name)
    near = difflib.get_close_matches(' '.join(words[:2]), names(), n=3) or difflib.get_close_matches(
        words[0], names(), n=3
    )
    hint = f'did you mean {" or ".join(near)}?' if near else 'sw-mmseg --help lists them'
    print(f'error: no command {" ".join(words[:2])}; {hint}', file=sys.stderr)
    return 2


def usage() -> str:
    """The names, those of each folder together."""
    single = [name for name in names() if ' ' not in name]
    lines = ['usage: sw-mmseg NAME [OPTIONS], sw-mmseg NAME --help', '', f'  {", ".join(single)}']
    for folder in dict.fromkeys(name.split()[0] for name in names() if ' ' in name):
        members = [name.split()[1] for name in names() if name.startswith(f'{folder} ')]
        lines += ['', f'  {folder} …', f'    {", ".join(members)}']
    return '\n'.join(lines)
