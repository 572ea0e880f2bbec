"""Data as training will see them: counts, classes, sizes, and pictures to look at, of a config or of plain folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS
from torch.utils.data import Dataset

from sw_mmseg.analysis import contact_sheet, image_bytes
from sw_mmseg.datasets import DatasetError, check_dataset
from sw_mmseg.datasets.file_head import read_head
from sw_mmseg.datasets.known_tables import find_class_table
from sw_mmseg.doctor.findings import BROKEN, FINE, NOTE, Finding
from sw_mmseg.files import whole_file
from sw_mmseg.own_images.check import check, refuse_unknown, with_table
from sw_mmseg.own_images.class_proposals import found_table
from sw_mmseg.own_images.folders import Folder, labelled_pictures
from sw_mmseg.own_images.looking import look_at
from sw_mmseg.running.configs import build
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.outputs import Outputs

__all__ = ['examine_config_data', 'examine_folders']

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
WRITTEN = ('check.json', 'source.png', 'target.png')
LOOKED_AT = 200  # heads of files that are read for their sizes


def examine_config_data(config: Config, decode: int | None = 32) -> list[Finding]:
    """A finding a data set of a config; `decode` pairs of each are read whole, None: all."""
    findings: list[Finding] = []
    for name in LOADERS:
        loader = config.get(name)
        if not loader:
            continue
        subject = name.removesuffix('_dataloader')
        try:
            dataset = build('data', lambda loader=loader: DATASETS.build(loader.dataset))
            check_dataset(dataset, decode)
        except (DatasetError, UserError, FileNotFoundError) as error:
            findings.append(Finding(BROKEN, subject, ' '.join(str(error).split())))
            continue
        findings += [_described(f'{subject}{side}', part) for side, part in _parts(dataset)]
    return findings or [Finding(BROKEN, 'data', 'the config has no data')]


def _parts(dataset: Dataset) -> Iterator[tuple[str, BaseDataset]]:
    """The plain data sets in a data set, each with what tells it from the others."""
    if hasattr(dataset, 'source') and hasattr(dataset, 'target'):
        for side in ('source', 'target'):
            yield from ((f' {side}{name}', part) for name, part in _parts(getattr(dataset, side)))
    elif hasattr(dataset, 'datasets'):
        for index, part in enumerate(dataset.datasets):
            yield from ((f' {index + 1}{name}', inner) for name, inner in _parts(part))
    elif isinstance(dataset, BaseDataset):
        yield '', dataset
    elif hasattr(dataset, 'dataset'):
        yield from _parts(dataset.dataset)


def _described(subject: str, dataset: BaseDataset) -> Finding:
    """Counts, sizes and classes of a data set that was found sound."""
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), LOOKED_AT)).astype(int))
    samples = [dataset.get_data_info(int(index)) for index in chosen]
    heads = [read_head(sample['img_path']) for sample in samples if 'img_path' in sample]
    sizes = Counter(f'{head.width}x{head.height}' for head in heads)
    labelled = any(sample.get('seg_map_path') for sample in samples)
    text = f'{len(dataset)} images, {"with" if labelled else "no"} labels'
    if sizes:
        more = f' and {len(sizes) - 3} other sizes' if len(sizes) > 3 else ''
        text += f', {", ".join(size for size, _ in sizes.most_common(3))}{more}'
    if labelled and (classes := dataset.metainfo.get('classes')):
        text += f', {len(classes)} classes'
    return Finding(FINE, subject, text)


def examine_folders(
    words: Sequence[str], classes: str | None, out: Path, everything: bool = False, overwrite: bool = False
) -> list[Finding]:
    """What tools/adapt.py would find in IMAGES LABELS, or IMAGES LABELS TARGET; pictures go into OUT/check.

    Args:
        classes: a class table, or the name of a known one; None: the labels' ids are the classes.
        everything: read every file whole, not some.
        overwrite: also pictures of others, such as those of a run of tools/adapt.py.

    Raises:
        UserError: neither two nor three folders, or files are in the way.
    """
    if len(words) not in (2, 3):
        raise UserError('give a config, or the folders IMAGES LABELS, or IMAGES LABELS TARGET_IMAGES')
    outputs = Outputs(out / 'check', 'doctor', overwrite)
    outputs.refuse_existing(WRITTEN)
    findings = _examined(words, classes, out, everything)
    for name in WRITTEN:
        if (outputs.folder / name).is_file():
            outputs.record(name)
    return findings


def _examined(words: Sequence[str], classes: str | None, out: Path, everything: bool) -> list[Finding]:
    try:
        if len(words) == 3:
            checked = check(words[:2], words[2], None, classes, out, everything=everything)
            table, folders, shares = checked.table, checked.folders, checked.class_table()
            findings = [_shares(shares.rows)]
            absent = checked.absent()
        else:
            table, folder = _labelled(words[0], words[1], classes, out, everything)
            folders, findings, absent = [folder], [], []
    except (DatasetError, UserError) as error:
        return [Finding(BROKEN, 'folders', ' '.join(str(error).split()))]
    counts = [
        Finding(
            FINE,
            folder.role,
            f'{len(folder.names)} images, {folder.sizes()}'
            + (f', {len(table.names)} classes' if folder.labels else ''),
        )
        for folder in folders
    ]
    findings = [*counts, *findings, *(Finding(NOTE, folder.role, note) for folder in folders for note in folder.notes)]
    if absent:
        findings.append(Finding(NOTE, 'classes', f'in no label file that was read: {", ".join(absent)}'))
    return findings


def _labelled(images: str, labels: str, classes: str | None, out: Path, everything: bool):
    """Class table and folder of labelled images alone; their pictures go into OUT/check/source.png."""
    table = find_class_table(classes) if classes else None
    folder: Folder = look_at('source', images, labels, (None, None), False, None if everything else LOOKED_AT, table)
    table, notes = (table, []) if table else found_table(folder.scan, out)
    refuse_unknown(folder, table, classes)
    folder = with_table(folder, table, notes)
    rows = [{'source image': image, 'labels': label} for image, label in labelled_pictures(folder, table)]
    (out / 'check').mkdir(parents=True, exist_ok=True)
    with whole_file(out / 'check' / 'source.png') as part:
        part.write_bytes(image_bytes(contact_sheet(rows, table.names, table.palette)))
    return table, folder


def _shares(rows: Sequence[tuple]) -> Finding:
    """The classes, by their share of the source's labelled pixels."""
    shares = sorted(((row[2], row[0]) for row in rows if row[0] != '(ignored)'), reverse=True)
    text = ', '.join(f'{name} {share:.1f} %' for share, name in shares[:8])
    return Finding(FINE, 'classes', text + (f' and {len(shares) - 8} more' if len(shares) > 8 else ''))
