"""Code in a process of its own, where nothing is imported yet."""

import subprocess
import sys
import textwrap


def python(code):
    """The lines that the code prints."""
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def words(code):
    """The words that the code prints."""
    return ' '.join(python(code)).split()
