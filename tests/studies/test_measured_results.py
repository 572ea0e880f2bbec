"""What a report shows of earlier calls is said: nobody has compared it with the code of now."""

from __future__ import annotations

from functools import partial

from sw_mmseg.running import records
from sw_mmseg.studies.measured_results import measured_results, say_unchecked

LINE = 'results shown are of earlier calls, and were not compared with the code and settings of now: '


def put(folder, *names):
    for name in names:
        records.write_json(folder / f'results/{name}.json', {'fingerprint': 'of some code', 'name': name})


def stored(folder):
    return [content['name'] for content in records.every_result(folder).values()]


def test_results_that_a_call_did_not_plan_are_said(tmp_path, capsys):
    put(tmp_path, 'a', 'b', 'c')
    measure = partial(put, tmp_path, 'd')
    assert measured_results(measure, ['a', 'd'], partial(stored, tmp_path), tmp_path) == ['a', 'b', 'c', 'd']
    assert capsys.readouterr().out == f'2 of 4 {LINE}b, c\n'


def test_of_a_report_alone_nothing_was_compared(tmp_path, capsys):
    put(tmp_path, *'abcd')
    assert measured_results(None, ['a', 'd'], partial(stored, tmp_path), tmp_path) == list('abcd')
    assert capsys.readouterr().out == f'4 of 4 {LINE}a, b, c, ...\n'


def test_where_all_were_compared_nothing_is_said(capsys):
    say_unchecked(['a', 'b'], ['b', 'a'])
    assert capsys.readouterr().out == ''
