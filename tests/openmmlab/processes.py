"""Code in a process of its own, in which nothing was imported before."""

import subprocess
import sys
import textwrap

import mmseg
from mmengine.utils import digit_version

UPSTREAM = digit_version(mmseg.__version__) < digit_version('1.3')  # OpenMMLab's own last releases


def python(code):
    """The lines that it prints. It must not fail."""
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()
