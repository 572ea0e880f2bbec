"""How far apart a network holds two domains, layer by layer (Figure 3 of the paper).

sw_mmseg/commands/analysis/domain_distance.py has it.
"""

import sys

from sw_mmseg.commands import run

if __name__ == '__main__':
    sys.exit(run('analysis domain_distance'))
