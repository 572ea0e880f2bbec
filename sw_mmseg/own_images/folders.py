"""Folders as tools/adapt.py found them: what is used, how classes share the pixels, and pictures to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmseg.registry import TRANSFORMS

from sw_mmseg.analysis import Table, contact_sheet, image_bytes
from sw_mmseg.datasets import ClassTable
from sw_mmseg.datasets.label_scan import Scan, Shares, Size, class_shares
from sw_mmseg.files import whole_file
from sw_mmseg.running.records import write_json

__all__ = ['Checked', 'Folder', 'labelled_picture', 'labelled_pictures', 'picture', 'spread', 'write_check']

SHOWN = 4  # rows of a sheet


@dataclass(frozen=True)
class Folder:
    """A folder of images, with or without labels, as it was found."""

    role: str  # 'source', 'source 2', 'target', 'target-val', 'target-few'
    images: str
    labels: str | None
    names: tuple[str, ...]  # of the images that are used
    paths: tuple[str, ...]
    label_paths: tuple[str | None, ...]
    leave_out: tuple[str, ...]
    suffixes: tuple[str | None, str | None]  # as given; training looks for the ends of names as the check did
    scan: Scan
    notes: tuple[str, ...]
    table: ClassTable | None = None  # by which its label files are read, see `ClassTable.by_colors`

    def loading(self) -> list[dict]:
        """The steps of a pipeline that read an image, and its labels where there are any."""
        white = {} if self.scan.white is None else {'white': self.scan.white}
        bands = dict(zip(('bands', 'bands_of'), self.scan.bands or ()))
        return [{'type': 'LoadImage', **white, **bands}, *([{'type': 'LoadLabels'}] if self.labels else [])]

    def sizes(self) -> str:
        """'256x128 (200), 640x480 (3) and 2 other sizes'."""
        ordered = self.scan.sizes.most_common()
        texts = [f'{w}x{h}' + (f' ({n})' if len(ordered) > 1 else '') for (w, h), n in ordered[:3]]
        return ', '.join(texts) + (f' and {len(ordered) - 3} other sizes' if len(ordered) > 3 else '')

    def typical_size(self) -> Size:
        """Width and height: each the median over the images."""
        sizes = np.array(list(self.scan.sizes.elements()))
        return tuple(int(side) for side in np.median(sizes, axis=0))


@dataclass(frozen=True)
class Checked:
    """Everything that was found, fit to be trained on."""

    source: Folder | None  # None: what is adapted is a trained network
    target: Folder
    target_val: Folder | None
    table: ClassTable
    few: Folder | None = None  # labelled target images to train on
    more_sources: tuple[Folder, ...] = ()  # beyond the first

    @property
    def sources(self) -> list[Folder]:
        """All of them, the first one first."""
        return [self.source, *self.more_sources] if self.source else []

    @property
    def labelled(self) -> list[Folder]:
        """Those whose labels are trained on."""
        return [*self.sources, *([self.few] if self.few else [])]

    @property
    def trained(self) -> list[Folder]:
        """Those whose images are trained on."""
        return [*self.labelled, self.target]

    @property
    def folders(self) -> list[Folder]:
        """Those that there are."""
        return [*self.sources, *(folder for folder in (self.target, self.few, self.target_val) if folder)]

    def shares(self, folder: Folder) -> Shares:
        """Pixels of each class in the label files of a folder that were read."""
        return class_shares(folder.scan, folder.table or self.table)

    def overview(self) -> Table:
        """A row a folder."""
        rows = [(f.role, f.images, len(f.names), f.sizes(), len(f.leave_out)) for f in self.folders]
        return Table(('', 'images', 'used', 'sizes', 'left out'), tuple(rows))

    def class_table(self) -> Table:
        """A row a class: what label files hold for it, and its share of the labelled pixels in percent."""
        labelled = [folder for folder in self.folders if folder.labels]
        shares = {folder.role: self.shares(folder) for folder in labelled}
        read_by = (labelled[0].table if labelled else None) or self.table
        rows = []
        for index, entry in enumerate(read_by.classes):
            held = ', '.join(map(str, entry.colors if labelled and labelled[0].scan.colors else entry.ids))
            rows.append((entry.name, held, *(_percent(s.pixels[index], s.total - s.ignored) for s in shares.values())))
        rows.append(
            (
                '(ignored)',
                ', '.join(map(str, (*read_by.ignore, *read_by.ignore_colors))),
                *(_percent(s.ignored, s.total) for s in shares.values()),
            )
        )
        return Table(
            ('class', 'in the label files', *(f'% of {role}' for role in shares)),
            tuple(rows),
            'Shares of the labelled pixels; of the ignored ones, of all.',
            digits=2,
        )

    def absent(self) -> list[str]:
        """Classes that no label that was read and is trained on shows; none where a trained network knows them."""
        if not self.sources:
            return []
        pixels = sum(self.shares(folder).pixels for folder in self.labelled)
        return [name for name, count in zip(self.table.names, pixels) if not count]


def write_check(folder: Path, checked: Checked) -> None:
    """check.json, source.png, target.png, and target_few.png where some of the target's labels are trained on."""
    folder.mkdir(parents=True, exist_ok=True)
    overview, classes = checked.overview(), checked.class_table()
    write_json(
        folder / 'check.json',
        {
            'folders': [dict(zip(('what', *overview.headings[1:]), row)) for row in overview.rows],
            'classes': [dict(zip(classes.headings, row)) for row in classes.rows],
            'notes': [f'{f.role}: {note}' for f in checked.folders for note in f.notes],
            'faults': {f.role: f.scan.faults for f in checked.folders if f.scan.faults},
        },
    )
    names, palette = checked.table.names, checked.table.palette
    targets = [picture(path, checked.target) for path in spread(checked.target.paths, 2 * SHOWN)]
    pairs = [{'target images': left, ' ': right} for left, right in zip(targets[::2], targets[1::2])]
    sheets = {'target.png': pairs}
    for folder_of_source in checked.sources:
        name = f'{folder_of_source.role.replace(" ", "_")}.png'
        sheets[name] = _rows('source image', folder_of_source, checked.table)
    if checked.few:
        sheets['target_few.png'] = _rows('target image', checked.few, checked.table)
    for file, sheet in sheets.items():
        with whole_file(folder / file) as part:
            part.write_bytes(image_bytes(contact_sheet(sheet, names, palette)))


