"""`python -m sw_mmseg NAME …`: the commands."""

import sys

from sw_mmseg.commands import main

if __name__ == '__main__':
    sys.exit(main())
