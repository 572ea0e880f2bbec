"""Whether a network has learnt its source at all, how much longer it would take, and whether adapting it paid.

What was not learnt on labelled images cannot be carried over to others, whatever the method. Two signs: the score on
source images that no training saw is low, or it was still rising when training ended.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from sw_mmseg.own_images.plan import BUDGET, title
from sw_mmseg.own_images.training import Examiner, Outcome
from sw_mmseg.running.checkpoints import numbered_checkpoints, read_weights
from sw_mmseg.running.methods import SOURCE_ONLY
from sw_mmseg.running.schedules import quarter
from sw_mmseg.running.scoring import miou

__all__ = ['earlier_and_last', 'learning_note', 'learning_notes', 'source_only_note']

LOW, VERY_LOW = 40.0, 20.0  # source mIoU in percent
RISING = 2.0  # points that the last quarter of a training added, from which on more time pays
LONGER = {True: 4, False: 2}  # times as long: very low, or not


def learning_notes(
    examiner: Examiner,
    model: nn.Module,
    folder: Path,
    source: list[float] | None,
    treated: bool,
    args: argparse.Namespace,
) -> list[str]:
    """The sentence on the training in `folder`, whose network `model` scores `source` on source images: none where all
    is well, or where there are no such images. Networks are compared as they were trained: where `model` is `treated`
    since, with other statistics or switches, it is scored anew. It stays as it is."""
    if source is None:
        return []
    length = examiner.config.train_cfg.max_iters
    state = {key: value.clone() for key, value in model.state_dict().items()}

    def score(file: Path) -> float:
        model.load_state_dict(read_weights(str(file)))
        return miou(examiner.iou(model.eval(), 'source'))

    earlier, last = earlier_and_last(numbered_checkpoints(folder), length)
    before = score(earlier) if earlier else None
    now = score(last) if treated and last else miou(source)
    model.load_state_dict(state)
    budget = args.budget or BUDGET['cuda' if torch.cuda.is_available() else 'cpu']
    asked, option = (args.iterations, '--iterations') if args.iterations else (budget, '--budget')
    note = learning_note(now, before, asked, option)
    return [note] if note else []


def earlier_and_last(files: dict[Path, int], length: int) -> tuple[Path | None, Path | None]:
    """Of numbered checkpoints, the one a quarter of the training before its end, and that of the end. An interrupt may
    have left others, which say nothing of a quarter; None for what is not there, as where options ask for others."""
    places = {number: file for file, number in files.items()}
    three = 3 * quarter(length)
    return places.get(three if three < length else 2 * quarter(length)), places.get(length)


def learning_note(score: float, before: float | None, length: float, option: str) -> str | None:
    """One sentence where a network has not learnt its source, or was still learning.

    Args:
        score: source mIoU in percent at the end.
        before: a quarter of the training earlier, if known.
        length: of the training, as given by `option`.
        option: '--budget' or '--iterations'.
    """
    rise = 0.0 if before is None else score - before
    if score >= LOW and rise < RISING:
        return None
    reasons = [f'{score:.1f} mIoU on source images that no training saw'] if score < LOW else []
    reasons += [f'{rise:.1f} points of source mIoU came in the last quarter of the training'] if rise >= RISING else []
    longer = LONGER[score < VERY_LOW]
    return (
        f'The network has not learnt all that it can of its source ({"; ".join(reasons)}), and the target can '
        f'hardly be better: train about {longer} times as long, {option} {longer * length:g}'
    )


def source_only_note(outcomes: Sequence[Outcome], final: str, files: tuple[Path, Path]) -> list[str]:
    """The sentence where the network that was not adapted, `files` its config and checkpoint, scores higher on the
    target's labelled images than the one that is kept; none where there are no such images."""
    scores = {outcome.name: miou(outcome.target) for outcome in outcomes if outcome.target is not None}
    plain = title(SOURCE_ONLY)
    if plain not in scores or scores[plain] <= scores.get(final, 100.0):
        return []
    return [
        f'On the images of --target-val {plain} has {scores[plain]:.1f} mIoU and {final} {scores[final]:.1f}: '
        f'predict with {files[0]} and {files[1]}, or try a longer training'
    ]
