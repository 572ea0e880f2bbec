"""What tools/adapt.py leaves to read: OUT/results.json, OUT/results.md and OUT/report.html."""

from __future__ import annotations

from pathlib import Path

from sw_mmseg.analysis import (
    Table,
    environment,
    to_markdown,
    write_report,
)
from sw_mmseg.files import whole_file
from sw_mmseg.own_images.labelled_data import labelled_text
from sw_mmseg.own_images.report_content import Report, result_table
from sw_mmseg.own_images.report_sections import sections
from sw_mmseg.running.records import none_for_nan, write_json
from sw_mmseg.running.scoring import miou

__all__ = ['write_results', 'write_text']

TITLE = 'From your labelled images to your unlabelled ones'


def write_results(out: Path, report: Report) -> Table:
    """results.json, results.md and report.html; returns the table of results."""
    table = result_table(report)
    write_json(
        out / 'results.json',
        {
            'networks': [
                {
                    'name': o.name,
                    'statistics': o.statistics,
                    'target': o.target and none_for_nan(o.target),
                    'target_mIoU': o.target and miou(o.target),
                    'source': o.source and none_for_nan(o.source),
                    'source_mIoU': o.source and miou(o.source),
                    'predicted_shares': o.shares,
                    'ratios': o.ratios,
                }
                for o in report.outcomes
            ],
            'checkpoint': report.final,
            'labelled_images': {folder.role: len(folder.names) for folder in report.data.labelled},
            'classes': list(report.data.table.names),
            'commands': list(report.commands),
            'choices': [list(map(str, reason)) for reason in report.reasons],
            'environment': environment(),
        },
    )
    write_text(out / 'results.md', to_markdown(table))
    lead = [
        f'A network learned from {labelled_text(report.data)} and was adapted to '
        f'{len(report.data.target.names)} unlabelled ones.'
    ]
    write_report(out / 'report.html', TITLE, lead, sections(report, table))
    return table


def write_text(file: Path, text: str) -> None:
    """The whole file or none of it."""
    with whole_file(file) as part:
        part.write_text(text, encoding='utf-8')
