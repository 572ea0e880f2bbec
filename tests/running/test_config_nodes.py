"""Where the dicts of a config stand."""

from mmengine.config import Config

from sw_mmseg.running.config_nodes import ConfigNode, config_dicts, config_nodes


def test_every_dict_has_its_path_and_its_parent():
    inner, listed = {'type': 'B'}, {'type': 'C'}
    outer = {'a': inner, 'many': [1, listed, (listed,)], 'word': 'x'}
    assert list(config_nodes(outer)) == [
        ConfigNode('', outer, {}),
        ConfigNode('a', inner, outer),
        ConfigNode('many.1', listed, {}),
        ConfigNode('many.2.0', listed, {}),
    ]
    assert [node.name for node in config_nodes(outer)] == ['', 'a', '1', '0']


def test_what_is_changed_is_the_config_itself():
    config = Config({'model': {'head': {'classes': 19}, 'heads': [{'classes': 19}]}})
    for node in config_dicts(config.model):
        if 'classes' in node:
            node.classes = 2
    assert config.model.to_dict() == {'head': {'classes': 2}, 'heads': [{'classes': 2}]}
