"""What tools/adapt.py --from finds in the target's folders before it trains: images, and labels to score on."""

from __future__ import annotations

import argparse

from sw_mmseg.datasets import ClassTable
from sw_mmseg.own_images.bands import refuse_bands
from sw_mmseg.own_images.check import LOOKED_AT, check_out, drawn_labels, refuse_small, refuse_unknown, with_table
from sw_mmseg.own_images.folders import Checked, write_check
from sw_mmseg.own_images.looking import look_at

__all__ = ['check_target']


def check_target(args: argparse.Namespace, table: ClassTable) -> Checked:
    """Looks at the target's folders and leaves what it saw in OUT/check.

    Raises:
        DatasetError, UserError: what keeps these folders from being trained on.
    """
    check_out(args.out, [args.target, *(args.target_val or ())])
    suffixes, bands = (args.image_suffix, args.label_suffix), args.bands
    decode = None if args.check == 'all' or args.skip_bad else LOOKED_AT
    target = look_at('target', args.target, None, suffixes, args.skip_bad, decode, bands=bands)
    validated = None
    if args.target_val:
        drawn, _, notes = drawn_labels('target-val', args.target_val, args.out, table.names)
        images = args.target_val[0]
        validated = look_at('target-val', images, drawn, suffixes, args.skip_bad, decode, table, notes, bands)
        validated = with_table(validated, table, [])
        refuse_unknown(validated, table, args.classes or 'of --from')
    checked = Checked(None, target, validated, table)
    refuse_small(checked)
    refuse_bands(checked, bands)
    write_check(args.out / 'check', checked)
    return checked
