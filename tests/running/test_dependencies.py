"""What a result depends on is what its code imports: followed by hand, and changed on copies of the package."""

import ast
import subprocess
import sys

import pytest

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.running import dependencies as module
from sw_mmseg.running.dependencies import ALL, dependencies, digest_of_code, registered_modules, types_in

MEASURE = ('sw_mmseg.studies.adaptation.runs', 'measure')


def test_the_closure_has_what_a_list_by_hand_forgot():
    """The light of 'switches learnt again', which every method's row has, and what reads classes and labels."""
    modules = {name for name, _ in dependencies([MEASURE])}
    assert modules >= {
        f'sw_mmseg.{name}'
        for name in (
            'adaptation.photometric',
            'adaptation.randomness',
            'adaptation.estimate_switches',
            'datasets.class_table',
            'datasets.label_pixels',
            'whitening',
        )
    }


def test_what_draws_and_reports_is_not_in_it():
    modules = {name for name, _ in dependencies([MEASURE])}
    assert not any(name.endswith(('.report', '.tables', '.style', '.page')) or '.commands' in name for name in modules)
    assert ('sw_mmseg.running.scoring', 'test') in dependencies([MEASURE])


def test_types_of_a_config_lead_to_their_modules():
    config = {'model': {'type': 'AdaptSegNet', 'segmentor': {'type': 'Nonesuch'}}, 'hooks': [{'type': 'LoadImage'}]}
    assert types_in(config) == {'AdaptSegNet', 'Nonesuch', 'LoadImage'}
    assert registered_modules()['AdaptSegNet'] == {'sw_mmseg.adaptation.adaptsegnet'}
    reached = dependencies([('sw_mmseg.adaptation.adaptsegnet', ALL)])
    assert ('sw_mmseg.losses.adversarial', ALL) in reached


def test_what_was_imported_before_changes_nothing():
    """In a process that has imported the plugin alone, a type that a command registers leads to its module, too."""
    code = (
        'import sys, sw_mmseg.plugin; from sw_mmseg.running.dependencies import registered_modules;'
        'assert "sw_mmseg.running.result_files" not in sys.modules; print(*sorted(registered_modules()))'
    )
    ended = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=True)
    assert set(ended.stdout.split()) == set(registered_modules()) >= {'LabelMapMetric', 'Stylizer', 'SWb'}


@pytest.fixture
def changed(monkeypatch):
    """`changed(MODULE, OLD, NEW)` -> the digest of `MEASURE` as it would be with that text in the module."""

    def forget():
        module.source_of.cache_clear()
        module._text.cache_clear()
        module.digest_of_code.cache_clear()

    def digest(name, old, new):
        forget()
        source = module.source_of(name)
        text = (module.PACKAGE / f'{name.removeprefix("sw_mmseg.").replace(".", "/")}.py').read_text()
        assert text.count(old) >= 1
        source.tree = ast.parse(text.replace(old, new))
        source.definitions = {d: node for node in source.tree.body for d in module._names_defined(node)}
        value = digest_of_code(frozenset([MEASURE]))
        forget()
        return value

    yield digest
    forget()


@pytest.mark.parametrize(
    'name, old, new, counts',
    [
        ('sw_mmseg.adaptation.photometric', '0.5', '0.625', True),  # another light
        ('sw_mmseg.running.scoring', 'np.nanmean', 'np.nanmax', True),
        ('sw_mmseg.running.errors', 'A mistake the user can correct', 'Said otherwise', False),  # a docstring
    ],
)
def test_a_digest_changes_with_code_and_not_with_words(changed, name, old, new, counts):
    before = digest_of_code(frozenset([MEASURE]))
    assert (changed(name, old, new) != before) is counts
