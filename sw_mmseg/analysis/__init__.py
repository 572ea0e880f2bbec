"""Look at results, and at what a network does: tables, training curves, per-class bars, pictures of predictions, the
one-file HTML report; importance ratios, domain distance, whiteness, instance statistics, cost.

Functions return tables, figures or HTML fragments; only `write_report` writes.
"""

from sw_mmseg.analysis.bars import plot_class_bars
from sw_mmseg.analysis.complexity import LayerCost, complexity_table, layer_costs
from sw_mmseg.analysis.corruptions import CORRUPTIONS, ILLUMINATION, SEVERITIES, corrupt
from sw_mmseg.analysis.cost import fit_exponent, growth_table, plot_growth, predicted_exponent
from sw_mmseg.analysis.counters import count_whitening
from sw_mmseg.analysis.curves import plot_curves, read_scalars
from sw_mmseg.analysis.domain_distance import Discrepancy, covariance_distance, mmd
from sw_mmseg.analysis.domain_layers import LayerDistance, distance_table, layer_distances, plot_distances
from sw_mmseg.analysis.features import LayerFeatures, collect_features, traced_layers
from sw_mmseg.analysis.importance import by_layer, network_mean, ratio_table, task_mean, task_table
from sw_mmseg.analysis.importance_plots import plot_network, plot_ratio_curves, plot_tasks
from sw_mmseg.analysis.instance_map import (
    instance_map,
    instance_statistics,
    plot_instance_map,
    reference_statistics,
    statistic_distances,
)
from sw_mmseg.analysis.legend import with_legend
from sw_mmseg.analysis.predictions import colour, contact_sheet, image_bytes, overlay
from sw_mmseg.analysis.report import Section, environment, write_report
from sw_mmseg.analysis.robustness import error_rate, robustness
from sw_mmseg.analysis.spread import plot_spread
from sw_mmseg.analysis.tables import Table, mean_std, per_class_table, to_csv, to_html, to_markdown
from sw_mmseg.analysis.whiteness import Whiteness, measure_whiteness, plot_whiteness, whiteness_table

__all__ = [
    'CORRUPTIONS',
    'ILLUMINATION',
    'SEVERITIES',
    'Discrepancy',
    'LayerCost',
    'LayerDistance',
    'LayerFeatures',
    'Section',
    'Table',
    'Whiteness',
    'by_layer',
    'collect_features',
    'colour',
    'complexity_table',
    'contact_sheet',
    'corrupt',
    'count_whitening',
    'covariance_distance',
    'distance_table',
    'environment',
    'error_rate',
    'fit_exponent',
    'growth_table',
    'image_bytes',
    'instance_map',
    'instance_statistics',
    'layer_costs',
    'layer_distances',
    'mean_std',
    'measure_whiteness',
    'mmd',
    'network_mean',
    'overlay',
    'per_class_table',
    'plot_class_bars',
    'plot_curves',
    'plot_distances',
    'plot_growth',
    'plot_instance_map',
    'plot_network',
    'plot_ratio_curves',
    'plot_spread',
    'plot_tasks',
    'plot_whiteness',
    'predicted_exponent',
    'ratio_table',
    'read_scalars',
    'reference_statistics',
    'robustness',
    'statistic_distances',
    'task_mean',
    'task_table',
    'to_csv',
    'to_html',
    'to_markdown',
    'traced_layers',
    'whiteness_table',
    'with_legend',
    'write_report',
]
