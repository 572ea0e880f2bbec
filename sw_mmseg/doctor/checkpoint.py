"""A checkpoint beside the config that it should fit: entries, norms, classes, and what it was trained on."""

from __future__ import annotations

import re
from collections import Counter

import torch
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import nn

from sw_mmseg.doctor.findings import BROKEN, FINE, NOTE, Finding
from sw_mmseg.engine import importance_ratios
from sw_mmseg.running.checkpoints import fitting, read_checkpoint, weights_in
from sw_mmseg.running.configs import build
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.prediction import meta_of

__all__ = ['examine_checkpoint']

ROOT = re.compile(r"""\bdata_root\s*[=:]\s*['"]([^'"]+)['"]""")  # in the text of a config, which is not run
NORM = re.compile(r'Norm|Whiten')


def examine_checkpoint(config: Config, path: str) -> list[Finding]:
    """A finding a question.

    Raises:
        UserError, CheckpointError: the file is no checkpoint, or the config does not build.
    """
    checkpoint = read_checkpoint(path)
    try:
        tensors = weights_in(checkpoint, path)
    except UserError as error:
        return [Finding(BROKEN, 'entries', str(error))]
    if not tensors:
        return [Finding(BROKEN, 'entries', f'{path} holds no weights')]
    model = build('model', lambda: MODELS.build(config.model))
    return [
        _entries(tensors),
        _finite(tensors),
        _fit(model, tensors, path),
        *_norms(model, tensors, path),
        *_classes(config, checkpoint),
        *_training(checkpoint),
    ]


def _entries(state: dict[str, torch.Tensor]) -> Finding:
    kinds = Counter(str(value.dtype).removeprefix('torch.') for value in state.values())
    count = sum(value.numel() for value in state.values())
    text = ', '.join(f'{number} {kind}' for kind, number in kinds.most_common())
    return Finding(FINE, 'entries', f'{len(state)} ({text}), {count:,} numbers in all')


def _finite(state: dict[str, torch.Tensor]) -> Finding:
    faulty = [key for key, value in state.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    if not faulty:
        return Finding(FINE, 'values', 'all are finite')
    return Finding(
        BROKEN,
        'values',
        f'{len(faulty)} entries hold NaN or infinity, {", ".join(faulty[:3])}{" ..." if len(faulty) > 3 else ""}: the '
        'training had failed; take an earlier checkpoint',
    )


def _fit(model: nn.Module, state: dict[str, torch.Tensor], path: str) -> Finding:
    finite = {key: torch.nan_to_num(v) if v.is_floating_point() else v for key, v in state.items()}
    try:
        used = fitting(model, finite, path, optional='discriminator.')
    except UserError as error:
        return Finding(BROKEN, 'network', str(error).removeprefix(f'{path} '))
    model.load_state_dict(used, strict=False)
    return Finding(FINE, 'network', f'{type(model).__name__}: all {len(used)} entries fit the config')


def _norms(model: nn.Module, state: dict[str, torch.Tensor], path: str) -> list[Finding]:
    counts = Counter(type(module).__name__ for module in model.modules() if NORM.search(type(module).__name__))
    findings = [Finding(FINE, 'norms', ', '.join(f'{n} {kind}' for kind, n in counts.most_common()) or 'none')]
    switches = sum(key.endswith('cov_logits') for key in state)
    expected = sum(key.endswith('cov_logits') for key in model.state_dict())
    if switches != expected:
        findings.append(
            Finding(
                BROKEN,
                'switches',
                f'{path} has {switches} switchable layers, the config {expected}: another --norm',
            )
        )
    elif ratios := importance_ratios(model):
        batch = [value for name, value in ratios.items() if '/cov/b' in name]
        text = f'{switches} layers' + (
            f'; shares of batch covariances {min(batch):.2f} to {max(batch):.2f}' if batch else ''
        )
        findings.append(Finding(FINE, 'switches', text))
    return findings


def _classes(config: Config, checkpoint: dict) -> list[Finding]:
    trained = (checkpoint.get('meta') or {}).get('dataset_meta') or {}
    names = tuple(trained.get('classes') or ())
    loader = config.get('test_dataloader')
    meta = (
        build('data set', lambda: meta_of(loader.dataset)) if loader and config.get('default_scope') == 'mmseg' else {}
    )
    expected = tuple(meta.get('classes', ()))
    if not names:
        return [Finding(NOTE, 'classes', 'the checkpoint does not name any')] if expected else []
    if expected and names != expected:
        return [
            Finding(
                BROKEN,
                'classes',
                f'trained for {", ".join(names)}; the config has {", ".join(expected)}',
            )
        ]
    return [Finding(FINE, 'classes', f'{len(names)}: {", ".join(map(str, names))}')]


def _training(checkpoint: dict) -> list[Finding]:
    meta = checkpoint.get('meta') or {}
    if not meta:
        return [Finding(NOTE, 'training', 'the checkpoint does not say how it was trained')]
    parts = [f'{word} {meta[word]}' for word in ('iter', 'epoch', 'seed', 'time') if meta.get(word) is not None]
    roots = list(dict.fromkeys(ROOT.findall(str(meta.get('cfg', '')))))
    findings = [Finding(FINE, 'training', ', '.join(parts) or 'no iteration is noted')]
    if roots:
        findings.append(Finding(FINE, 'trained on', ', '.join(roots)))
    return findings
