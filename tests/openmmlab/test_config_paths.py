"""Shipped configs as bases of a user's config, by name."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from sw_mmseg.openmmlab.config_paths import CONFIGS, serve_configs, withdraw_configs

BY_NAME = "_base_ = 'sw_mmseg::sw_pspnet_ade20k.py'\n"


@pytest.fixture(autouse=True)
def _withdrawn():
    """Each test says itself when configs are served; afterwards they are as before it."""
    served = hasattr(Config._get_cfg_path, 'replaced')
    withdraw_configs()
    yield
    (serve_configs if served else withdraw_configs)()


@pytest.fixture
def read(tmp_path):
    """A config of these lines, read by mmengine."""

    def read_text(text: str) -> Config:
        (tmp_path / 'mine.py').write_text(text)
        return Config.fromfile(tmp_path / 'mine.py')

    return read_text


def test_a_base_by_name_is_the_same_as_by_path(read):
    expected = read(f'_base_ = {str(CONFIGS / "sw_pspnet_ade20k.py")!r}\n')
    serve_configs()
    config = read(BY_NAME)
    assert config.to_dict() == expected.to_dict()
    assert config.model.type == 'EncoderDecoder'


def test_bases_of_a_list_and_values_of_a_base(read):
    serve_configs()
    config = read(
        "_base_ = ['sw_mmseg::_base_/models/pspnet_r50.py', 'sw_mmseg::_base_/runtime.py']\n"
        'head = _base_.model.decode_head\n'
    )
    assert config.head.type == config.model.decode_head.type
    assert '_scope_' not in config.head


def test_configs_of_other_packages_and_paths_are_found_as_before(read, tmp_path):
    (tmp_path / 'base.py').write_text('value = 1\n')
    serve_configs()
    assert read("_base_ = './base.py'\n").value == 1
    assert read("_base_ = 'mmdet::_base_/default_runtime.py'\n").default_scope == 'mmdet'


def test_where_a_base_of_another_package_is_is_looked_up_once(read, monkeypatch):
    looks = []
    lookup = Config._get_cfg_path
    monkeypatch.setattr(Config, '_get_cfg_path', staticmethod(lambda *words: looks.append(words[0]) or lookup(*words)))
    serve_configs()
    for _ in range(2):
        assert read("_base_ = 'mmdet::_base_/default_runtime.py'\n").default_scope == 'mmdet'
        with pytest.raises(FileNotFoundError):
            read("_base_ = 'mmdet::_base_/no_such.py'\n")
    assert looks == ['mmdet::_base_/default_runtime.py', *2 * ['mmdet::_base_/no_such.py']]


def test_a_wrong_name_is_answered_with_the_nearest(read):
    serve_configs()
    with pytest.raises(FileNotFoundError, match=r'no config sw_pspnet_ade20.py; did you mean .*sw_pspnet_ade20k.py'):
        read("_base_ = 'sw_mmseg::sw_pspnet_ade20.py'\n")


def test_serving_twice_and_withdrawing_once_leaves_mmengine_as_it_was():
    before = Config._get_cfg_path
    serve_configs()
    serve_configs()
    assert Config._get_cfg_path is not before
    withdraw_configs()
    assert Config._get_cfg_path is before


def test_mmengine_itself_does_not_find_them_yet(read):
    """When this fails, mmengine has learnt it and `config_paths` can go."""
    with pytest.raises((ValueError, AssertionError)):
        read(BY_NAME)
