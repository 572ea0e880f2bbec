"""What tools/adapt.py finds in a user's folders before it trains: counts, sizes, class shares, pictures; or one error.

Nothing is written but OUT/check, and no label of the target is looked at unless its folder was given.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from sw_mmseg.datasets import ClassTable, parse_class_table, read_class_table, table_of_ids, write_class_table
from sw_mmseg.datasets.image_pairs import Pairs, find_pairs, list_files
from sw_mmseg.datasets.label_pixels import share_text
from sw_mmseg.datasets.label_scan import Scan, class_shares, scan
from sw_mmseg.datasets.labelled_images import unmatched
from sw_mmseg.datasets.unlabelled import PICTURES
from sw_mmseg.own_images.folders import Checked, Folder, write_check
from sw_mmseg.running.errors import UserError

LOOKED_AT = 1000  # files of a folder that are read whole, unless --check all
TOO_MANY_COLOURS = 100  # a drawing of classes has fewer
FREE = 1 << 30  # bytes on the disk: checkpoints, logs, predictions


def check(source: Sequence[str], target: str, target_val: Sequence[str] | None, classes: str | None, out: Path,
          suffixes: tuple[str | None, str | None] = (None, None), skip_bad: bool = False, everything: bool = False
          ) -> Checked:
    """Looks at all folders and leaves what it saw in OUT/check.

    Raises:
        DatasetError, UserError: what keeps these folders from being trained on.
    """
    table = read_class_table(classes) if classes else None
    check_out(out, [source[0], source[1], target, *(target_val or ())])
    colors = bool(table and table.reads_colors)
    decode = None if everything or table is None else LOOKED_AT  # without a table the labels are the table
    labelled = look_at('source', source[0], source[1], suffixes, skip_bad, decode, colors)
    table = table or found_table(labelled.scan, out)
    refuse_unknown(labelled, table, classes, out)
    unlabelled = look_at('target', target, None, suffixes, skip_bad, None if everything else LOOKED_AT)
    validated = None
    if target_val:
        validated = look_at('target-val', target_val[0], target_val[1], suffixes, skip_bad, decode, colors)
        refuse_unknown(validated, table, classes, out)
    found = Checked(labelled, unlabelled, validated, table)
    write_check(out / 'check', found)
    return found


def check_out(out: Path, folders: Sequence[str]) -> None:
    """The results' folder can be written to, has room, and lies in none of the folders that are read."""
    inside = next((f for f in folders if out.resolve().is_relative_to(Path(f).resolve())), None)
    if inside:
        raise UserError(f'--out {out} lies in {inside}: what is written there would be taken for data next time')
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / '.probe'
        probe.write_bytes(b'x' * 4096)
        probe.unlink()
    except OSError as error:
        raise UserError(f'cannot write to --out {out}: {error.strerror or error}') from error
    free = shutil.disk_usage(out).free
    if free < FREE:
        raise UserError(f'the disk of --out {out} has {free / 1e6:.0f} MB free; checkpoints and pictures need '
                        f'{FREE / 1e6:.0f} MB')


def look_at(what: str, images: str, labels: str | None, suffixes: tuple[str | None, str | None], skip_bad: bool,
            decode: int | None, colors: bool = False) -> Folder:
    """One folder of images, or pair of folders."""
    notes = []
    if labels is None:
        files = list_files(images, PICTURES, 'images')
        pairs = Pairs(tuple((name, path, None) for name, path in files.items()), '', '', (), ())
    else:
        pairs = find_pairs(images, labels, *suffixes)
    if pairs.without_label and not skip_bad:
        text = unmatched(pairs.without_label, images, labels, pairs.compared())
        raise UserError(f'{what}: {text}. --skip-bad goes on without these images')
    if pairs.without_image:
        notes.append(f'{len(pairs.without_image)} label files belong to no image, the first is '
                     f'{pairs.without_image[0]}; they are not used')
    with tqdm(desc=f'looking at {what}', unit='', leave=False, disable=None, total=len(pairs.samples)) as bar:
        found = scan(pairs.samples, decode, colors, lambda done, total: bar.update(1))
    if found.faults and not skip_bad:
        first = '; '.join(list(found.faults.values())[:3]) + (' ...' if len(found.faults) > 3 else '')
        raise UserError(f'{what}: {len(found.faults)} of {found.count} files are faulty: {first}. Repair or remove '
                        'them, or go on without them: --skip-bad')
    leave_out = (*pairs.without_label, *found.faults)
    if leave_out:
        notes.append(f'{len(leave_out)} images left out: {len(pairs.without_label)} without a label file, '
                     f'{len(found.faults)} faulty')
    if found.decoded < found.count - len(found.faults):
        notes.append(f'{found.decoded} of {found.count} files were read whole, of the others the sizes alone '
                     '(--check all reads all)')
    kept = [sample for sample in pairs.samples if sample[0] not in found.faults]
    if len(kept) < 2:
        raise UserError(f'{what}: {images} has {len(kept)} image that can be used; at least 2 are needed, and some '
                        'dozens for a result that means anything')
    names, paths, maps = zip(*kept)
    return Folder(what, images, labels, names, paths, maps, leave_out, (pairs.image_suffix, pairs.label_suffix), found,
                  tuple(notes))


def found_table(found: Scan, out: Path) -> ClassTable:
    """The classes of label files without a class table: every id is one; colours have to be named first."""
    if not found.colors:
        return table_of_ids(list(found.pixels))
    commonest = share_text(found.pixels, sum(found.pixels.values()), 'colours')
    if len(found.pixels) > TOO_MANY_COLOURS:
        raise UserError(f'the source labels are colour pictures with {len(found.pixels)} colours, commonest '
                        f'{commonest}: too many for a drawing of classes (a JPEG, a photograph, or drawn with soft '
                        'edges?). Give label files with one id a pixel')
    rows = {f'colour {i}': {'color': _unpacked(c)} for i, (c, _) in enumerate(found.pixels.most_common(), 1)}
    proposal = out / 'check' / 'colours.yaml'
    proposal.parent.mkdir(parents=True, exist_ok=True)
    write_class_table(parse_class_table({'classes': rows}), proposal)
    raise UserError(f'the source labels are colour pictures: {commonest}. Say what each colour is: name them in '
                    f'{proposal} and give it as --classes {proposal}')


def refuse_unknown(folder: Folder, table: ClassTable, classes: str | None, out: Path) -> None:
    """Label files hold nothing that the class table does not know, and something that it knows."""
    found = class_shares(folder.scan, table)
    what = 'colours' if folder.scan.colors else 'ids'
    if found.unknown:
        where = f'the class table {classes}' if classes else 'the source'
        values = [_unpacked(v) if folder.scan.colors else v for v in found.unknown]
        raise UserError(
            f'{folder.what}: the label files hold {len(found.unknown)} {what} that {where} has not, with these shares '
            f'of all pixels: {share_text(found.unknown, found.total, what)}. Add them to a class, or ignore them: '
            f'"ignore: {[*table.ignore, *values][:12]}" in the class table')
    if not found.pixels.any():
        raise UserError(f'{folder.what}: no label file that was read shows any class; all pixels are ignored')


def _unpacked(value: int) -> list[int]:
    return [value >> 16, value >> 8 & 255, value & 255]
