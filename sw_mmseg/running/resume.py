"""`--resume` with another length or other rates than the run began with: honoured where asked for, refused otherwise.

A checkpoint holds the state of optimisers and schedules, rates and ends included, and mmengine puts it over what the
config says. So a config that differs would be ignored without a word. Here the config that the checkpoint carries is
compared with the run's:

- what this call asks for (`--cfg-options`) is honoured: from the checkpoint on, rates are those that a run of the new
  config has there, computed by stepping its schedules from the start;
- a longer run takes schedules that ended with the training along to its new end, of `CosineRestartLR` with the last of
  its periods: restarts stay where they are, while `schedules.schedule_options` moves them with the length;
- any other difference is refused, with its key, both values, and the ways out.
"""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Iterator

from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner

from sw_mmseg.running.checkpoints import read_checkpoint
from sw_mmseg.running.errors import UserError

__all__ = ['ResumedRatesHook', 'settle_resume']

RATES = ('optimizer', 'paramwise_cfg')  # what a section of optim_wrapper has that a checkpoint's state would overrule
LENGTHS = ('max_iters', 'max_epochs')
MISSING = object()
Difference = tuple[str, object, object]  # key, value in the checkpoint, value in the config


class ResumedRatesHook(Hook):
    """Gives a checkpoint that is loaded the rates and schedules of the run's own config, at the checkpoint's iteration.

    What optimisers remember of gradients stays. Every call that mmengine makes of schedules in training is repeated, in
    its order, so that a value is to the bit what it is in a run that had the config from its start.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Before optimisers and schedules take their states from it."""
        lists = runner.param_schedulers if isinstance(runner.param_schedulers, dict) else {'': runner.param_schedulers}
        done, epochs = checkpoint['meta']['iter'], checkpoint['meta']['epoch']
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that no optimiser has stepped
            for schedulers in lists.values():
                step_again(schedulers or [], done, epochs)
        several = isinstance(runner.optim_wrapper, OptimWrapperDict)
        wrappers = dict(runner.optim_wrapper.items()) if several else {'': runner.optim_wrapper}
        for name, wrapper in wrappers.items():
            saved = checkpoint['optimizer'][name] if name else checkpoint['optimizer']
            now = wrapper.state_dict()
            if [len(g['params']) for g in saved['param_groups']] != [len(g['params']) for g in now['param_groups']]:
                raise UserError(
                    f'--resume: the parameter groups of the optimiser {name} are not those of {self.path}. '
                    f'A new run can start from its weights: --cfg-options load_from={self.path}'
                )
            saved.update({key: value for key, value in now.items() if key in ('param_groups', 'base_param_settings')})
        states = {name: [s.state_dict() for s in schedulers or []] for name, schedulers in lists.items()}
        checkpoint['param_schedulers'] = states if isinstance(runner.param_schedulers, dict) else states['']


def step_again(schedulers: list, iterations: int, epochs: int) -> None:
    """The steps of training, those of iterations before those of the epoch that they end."""
    by_epoch = [s for s in schedulers if s.by_epoch]
    each = iterations // epochs if by_epoch and epochs else 0
    for number in range(1, iterations + 1):
        for scheduler in schedulers:
            if not scheduler.by_epoch:
                scheduler.step()
        if each and number % each == 0:
            for scheduler in by_epoch:
                scheduler.step()


def settle_resume(config: Config, options: dict) -> list[ResumedRatesHook]:
    """Compares a config that resumes (`load_from`) with its checkpoint; lengthens schedules in place.

    Args:
        config: the run's, options merged.
        options: the `--cfg-options` of this call.

    Returns:
        The hook that the run needs, where what it asks for differs from the checkpoint.

    Raises:
        UserError: a difference that would be ignored, or that no checkpoint can be resumed with.
    """
    path = config.load_from
    meta = read_checkpoint(path).get('meta', {})
    if not meta.get('cfg'):
        say(f'{path} carries no config: its rates and schedules hold, whatever the config says')
        return []
    before = Config.fromstring(meta['cfg'], '.py')
    say_what_is_left(config, meta)
    stretched = lengthen(config, before, options)
    refuse_seed(config, meta, path)
    changes = list(differences(before, config))
    for key, then, now in changes:
        if key.endswith('optimizer.type') or 'ReduceOnPlateau' in f'{then}{now}':
            raise UserError(
                f'--resume: {key} is {now!r} and was {then!r} in {path}, which no state of that one fits. '
                f'A new run can start from its weights: --cfg-options load_from={path}'
            )
    refuse_unasked([d for d in changes if d[0] not in stretched and not asked(d[0], options)], path)
    for key, then, now in changes:
        say(f'--resume: {key} was {shown(then)} and is {shown(now)} from iteration {meta.get("iter")} on')
    return [ResumedRatesHook(path)] if changes else []


