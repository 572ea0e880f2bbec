"""The machine: processor, memory, GPU, compiler, and which kernels whitening computes with here."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from sw_mmseg.doctor.findings import BROKEN, FINE, NOTE, Finding
from sw_mmseg.doctor.versions import TESTED

__all__ = ['examine_machine', 'judge_gpu', 'judge_kernels']

KERNELS = {'torch_backend': "torch's operations", 'cpu': 'C', 'triton': 'Triton'}


def examine_machine() -> list[Finding]:
    """A finding a part; torch has to be importable."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    findings = [
        Finding(FINE, 'Python', f'{platform.python_version()} ({sys.executable})'),
        Finding(FINE, 'CPU', f'{cores} cores for this process, torch uses {torch.get_num_threads()} threads'),
        judge_gpu(
            torch.cuda.is_available(),
            torch.version.cuda,
            shutil.which('nvidia-smi') is not None or Path('/dev/nvidia0').exists(),
            torch.cuda.get_device_name(0) if torch.cuda.is_available() else '',
        ),
    ]
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < 1 << 30:
        findings.append(
            Finding(NOTE, 'disk', f'{free / 1e6:.0f} MB free in {tempfile.gettempdir()}', 'export TMPDIR=DIR')
        )
    return [*findings, *_kernels('cpu'), *(_kernels('cuda') if torch.cuda.is_available() else [])]


def judge_gpu(usable: bool, cuda: str | None, present: bool, name: str = '') -> Finding:
    """Of what torch says, the CUDA version that it was built for, and whether a driver or device is there."""
    pins = ' '.join(f'{package}=={TESTED[package]}' for package in ('torch', 'torchvision'))
    if usable:
        return Finding(FINE, 'GPU', f'{name}, CUDA {cuda}')
    if present and cuda is None:
        return Finding(
            BROKEN,
            'GPU',
            'there is one, but this torch is built for CPUs alone',
            f'pip install --force-reinstall {pins}',
        )
    if present:
        return Finding(
            BROKEN,
            'GPU',
            f'there is one, but torch, built for CUDA {cuda}, cannot use it: its driver may be too old',
            'nvidia-smi  # what the driver supports',
        )
    return Finding(FINE, 'GPU', 'none: everything runs on the CPU, trainings of full size take weeks')


def judge_kernels(device: str, chosen: str, forced: str | None, compiler: list[str] | None) -> Finding:
    """Of the backend that whitening takes on a device, SW_MMSEG_KERNELS, and the C compiler."""
    subject, text = f'whitening on {device}', f'computes with {KERNELS[chosen]}'
    if chosen != 'torch_backend':
        return Finding(FINE, subject, text + (f', compiled by {" ".join(compiler or [])}' if chosen == 'cpu' else ''))
    if forced == 'torch':
        return Finding(NOTE, subject, f'{text}, as SW_MMSEG_KERNELS=torch says; it is slower', 'unset SW_MMSEG_KERNELS')
    if device == 'cpu' and compiler is None:
        return Finding(NOTE, subject, f'{text}, which is slower: there is no C compiler', 'sudo apt install gcc')
    if device == 'cpu':
        return Finding(
            NOTE, subject, f'{text}, which is slower: the C code was not built', 'sudo apt install gcc libc6-dev'
        )
    return Finding(
        NOTE, subject, f'{text}, which is slower: there is no Triton', f'pip install triton  # {sys.platform}'
    )


def _kernels(device: str) -> list[Finding]:
    """Of a device, by asking for the backend of a small input."""
    import warnings

    import torch

    from sw_mmseg.whitening.backends import VARIABLE, select
    from sw_mmseg.whitening.backends.cpu.build import compiler

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        try:
            backend = select(torch.zeros(1, 16, 8, 8, device=device), 16)
        except (ValueError, RuntimeError) as error:
            return [Finding(BROKEN, f'whitening on {device}', str(error), f'unset {VARIABLE}')]
    chosen = next(part for part in reversed(backend.__name__.split('.')) if part in KERNELS)
    finding = judge_kernels(device, chosen, os.environ.get(VARIABLE), compiler())
    notes = [Finding(NOTE, finding.subject, str(warning.message).splitlines()[0]) for warning in said]
    return [finding, *notes]
