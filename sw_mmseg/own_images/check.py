"""What tools/adapt.py finds in a user's folders before it trains: counts, sizes, class shares, pictures; or one error.

Nothing is written but OUT/check, and no label of the target is looked at unless its folder was given.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sw_mmseg.datasets import ClassTable
from sw_mmseg.datasets.known_tables import find_class_table
from sw_mmseg.datasets.label_definitions import find_definitions
from sw_mmseg.datasets.label_pixels import share_text, unpack_color
from sw_mmseg.datasets.label_scan import class_shares
from sw_mmseg.own_images.bands import refuse_bands
from sw_mmseg.own_images.class_proposals import found_table
from sw_mmseg.own_images.few_labels import refuse_scored
from sw_mmseg.own_images.folders import Checked, Folder, write_check
from sw_mmseg.own_images.looking import FEW, look_at
from sw_mmseg.own_images.outlines import drawn_labels
from sw_mmseg.own_images.plan import SMALLEST
from sw_mmseg.own_images.sources import Source, look_at_more, target_table, unite
from sw_mmseg.own_images.target_files import refuse_overlap
from sw_mmseg.running.errors import UserError

__all__ = ['check', 'check_out', 'refuse_small', 'refuse_unknown', 'with_table']

LOOKED_AT = 1000  # files of a folder that are read whole, unless --check all
FREE = 1 << 30  # bytes on the disk: checkpoints, logs, predictions


def check(
    source: Sequence[str],
    target: str,
    target_val: Sequence[str] | None,
    classes: str | None,
    out: Path,
    suffixes: tuple[str | None, str | None] = (None, None),
    skip_bad: bool = False,
    everything: bool = False,
    bands: Sequence[int] | None = None,
    target_few: Sequence[str] | None = None,
    more_sources: Sequence[Source] = (),
) -> Checked:
    """Looks at all folders and leaves what it saw in OUT/check; outlines are drawn into OUT/labels.

    `bands` are those that are red, green and blue, of images with two or more than three; `target_few` are labelled
    target images that are trained on, by the class table of the source or one of their own, whose classes are mapped
    onto the source's by name, as `target_val`; `more_sources` are labelled
    images with class tables of their own, whose classes are united by name.

    Raises:
        DatasetError, UserError: what keeps these folders from being trained on.
    """
    table = find_class_table(classes) if classes else None
    check_places(out, [source, *more_sources], target, [*(target_val or ())[:2], *(target_few or ())[:2]])
    whole = everything or skip_bad  # what is to be skipped has to be found, wherever it lies
    decode = None if whole or table is None else LOOKED_AT  # without a table the labels are the table
    drawn, read_by, notes = drawn_labels('source', source, out, table, classes)
    labelled = look_at('source', source[0], drawn, suffixes, skip_bad, decode, read_by, notes, bands)
    read_by, said = (read_by, []) if read_by else _table_of(labelled, out)
    refuse_unknown(labelled, read_by, classes)

    def look_by(role: str, folders: Sequence[str], table: ClassTable) -> Folder:
        drawn, read_by, notes = drawn_labels(role, folders, out, table, folders[2])
        folder = look_at(role, folders[0], drawn, suffixes, skip_bad, decode, read_by, notes, bands)
        refuse_unknown(folder, read_by, folders[2])
        return replace(folder, table=read_by)

    more = look_at_more(more_sources, look_by)
    table, read_by, *tables = unite([table or read_by, read_by, *(folder.table for folder in more)])
    labelled = with_table(labelled, read_by, said)
    more = [with_table(folder, own_table, []) for folder, own_table in zip(more, tables)]
    unlabelled = look_at('target', target, None, suffixes, skip_bad, None if whole else LOOKED_AT, bands=bands)

    def labelled_target(role: str, folders: Sequence[str] | None) -> Folder | None:
        if not folders:
            return None
        labels_table, named = (find_class_table(folders[2]), folders[2]) if folders[2:] else (table, classes)
        drawn, read_by, notes = drawn_labels(role, folders, out, labels_table, named)
        mapped_table, said = target_table(folders, read_by, table)
        folder = look_at(role, folders[0], drawn, suffixes, skip_bad, decode, mapped_table, [*notes, *said], bands)
        folder = with_table(folder, mapped_table, [])
        refuse_unknown(folder, mapped_table, named)
        return folder

    few, validated = labelled_target(FEW, target_few), labelled_target('target-val', target_val)
    if validated:
        refuse_scored(few, [labelled, *more], validated)
    checked = Checked(labelled, unlabelled, validated, table, few, tuple(more))
    refuse_small(checked)
    refuse_bands(checked, bands)
    write_check(out / 'check', checked)
    return checked


def _table_of(labelled: Folder, out: Path) -> tuple[ClassTable, list[str]]:
    """Without a class table: what a simulator left beside the labels, or every id that they hold."""
    defined = find_definitions(str(labelled.labels))
    return (defined[0], [defined[1]]) if defined else found_table(labelled.scan, out)


def refuse_small(checked: Checked) -> None:
    """Raises UserError where the images are too small for any network here."""
    for folder in checked.trained:
        if min(folder.typical_size()) < SMALLEST:
            width, height = folder.typical_size()
            raise UserError(
                f'{folder.role}: the images of {folder.images} are {width}x{height} pixels; at least '
                f'{SMALLEST} on the short side are needed'
            )


def check_places(out: Path, sources: Sequence[Sequence[str]], target: str, labelled: Sequence[str]) -> None:
    """Raises UserError where results would lie among what is read, or the target is a source's folder."""
    check_out(out, [*(folder for source in sources for folder in source[:2]), target, *labelled])
    for source in sources:
        refuse_overlap(source, target)


def check_out(out: Path, folders: Sequence[str]) -> None:
    """The results' folder can be written to, has room, and lies in none of the folders that are read."""
    inside = next((f for f in folders if out.resolve().is_relative_to(Path(f).resolve())), None)
    if inside:
        raise UserError(f'--out {out} lies in {inside}: what is written there would be taken for data next time')
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=out) as probe:
            probe.write(b'x' * 4096)
    except OSError as error:
        raise UserError(f'cannot write to --out {out}: {error.strerror or error}') from error
    free = shutil.disk_usage(out).free
    if free < FREE:
        raise UserError(
            f'the disk of --out {out} has {free / 1e6:.0f} MB free; checkpoints and pictures need {FREE / 1e6:.0f} MB'
        )


def with_table(folder: Folder, table: ClassTable, notes: Sequence[str]) -> Folder:
    """The folder with the class table by which its label files are read."""
    label_table = table.by_colors() if folder.scan.colors else table
    return replace(folder, table=label_table, notes=(*folder.notes, *notes))


def refuse_unknown(folder: Folder, table: ClassTable, classes: str | None) -> None:
    """Label files hold nothing that the class table does not know, and something that it knows."""
    shares = class_shares(folder.scan, table)
    kind = 'colours' if folder.scan.colors else 'ids'
    if shares.unknown:
        where = f'the class table {classes}' if classes else 'the source'
        values = [list(unpack_color(v)) if folder.scan.colors else v for v in shares.unknown]
        raise UserError(
            f'{folder.role}: the label files hold {len(shares.unknown)} {kind} that {where} has not, with these shares '
            f'of all pixels: {share_text(shares.unknown, shares.total, kind)}. Add them to a class, or ignore them: '
            f'"ignore: {[*table.ignore, *values][:12]}" in the class table, or "unknown: ignore" for all that it does '
            'not name'
        )
    if not shares.pixels.any():
        raise UserError(f'{folder.role}: no label file that was read shows any class; all pixels are ignored')