@master_only
def say(text: str) -> None:
    """On the terminal, once."""
    print(text)


def refuse_unasked(changes: list[Difference], path: str) -> None:
    """Raises UserError where a config differs from its checkpoint in what this call does not ask for."""
    if not changes:
        return
    texts = [f'{key} is {shown(now)} and was {shown(then)}' for key, then, now in changes]
    old, new = (
        ' '.join(shlex.quote(f'{difference[0]}={shown(difference[place])}') for difference in changes)
        for place in (1, 2)
    )
    raise UserError(
        f'--resume: {"; ".join(texts)} when {path} was written, which would hold. Go on as it was with '
        f'--cfg-options {old}, go on with the new values with --cfg-options {new}, or begin a new run from '
        f'the weights: --cfg-options load_from={path}'
    )


def differences(before: Config, config: Config) -> Iterator[Difference]:
    """What optimisers and schedules would take from the checkpoint rather than from the config."""
    then, now = (
        {
            **dict(flat(c.get('optim_wrapper') or {}, 'optim_wrapper')),
            **dict(flat(c.get('param_scheduler') or [], 'param_scheduler')),
        }
        for c in (before, config)
    )
    for key in dict.fromkeys([*then, *now]):
        rates = key.startswith('param_scheduler') or any(part in RATES for part in key.split('.'))
        if rates and then.get(key, MISSING) != now.get(key, MISSING):
            yield key, then.get(key, MISSING), now.get(key, MISSING)


def flat(node: object, prefix: str) -> Iterator[tuple[str, object]]:
    """Dotted key and value of every leaf of a nest; tuples and lists of plain values are leaves."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from flat(value, f'{prefix}.{key}')
    elif isinstance(node, (list, tuple)) and any(isinstance(value, dict) for value in node):
        for index, value in enumerate(node):
            yield from flat(value, f'{prefix}.{index}')
    else:
        yield prefix, list(node) if isinstance(node, tuple) else node


def asked(key: str, options: dict) -> bool:
    """Whether an option of this call set a key, or what it stands in."""
    return any(key == option or key.startswith(f'{option}.') or option.startswith(f'{key}.') for option in options)


def shown(value: object) -> str:
    """A value for a command line."""
    return '(nothing)' if value is MISSING else str(value).replace(' ', '')


def length_of(config: Config) -> tuple[str, int] | None:
    """The key and the number by which a training ends."""
    return next(((key, config.train_cfg[key]) for key in LENGTHS if config.train_cfg.get(key)), None)


def lengthen(config: Config, before: Config, options: dict) -> set[str]:
    """A longer run: schedules that ended with the training end with it again. Returns the keys that changed."""
    old, new, keys = length_of(before), length_of(config), set()
    if not old or not new or old[0] != new[0] or new[1] <= old[1]:
        return keys
    lists = config.get('param_scheduler') or []
    lists = (
        {'param_scheduler.' + name: value for name, value in lists.items()}
        if isinstance(lists, dict)
        else {'param_scheduler': lists}
    )
    for prefix, schedules in lists.items():
        for index, schedule in enumerate(schedules):
            key = f'{prefix}.{index}.end'
            if schedule.get('end') == old[1] and key not in options:
                schedule.end = new[1]
                keys.add(key)
                if f'{prefix}.{index}.periods' not in options and lengthen_last_period(schedule, old[1]):
                    keys.add(f'{prefix}.{index}.periods')
    return keys


def lengthen_last_period(schedule: dict, old: int) -> bool:
    """Restarts keep their places and the last period, which ended at `old`, goes on to the schedule's end: past its
    periods mmengine leaves a rate where it is, at next to nothing. Returns whether anything changed."""
    periods = list(schedule.get('periods', ()))
    last = schedule.get('begin', 0) + sum(periods)
    if not periods or not old <= last < schedule['end']:
        return False
    schedule['periods'] = [*periods[:-1], periods[-1] + schedule['end'] - last]
    return True


def refuse_seed(config: Config, meta: dict, path: str) -> None:
    """Images would come in another order than weights and dropout go on with."""
    now, then = config.get('randomness', {}).get('seed'), meta.get('seed')
    if None not in (now, then) and now != then:
        raise UserError(
            f'--resume: the seed is {now} and was {then} when {path} was written: give --seed {then}, or '
            f'begin a new run from the weights: --cfg-options load_from={path}'
        )


def say_what_is_left(config: Config, meta: dict) -> None:
    """A finished training has nothing left to do; that is said, and how it goes on."""
    length = length_of(config)
    done = meta.get('iter' if length and length[0] == 'max_iters' else 'epoch')
    if length and done is not None and done >= length[1]:
        say(
            f'--resume: all {length[1]} of train_cfg.{length[0]} are done, nothing is left to train. For a longer '
            f'run: --cfg-options train_cfg.{length[0]}={2 * length[1]}'
        )
