"""`--cfg-options` that change how long a config trains, and which streets it reads."""

from __future__ import annotations

import itertools

from mmengine.config import Config

__all__ = ['DATA', 'continued_options', 'data_options', 'quarter', 'schedule_options']

RATE = 0.5  # of a training from the start, where one goes on
RISE = 0.05  # share of the training in which its rates rise

DATA = 'data/streets/varied'  # the configs'


def schedule_options(config: Config, iterations: int | None) -> dict:
    """`--cfg-options` that shorten or lengthen a training: the loop, its validations and every schedule's end."""
    if iterations is None or iterations == config.train_cfg.max_iters:
        return {}
    old = config.train_cfg.max_iters
    options = _length(config, iterations)
    players = config.param_scheduler
    lists = (
        {f'param_scheduler.{k}': v for k, v in players.items()}
        if isinstance(players, dict)
        else {'param_scheduler': players}
    )
    for prefix, schedules in lists.items():
        for index, schedule in enumerate(schedules):
            times = {k: max(1, round(schedule[k] * iterations / old)) for k in ('begin', 'end') if schedule.get(k)}
            if 'end' in times:
                times['end'] = max(times['end'], times.get('begin', 0) + 1)
            options |= {f'{prefix}.{index}.{key}': value for key, value in times.items()}
            if 'periods' in schedule:
                begin = times.get('begin', 0)
                options[f'{prefix}.{index}.periods'] = _shorter(schedule, begin, iterations / old)
    return options | _rounds(config.model, iterations / old)


def quarter(iterations: int) -> int:
    """Iterations between two checkpoints of which the last but one is a quarter of the training before its end: rounded
    up, since after four quarters that are rounded down another one comes, of one to three iterations."""
    return -(-iterations // 4)


def continued_options(config: Config, checkpoint: str, iterations: int) -> dict:
    """`--cfg-options` with which a config of adaptation goes on from a network that has learnt its source.

    Half the segmentor's learning rate, one cycle, or one a round; self-training labels the target at once.
    """
    rise, rounds = max(1, round(RISE * iterations)), len(config.model.get('shares', (1,)))
    length = max(1, iterations // rounds)
    periods = [max(1, length - rise), *[length] * (rounds - 1)]
    begin = {'begin': rise, 'end': max(rise + 1, rise + sum(periods)), 'by_epoch': False, 'eta_min': 0.0}
    cycles = {'type': 'CosineRestartLR', 'periods': periods, 'restart_weights': [1.0] * rounds, **begin}
    up = {'type': 'LinearLR', 'start_factor': RISE, 'begin': 0, 'end': rise, 'by_epoch': False}
    optimizer = config.optim_wrapper.segmentor.optimizer
    options = {
        'load_from': checkpoint,
        **_length(config, iterations),
        'optim_wrapper.segmentor.optimizer.lr': RATE * optimizer.lr,
        **{f'param_scheduler.{player}': [up, cycles] for player in config.param_scheduler},
    }
    return options | ({'model.warmup': 0, 'model.round_length': length} if 'round_length' in config.model else {})


def _length(config: Config, iterations: int) -> dict:
    """Options of the loop, its validations, checkpoints and logs."""
    return {
        'train_cfg.max_iters': iterations,
        'train_cfg.val_interval': iterations,
        'default_hooks.checkpoint.interval': max(1, iterations // 4),
        'default_hooks.logger.interval': max(1, min(config.default_hooks.logger.interval, iterations // 20)),
    }


def _shorter(schedule: dict, begin: int, ratio: float) -> list[int]:
    """Periods of a schedule with restarts that now begins at `begin`; restarts keep their place in the training."""
    places, last = [], begin
    for end in itertools.accumulate(schedule['periods'], initial=schedule.get('begin', 0)):
        places.append(max(last, round(end * ratio)))
        last = places[-1] + 1
    return [end - start for start, end in itertools.pairwise([begin, *places[1:]])]


def _rounds(model: dict, ratio: float) -> dict:
    """Options for the lengths of a method that trains in rounds."""
    if 'round_length' not in model:
        return {}
    warmup, end = (round(length * ratio) for length in (model['warmup'], model['warmup'] + model['round_length']))
    return {'model.warmup': warmup, 'model.round_length': max(1, end - warmup)}


def data_options(node: dict, new: str, prefix: str) -> dict:
    """`--cfg-options` that point every `data_root` below `node` from the configs' streets to another folder."""
    options = {}
    for key, value in node.items():
        if isinstance(value, dict):
            options |= data_options(value, new, f'{prefix}.{key}')
        elif key == 'data_root' and value.startswith(DATA) and new != DATA:
            options[f'{prefix}.{key}'] = new + value[len(DATA) :]
    return options
