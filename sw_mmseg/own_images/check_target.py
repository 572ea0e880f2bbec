"""What tools/adapt.py --from finds in the target's folders before it trains: images, labels to score on, and a few to
train on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sw_mmseg.datasets import ClassTable
from sw_mmseg.own_images.bands import refuse_bands
from sw_mmseg.own_images.check import LOOKED_AT, check_out, refuse_small, refuse_unknown, with_table
from sw_mmseg.own_images.few_labels import refuse_scored
from sw_mmseg.own_images.folders import Checked, Folder, write_check
from sw_mmseg.own_images.looking import FEW, look_at
from sw_mmseg.own_images.outlines import drawn_labels

__all__ = ['check_target']


def check_target(args: argparse.Namespace, table: ClassTable) -> Checked:
    """Looks at the target's folders and leaves what it saw in OUT/check.

    Raises:
        DatasetError, UserError: what keeps these folders from being trained on.
    """
    check_out(args.out, [args.target, *(args.target_val or ()), *(args.target_few or ())])
    suffixes, bands = (args.image_suffix, args.label_suffix), args.bands
    decode = None if args.check == 'all' or args.skip_bad else LOOKED_AT
    target = look_at('target', args.target, None, suffixes, args.skip_bad, decode, bands=bands)

    def labelled(role: str, folders: Sequence[str] | None) -> Folder | None:
        if not folders:
            return None
        named = args.classes or 'of --from'
        drawn, read_by, notes = drawn_labels(role, folders, args.out, table, named)
        folder = look_at(role, folders[0], drawn, suffixes, args.skip_bad, decode, read_by, notes, bands)
        folder = with_table(folder, read_by, [])
        refuse_unknown(folder, read_by, named)
        return folder

    few, validated = labelled(FEW, args.target_few), labelled('target-val', args.target_val)
    if few and validated:
        refuse_scored(few, [], validated)
    checked = Checked(None, target, validated, table, few)
    refuse_small(checked)
    refuse_bands(checked, bands)
    write_check(args.out / 'check', checked)
    return checked
