"""The classes of label files without a class table; or the table to fill in, where only a person can name them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sw_mmseg.datasets import ClassTable, parse_class_table, table_of_ids, write_class_table
from sw_mmseg.datasets.label_pixels import share_text, unpack_color
from sw_mmseg.datasets.label_scan import Scan
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs

__all__ = ['found_table', 'is_levels', 'propose', 'soft_colours']

TOO_MANY_COLOURS = 100  # a drawing of classes has fewer
SOFT = 0.25  # of all pixels, at most, that lie on soft borders
NEAR = 4.0  # from a mixture of two colours, in values of 0 to 255
VOID = 255


def found_table(scan: Scan, out: Path) -> tuple[ClassTable, list[str]]:
    """The classes of label files, every id one of them, and what there is to say about it.

    Raises:
        UserError: only a person can say what the classes are; names the table to fill in.
    """
    if scan.colors:
        return _of_colours(scan, out)
    ids = {value for value in scan.pixels if value >= 0}
    inner = {value for value in scan.interior if value >= 0}
    if not is_levels(ids) and not (is_levels(inner) and _between(ids - inner)):
        return _of_ids(scan, out), []
    if is_levels(ids):
        levels = ', '.join(map(str, sorted(ids)))
        return table_of_ids(ids, keep_255=True), [
            f'the labels hold {levels} alone, from black to white: each is taken for a class, 255 too (a table that '
            'ignores it: --classes FILE)'
        ]
    levels = ', '.join(map(str, sorted(inner)))
    table = parse_class_table({**table_of_ids(inner, keep_255=True).to_dict(), 'unknown': 'ignore'})
    return table, [
        f'the labels hold {levels} and, at soft borders alone, {len(ids - inner)} values between them, '
        f'{_percent(scan, ids - inner)} of all pixels: those are ignored'
    ]


def is_levels(values: Iterable[int]) -> bool:
    """Whether values are 0 to 255 in even steps, as masks that were made to be looked at have them: 0 and 255, or 0,
    127 and 255."""
    ordered = sorted(values)
    if not 2 <= len(ordered) <= 16 or ordered[-1] != VOID or ordered[0] != 0:
        return False
    even = np.linspace(0, VOID, len(ordered))
    return bool((np.abs(np.array(ordered) - even) <= 1).all())


def _between(values: set[int]) -> bool:
    """Whether values are the greys of soft borders, which are many and far apart, and not ids of thin things."""
    return len(values) >= 4 and max(values) - min(values) > 64


def soft_colours(scan: Scan) -> set[int]:
    """Packed colours that lie on borders alone and are mixtures of others: drawn with soft edges."""
    main = [color for color in scan.pixels if scan.interior.get(color)]
    border_colours = [color for color in scan.pixels if not scan.interior.get(color)]
    share = sum(scan.pixels[color] for color in border_colours) / max(sum(scan.pixels.values()), 1)
    if not 2 <= len(main) < len(border_colours) or share > SOFT or len(main) > TOO_MANY_COLOURS:
        return set()
    ends = np.array([unpack_color(color) for color in main], float)
    first, second = np.triu_indices(len(main), 1)
    start, step = ends[first], ends[second] - ends[first]
    mixed = 0
    for color in border_colours:
        away = np.array(unpack_color(color), float) - start
        part = ((away * step).sum(1) / (step * step).sum(1)).clip(0, 1)
        distance = np.linalg.norm(away - part[:, None] * step, axis=1).min()
        mixed += scan.pixels[color] * (distance <= NEAR)
    return set(border_colours) if mixed >= 0.75 * sum(scan.pixels[color] for color in border_colours) else set()


def _of_ids(scan: Scan, out: Path) -> ClassTable:
    ids = [value for value in scan.pixels if value not in (-1, VOID)]
    if len(ids) != 1:
        return table_of_ids(scan.pixels)
    other = next(value for value in (VOID, 0) if value != ids[0])
    rows = {'background': other, f'class {ids[0]}': ids[0]}
    proposal = propose(parse_class_table({'classes': rows, 'ignore': []}), out, 'classes.yaml')
    remainder = f'and {VOID}, which means "no class" unless it is named' if VOID in scan.pixels else 'and nothing else'
    raise UserError(
        f'the source labels show one class alone, id {ids[0]}, {remainder}; a network learns to tell '
        f'classes apart. If what is around it is background, this table says so: --classes {proposal}'
    )


def _of_colours(scan: Scan, out: Path) -> tuple[ClassTable, list[str]]:
    commonest = share_text(scan.pixels, sum(scan.pixels.values()), 'colours')
    soft = soft_colours(scan)
    chosen = Counter({color: count for color, count in scan.pixels.items() if color not in soft})
    if all(len(set(unpack_color(color))) == 1 for color in chosen):
        rows = {f'class {color & 255}': {'color': list(unpack_color(color))} for color in sorted(chosen)}
        if len(rows) > 1:
            return parse_class_table({'classes': rows, 'unknown': 'ignore' if soft else 'error'}), [
                'the colours are greys; each is taken for a class'
            ]
    if len(chosen) > TOO_MANY_COLOURS:
        raise UserError(
            f'the source labels are colour pictures with {len(scan.pixels)} colours, commonest '
            f'{commonest}: too many for a drawing of classes (a photograph, or images and labels '
            'exchanged?). Give label files with one id a pixel'
        )
    if len(chosen) < 2:
        raise UserError(
            f'the source labels are colour pictures of one colour alone, {commonest}: there is nothing to tell apart'
        )
    rows = {f'colour {i}': {'color': list(unpack_color(c))} for i, (c, _) in enumerate(chosen.most_common(), 1)}
    comments, border = [], ''
    if soft:
        border = (
            f' {len(soft)} colours between them lie on soft borders alone ({_percent(scan, soft)} of all '
            'pixels) and are left to `unknown: ignore`.'
        )
        chosen_soft = {color: scan.pixels[color] for color in soft}
        comments = [border.strip(), share_text(chosen_soft, sum(scan.pixels.values()), 'colours', 12)]
    table = parse_class_table({'classes': rows, 'unknown': 'ignore' if soft else 'error'})
    proposal = propose(table, out, 'colours.yaml', comments)
    remarks = ''.join(f' ({note})' for note in scan.notes if 'palettes' in note)
    raise UserError(
        f'the source labels are colour pictures{remarks}: {commonest}. Say what each colour is: name them '
        f'in {proposal} and give it as --classes {proposal}.{border}'
    )


def propose(table: ClassTable, out: Path, name: str, comments: Iterable[str] = ()) -> Path:
    """The path of a class table for a person to change, written to OUT/check; one that was changed there stays."""
    outputs = Outputs(out / 'check', 'adapt')
    name = outputs.free_name(name)
    with outputs.writing(name) as part:
        write_class_table(table, part, list(comments))
    return outputs.folder / name


def _percent(scan: Scan, values: Iterable[int]) -> str:
    return f'{100 * sum(scan.pixels[value] for value in values) / max(sum(scan.pixels.values()), 1):.3g} %'
