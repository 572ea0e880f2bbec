"""Look at results: tables, training curves, per-class bars, pictures of predictions, and the one-file HTML report.

Functions return tables, figures or HTML fragments; only `write_report` writes.
"""

from sw_mmseg.analysis.bars import plot_class_bars
from sw_mmseg.analysis.curves import plot_curves, read_scalars
from sw_mmseg.analysis.predictions import colour, contact_sheet, image_bytes, overlay
from sw_mmseg.analysis.report import Section, environment, write_report
from sw_mmseg.analysis.tables import Table, mean_std, per_class_table, to_csv, to_html, to_markdown

__all__ = [
    'Section', 'Table', 'colour', 'contact_sheet', 'environment', 'image_bytes', 'mean_std', 'overlay',
    'per_class_table', 'plot_class_bars', 'plot_curves', 'read_scalars', 'to_csv', 'to_html', 'to_markdown',
    'write_report'
]