def labelled_pictures(folder: Folder, table: ClassTable, count: int = SHOWN) -> list[tuple[np.ndarray, np.ndarray]]:
    """Images (RGB) and their class maps, as training sees them, spread over the folder."""
    return [
        labelled_picture(folder, table, *pair) for pair in spread(list(zip(folder.paths, folder.label_paths)), count)
    ]


def labelled_picture(folder: Folder, table: ClassTable, image: str, label: str) -> tuple[np.ndarray, np.ndarray]:
    """One of them."""
    sample = {
        'img_path': image,
        'seg_map_path': label,
        'seg_fields': [],
        'label_ids': folder.table or table,
        'label_frame': folder.scan.frame,
    }
    for step in folder.loading():
        sample = TRANSFORMS.build(step)(sample)
    return np.ascontiguousarray(sample['img'][..., ::-1]), sample['gt_seg_map']


def picture(path: str, folder: Folder) -> np.ndarray:
    """H×W×3 uint8 RGB, as training sees it."""
    return np.ascontiguousarray(TRANSFORMS.build(folder.loading()[0])({'img_path': path})['img'][..., ::-1])


def spread(items: Sequence, count: int) -> list:
    """`count` of the items, evenly spread."""
    places = np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int))
    return [items[i] for i in places]


def _rows(title: str, folder: Folder, table: ClassTable) -> list[dict[str, np.ndarray]]:
    return [{title: image, 'labels': labels} for image, labels in labelled_pictures(folder, table)]


def _percent(part: int, whole: int) -> float:
    return 100 * float(part) / max(float(whole), 1.0)
