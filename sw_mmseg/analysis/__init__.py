"""Look at results: tables, training curves, per-class bars, pictures of predictions, and the one-file HTML report.

Functions return tables, figures or HTML fragments; only `write_report` writes.
"""

from sw_mmseg.analysis.bars import plot_class_bars
from sw_mmseg.analysis.complexity import LayerCost, complexity_table, layer_costs
from sw_mmseg.analysis.corruptions import CORRUPTIONS, ILLUMINATION, SEVERITIES, corrupt
from sw_mmseg.analysis.curves import plot_curves, read_scalars
from sw_mmseg.analysis.legend import with_legend
from sw_mmseg.analysis.predictions import colour, contact_sheet, image_bytes, overlay
from sw_mmseg.analysis.report import Section, environment, write_report
from sw_mmseg.analysis.robustness import error_rate, robustness
from sw_mmseg.analysis.spread import plot_spread
from sw_mmseg.analysis.tables import Table, mean_std, per_class_table, to_csv, to_html, to_markdown

__all__ = [
    'CORRUPTIONS', 'ILLUMINATION', 'SEVERITIES', 'LayerCost', 'Section', 'Table', 'colour', 'complexity_table',
    'contact_sheet', 'corrupt', 'environment', 'error_rate', 'image_bytes', 'layer_costs', 'mean_std', 'overlay',
    'per_class_table', 'plot_class_bars', 'plot_curves', 'plot_spread', 'read_scalars', 'robustness', 'to_csv',
    'to_html', 'to_markdown', 'with_legend', 'write_report'
]
