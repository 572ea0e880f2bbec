"""The tables and the plot of the study on photographs, by hand."""

import pytest

from sw_mmseg.studies.photographs import pictures, report
from sw_mmseg.studies.photographs.cells import Result


def result(method, score, seed=0, **changed):
    scores = {
        part: {kind: [score - 10, score + 10, float('nan')] for kind in ('trained', 're-estimated')}
        for part in ('val', 'test')
    }
    values = dict(
        method=method,
        norm='bn',
        seed=seed,
        data='streets2camvid',
        setting='',
        iterations=600,
        scores=scores,
        history=[],
        classes=['road', 'car', 'tram'],
        seconds=90.0,
        processor_seconds=60.0,
        command='x',
    )
    return Result(**{**values, **changed})


def test_tables_and_the_share_of_the_way_that_is_closed():
    results = [
        result('oracle', 40.0),
        result('cbst', 31.0),
        result('cbst', 33.0, seed=1),
        result('jitter', 20.0),
        result('jitter', 27.0, setting='strong'),
    ]
    groups = report.grouped(results, 'streets2camvid')
    assert [key[0] for key in groups] == ['jitter', 'cbst', 'oracle']
    table = report.main_table(groups)
    assert table.rows[1] == (
        'class-balanced self-training (CBST)',
        'BN',
        600,
        2,
        '32.0 ± 1.4',
        '32.0 ± 1.4',
        '32.0 ± 1.4',
        1.0,
    )
    assert report.share_closed(groups) == pytest.approx(60.0)
    assert report.share_closed(report.grouped(results[1:], 'streets2camvid')) is None
    other = [result('jitter', 20.0, iterations=300), *results[:3]]
    assert report.share_closed(report.grouped(other, 'streets2camvid')) is None  # of another length
    table = report.class_table(groups)
    assert table.headings == ('training', 'road', 'car', 'tram')
    assert table.rows[1][:3] == ('class-balanced self-training (CBST), BN, 600', 22.0, 42.0)
    assert report.setting_table(results).rows[0][:5] == ('strong', 'source only, jitter', 'streets2camvid', 0, 600)
    assert 'goes 60 %' in report.section(results)
    compared = report.comparison_table(groups)
    assert [row[0].split(',')[0] for row in compared.rows] == [
        'class-balanced self-training (CBST)',
        'target labels (oracle)',
    ]
    # s = sqrt(2) of one degree of freedom; t(0.9875, 1) = 25.45; a mean of two against one: sqrt(1/2 + 1)
    assert compared.rows[0][1:] == ('source only, jitter, BN, 600', '+12.0 (−32.1 to 56.1)')
    sources = report.grouped([*results, result('jitter', 7.0, setting='game')], 'streets2camvid')
    assert [row[:2] for row in report.comparison_table(sources).rows][-1] == (
        'source only, jitter, BN, 600',
        'source only, jitter, game-like streets, BN, 600',
    )
    sizes = report.grouped([*results, result('jitter', 47.0, setting='larger')], 'streets2camvid')
    assert [row[:2] for row in report.comparison_table(sizes).rows][-1] == (
        'source only, jitter, 384×288 pixels, BN, 600',
        'source only, jitter, BN, 600',
    )
    mixing = report.grouped([*results, result('cbst', 30.0, setting='unmixed')], 'streets2camvid')
    assert [row[:2] for row in report.comparison_table(mixing).rows] == [
        ('class-balanced self-training (CBST), BN, 600', 'source only, jitter, BN, 600'),
        ('class-balanced self-training (CBST), without mixing, BN, 600', 'source only, jitter, BN, 600'),
        ('target labels (oracle), BN, 600', 'source only, jitter, BN, 600'),
        (
            'class-balanced self-training (CBST), BN, 600',
            'class-balanced self-training (CBST), without mixing, BN, 600',
        ),
    ]
    shares = report.grouped(
        [*results, result('cbst', 30.0, setting='unmixed'), result('cbst', 34.0, setting='surer')], 'streets2camvid'
    )
    assert [row[:2] for row in report.comparison_table(shares).rows][-2:] == [
        (
            'class-balanced self-training (CBST), shares 0.7 and 0.9, BN, 600',
            'class-balanced self-training (CBST), BN, 600',
        ),
        (
            'class-balanced self-training (CBST), BN, 600',
            'class-balanced self-training (CBST), without mixing, BN, 600',
        ),
    ]
    assert 'source only, jitter, game-like streets' in [row[0] for row in report.main_table(sources).rows]
    assert report.comparison_table(report.grouped(results[:1], 'streets2camvid')) is None


