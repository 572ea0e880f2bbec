"""The script for Slurm."""

import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_slurm_gets_the_words_it_needs(tmp_path):
    """A stand-in for srun writes down what it is asked for."""
    (tmp_path / 'srun').write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    (tmp_path / 'srun').chmod(0o755)
    environment = {
        **os.environ,
        'PATH': f'{tmp_path}:{os.environ["PATH"]}',
        'GPUS': '16',
        'PYTHON': 'python3',
        'SRUN_ARGS': '--qos=low --time=9',
    }
    words = ['tools/slurm_train.sh', 'part', 'job', 'configs/sw_pspnet_ade20k.py', 'out', '--resume']
    done = subprocess.run(words, cwd=REPOSITORY, env=environment, text=True, capture_output=True, check=True)
    asked = done.stdout.splitlines()
    assert asked[:8] == [
        '-p',
        'part',
        '--job-name=job',
        '--gres=gpu:8',
        '--ntasks=16',
        '--ntasks-per-node=8',
        '--cpus-per-task=5',
        '--kill-on-bad-exit=1',
    ]
    assert asked[8:10] == ['--qos=low', '--time=9'] and asked[10:12] == ['python3', '-u']
    assert asked[12:] == [
        str(REPOSITORY / 'tools/train.py'),
        'configs/sw_pspnet_ade20k.py',
        '--work-dir',
        'out',
        '--launcher',
        'slurm',
        '--resume',
    ]
    assert subprocess.run(words[:3], cwd=REPOSITORY, env=environment, capture_output=True).returncode == 2
