"""One folder of images, or pair of folders, as it is found: files, sizes, labels, faults."""

from __future__ import annotations

from collections.abc import Sequence

from tqdm import tqdm

from sw_mmseg.datasets import ClassTable
from sw_mmseg.datasets.folder_files import stem
from sw_mmseg.datasets.image_pairs import Pairs, find_pairs
from sw_mmseg.datasets.label_scan import Scan, scan
from sw_mmseg.datasets.labelled_images import unmatched
from sw_mmseg.own_images.bands import find_bands
from sw_mmseg.own_images.folders import Folder
from sw_mmseg.own_images.target_files import label_like, list_target, refuse_doubles
from sw_mmseg.running.errors import UserError

__all__ = ['FEW', 'left_out_notes', 'look_at', 'refuse_faults']

FEW = 'target-few'  # role of labelled target images that are trained on; one is enough
LIMITS = (4, 16)  # pixels of an image's short side, and how many times as long the other may be: see `resizing`


def look_at(
    role: str,
    images: str,
    labels: str | None,
    suffixes: tuple[str | None, str | None],
    skip_bad: bool,
    decode: int | None,
    table: ClassTable | None = None,
    notes: Sequence[str] = (),
    bands: Sequence[int] | None = None,
) -> Folder:
    """One folder of images, or pair of folders."""
    if labels is None:
        samples, said = list_target(images)
        pairs = Pairs(samples, '', '', (), (), tuple(said))
    else:
        pairs = find_pairs(images, labels, *suffixes)
    if pairs.without_label and not skip_bad:
        text = unmatched(pairs.without_label, images, labels, pairs.compared())
        raise UserError(f'{role}: {text}. --skip-bad goes on without these images')
    notes = [*notes, *pairs.notes]
    if pairs.without_image:
        notes.append(
            f'{len(pairs.without_image)} label files belong to no image, the first is '
            f'{pairs.without_image[0]}; they are not used'
        )
    with tqdm(desc=f'looking at {role}', unit='', leave=False, disable=None, total=len(pairs.samples)) as bar:
        tally = scan(
            pairs.samples,
            decode,
            bool(table and table.reads_colors),
            lambda done, total: bar.update(1),
            bool(table and not table.reads_colors),
            LIMITS,
            find_bands([s[1] for s in pairs.samples], bands),
        )
    sound = [name for name, _, _ in pairs.samples if name not in tally.faults]
    masks = [] if labels else label_like(sound, tally, images)
    if not skip_bad:
        refuse_faults(role, tally)
    notes += left_out_notes(pairs, tally, masks)
    left_out = {*tally.faults, *masks}
    return _used(
        role,
        images,
        labels,
        tally,
        [s for s in pairs.samples if s[0] not in left_out],
        (*pairs.without_label, *tally.faults, *masks),
        [*notes, *tally.notes],
        suffixes,
    )


def refuse_faults(role: str, tally: Scan) -> None:
    """Raises UserError where files are faulty, with the first three faults."""
    if tally.faults:
        first = '; '.join(list(tally.faults.values())[:3]) + (' ...' if len(tally.faults) > 3 else '')
        raise UserError(
            f'{role}: {len(tally.faults)} of {tally.count} files are faulty: {first}. Repair or remove '
            'them, or go on without them: --skip-bad'
        )


def left_out_notes(pairs: Pairs, tally: Scan, masks: Sequence[str]) -> list[str]:
    """Which images are not used, and which were not read whole."""
    notes = []
    if pairs.without_label or tally.faults:
        notes.append(
            f'{len(pairs.without_label) + len(tally.faults)} images left out: {len(pairs.without_label)} '
            f'without a label file, {len(tally.faults)} faulty'
        )
    if masks:
        notes.append(f'{len(masks)} files look like labels and are not taken for images, the first is {masks[0]}')
    if tally.decoded < tally.count - len(tally.faults):
        notes.append(
            f'{tally.decoded} of {tally.count} files were read whole, of the others the sizes alone '
            '(--check all reads all)'
        )
    return notes


def _used(
    role: str,
    images: str,
    labels: str | None,
    tally: Scan,
    kept: list,
    leave_out: Sequence[str],
    notes: list[str],
    suffixes: tuple[str | None, str | None],
) -> Folder:
    least = 1 if role == FEW else 2
    if len(kept) < least:
        raise UserError(
            f'{role}: {images} has {len(kept)} image that can be used; at least {least} are needed, and some '
            'dozens for a result that means anything'
        )
    names, paths, maps = zip(*kept)
    if labels is None:
        refuse_doubles(names, images)
        names = tuple(map(stem, names))
    return Folder(
        role,
        images,
        labels,
        names,
        paths,
        maps,
        tuple(leave_out),
        suffixes,
        tally,
        tuple(notes),
    )