def test_norms_stand_beside_batchnorm_of_the_same_training_with_either_statistics():
    estimated = {part: {'trained': 3 * [10.0], 're-estimated': 3 * [14.0]} for part in ('val', 'test')}
    results = [
        *(result('jitter', 20.0 + seed, seed, norm='sw') for seed in (0, 1)),
        result('jitter', 19.0, norm='iw'),
        result('jitter', 26.0, norm='sw', setting='stem'),
        result('jitter', 17.0, setting='decoder'),
        result('jitter', 0.0, scores=estimated),
        result('jitter', 33.0, iterations=300, norm='sw'),
    ]
    groups = report.grouped(results, 'streets2camvid')
    bn, stem = 'source only, jitter, BN, 600', 'source only, jitter, norm at the stem alone, SW, 600'
    steps = {row[:2]: float(row[2].split(' (')[0]) for row in report.norm_table(groups).rows}
    assert steps == {
        ('source only, jitter, SW, 600', bn): 10.5,
        ('source only, jitter, SW, 600', f'{bn}, statistics re-estimated'): 6.5,
        ('source only, jitter, SW, 600, statistics re-estimated', f'{bn}, statistics re-estimated'): 6.5,
        ('source only, jitter, SW, 600', 'source only, jitter, IW, 600'): 1.5,
        ('source only, jitter, IW, 600', bn): 9.0,
        ('source only, jitter, IW, 600', f'{bn}, statistics re-estimated'): 5.0,
        ('source only, jitter, IW, 600, statistics re-estimated', f'{bn}, statistics re-estimated'): 5.0,
        (stem, bn): 16.0,
        (stem, f'{bn}, statistics re-estimated'): 12.0,
        (f'{stem}, statistics re-estimated', f'{bn}, statistics re-estimated'): 12.0,
        (stem, 'source only, jitter, IW, 600'): 7.0,
        (stem, 'source only, jitter, SW, 600'): 5.5,
        ('source only, jitter, SW in the decoder, BN, 600', bn): 7.0,
        ('source only, jitter, SW in the decoder, BN, 600', f'{bn}, statistics re-estimated'): 3.0,
        (
            'source only, jitter, SW in the decoder, BN, 600, statistics re-estimated',
            f'{bn}, statistics re-estimated',
        ): 3.0,
    }
    assert report.comparison_table(groups) is None
    assert [row[0] for row in report.class_table(groups).rows] == ['source only, jitter, BN, 600']
    assert report.norm_table(report.grouped([result('jitter', 1.0)], 'streets2camvid')) is None


def test_the_plot_has_the_longest_training_of_each_kind_the_best_first():
    results = [
        result('jitter', 20.0),
        result('jitter', 22.0, seed=1),
        result('oracle', 30.0, iterations=300),
        result('oracle', 40.0),
        result('jitter', 25.0, norm='sw', setting='stem'),
        result('cbst', 99.0, data='camvid_day2dusk'),
    ]
    (axes,) = pictures.score_plot(results).axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        'target labels',
        'source only, jitter, norm at the stem alone, SWa',
        'source only, jitter',
    ]
    dots = [points.get_offsets()[:, 0].tolist() for points in axes.collections]
    assert dots == [[40.0], [25.0], [20.0, 22.0]]
