"""Keys of a config that nothing reads: parts that take any keyword swallow a typo, and train as if it were not there.

Most parts refuse a word they do not know when they are built. Those that do not are told here by their signatures, with
those of their bases: hooks (mmengine's CheckpointHook, EMAHook), mmdet's coders and samplers; and the dicts that
mmengine reads by `get`. Models and transforms hand what they do not know to another constructor, which refuses it.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Iterator

import torch
from mmengine.config import Config
from mmengine.model import averaged_model
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import HOOKS, OPTIM_WRAPPER_CONSTRUCTORS, OPTIMIZERS, TASK_UTILS, Registry, init_default_scope

from sw_mmseg.running.config_nodes import config_nodes
from sw_mmseg.running.errors import UserError

__all__ = ['refuse_unknown_keys']

OF_ANY = {'type', '_scope_', 'priority'}  # what mmengine itself takes from a hook's or part's dict
PARAMWISE = {
    'custom_keys',
    'bias_lr_mult',
    'bias_decay_mult',
    'norm_decay_mult',
    'flat_decay_mult',
    'dwconv_decay_mult',
    'dcn_offset_lr_mult',
    'bypass_duplicate',
}
OF_PARAMETERS = {'lr_mult', 'decay_mult'}
READ = {
    'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    'auto_scale_lr': {'enable', 'base_batch_size'},
}
SEGMENTOR = {'mode', 'crop_size', 'stride', 'threshold'}  # what mmseg reads of a segmentor's test_cfg
CLIPPING: dict[str, Callable] = {'norm': torch.nn.utils.clip_grad_norm_, 'value': torch.nn.utils.clip_grad_value_}


def refuse_unknown_keys(config: Config) -> None:
    """Raises UserError, with the key's whole path and the nearest word, for the first key that nothing would read."""
    init_default_scope(config.get('default_scope', 'mmseg'))
    for path, part, keys, known in _parts(config):
        for key in keys:
            if key not in known:
                near = difflib.get_close_matches(key, sorted(known), n=3)
                raise UserError(
                    f'the config does not build: {path}.{key}: {part} knows no {key!r}; '
                    f'{"did you mean" if near else "it knows"} {" or ".join(near or sorted(known))}?'
                )


def _parts(config: Config) -> Iterator[tuple[str, str, Iterable[str], set[str]]]:
    """(path, name, keys, all keys that are read) of each part that takes any key."""
    for part in config_nodes(config.to_dict()):
        path, name, node, parent = part.path, part.name, part.content, part.parent
        if name == 'paramwise_cfg':
            yield from _of_parameters(path, node, parent)
        elif name == 'clip_grad':
            function = CLIPPING.get(node.get('type', 'norm'), CLIPPING['norm'])
            yield path, function.__name__, node, {'type', *inspect.signature(function).parameters} - {'parameters'}
        elif path in READ:
            yield path, 'mmengine', node, READ[path]
        elif name == 'test_cfg' and 'decode_head' in parent:
            yield path, 'a segmentor', node, SEGMENTOR
        elif 'type' in node:
            hook = path.startswith(('default_hooks.', 'custom_hooks.'))
            part = _swallows(HOOKS if hook else TASK_UTILS, node['type'])
            if part is not None:
                yield path, part.__name__, node, _arguments(part)[0] | OF_ANY


def _swallows(registry: Registry, kind: str | type) -> type | None:
    """The class of a part, if it is of OpenMMLab or of here and takes any key without handing it on."""
    if isinstance(kind, str):
        with registry.switch_scope_and_registry(None) as scoped:
            kind = scoped.get(kind)
    if not inspect.isclass(kind) or not kind.__module__.startswith(('mm', 'sw_mmseg.')):
        return None
    return kind if _arguments(kind)[1] else None


def _arguments(kind: type) -> tuple[set[str], bool]:
    """Names that a class and its bases take, and whether any other goes through all of them."""
    names: set[str] = set()
    for base in kind.__mro__:
        if '__init__' not in vars(base) or base is object:
            continue
        parameters = inspect.signature(vars(base)['__init__']).parameters.values()
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {'self'}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names, False
    return names | _handed_on(kind), bool(names)


def _handed_on(kind: type) -> set[str]:
    """What two hooks take for somebody else."""
    if kind.__name__ == 'EMAHook':
        averages = (value for value in vars(averaged_model).values() if inspect.isclass(value))
        return {name for average in averages for name in _arguments(average)[0]}
    if kind.__module__.startswith('mmpretrain.') and kind.__name__ == 'VisualizationHook':
        from mmpretrain.visualization import UniversalVisualizer

        return set(inspect.signature(UniversalVisualizer.visualize_cls).parameters)
    return set()


def _of_parameters(path: str, node: dict, section: dict) -> Iterator[tuple[str, str, Iterable[str], set[str]]]:
    """`paramwise_cfg` of an optimiser that mmengine's constructor makes; others have keys of their own."""
    constructor = section.get('constructor', 'DefaultOptimWrapperConstructor')
    with OPTIM_WRAPPER_CONSTRUCTORS.switch_scope_and_registry(None) as scoped:
        kind = scoped.get(constructor) if isinstance(constructor, str) else constructor
    if kind is None or not issubclass(kind, DefaultOptimWrapperConstructor):
        return
    if vars(kind).get('add_params') not in (None, DefaultOptimWrapperConstructor.add_params):
        return
    yield path, kind.__name__, node, PARAMWISE
    with OPTIMIZERS.switch_scope_and_registry(None) as scoped:
        optimizer = scoped.get((section.get('optimizer') or {}).get('type', ''))
    if optimizer is not None:
        known = OF_PARAMETERS | set(inspect.signature(optimizer).parameters) - {'params'}
        for name, rates in (node.get('custom_keys') or {}).items():
            yield f'{path}.custom_keys.{name}', 'an optimiser', rates, known
