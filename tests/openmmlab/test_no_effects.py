"""No package but the plugin changes a foreign object when it is imported, and what that does can be taken back."""

import functools

import pytest

from sw_mmseg.openmmlab import CHANGES
from sw_mmseg.openmmlab.efficient_eval import HOLDERS as EVALUATING
from sw_mmseg.openmmlab.labelled_pixels import HOLDERS as COUNTING
from sw_mmseg.openmmlab.sync_converters import HOLDERS
from tests.openmmlab.processes import UPSTREAM, python

TABLE = {change.name: change for change in CHANGES}
SNAPSHOT = '''
    import importlib, sys
    from sw_mmseg.openmmlab.extension import import_mmseg
    import_mmseg()  # as the plugin does, with the stand-in where it cannot be without
    import mmcv.cnn, mmcv.transforms, mmengine._strategy.distributed, mmengine.hooks, mmengine.runner
    import mmseg.engine, mmseg.evaluation, mmseg.models, torch.distributed, torchvision
    from mmengine.registry import Registry
    from mmengine.runner import CheckpointLoader

    PACKAGES = ('mmengine', 'mmcv', 'mmseg', 'mmdet', 'mmpretrain', 'torch', 'torchvision')
    LOOSE = ('__warningregistry__', '_schemes')  # the latter by its entries, see below

    def snapshot():
        """Foreign modules, their attributes and those of their classes, names in registries, finders of modules."""
        objects = {{('sys', 'meta_path'): list(sys.meta_path)}}
        objects |= {{('scheme', scheme): loader for scheme, loader in CheckpointLoader._schemes.items()}}
        for name, module in list(sys.modules.items()):
            if name.split('.')[0] not in PACKAGES or module is None:
                continue
            objects['module', name] = module
            for key, value in list(vars(module).items()):
                objects[name, key] = value
                if isinstance(value, Registry):
                    registry = f'{{value.scope}}/{{value.name}}'
                    objects |= {{('registry', registry, word): thing for word, thing in value.module_dict.items()}}
                elif isinstance(value, type) and value.__module__ == name:
                    objects |= {{(name, key, word): thing for word, thing in vars(value).items()}}
        return objects

    def differs(one, other):
        return one is not other and not (isinstance(one, (list, dict)) and one == other)

    def report(what, before):
        after = snapshot()
        changed = [key for key, value in before.items() if differs(value, after.get(key)) and key[-1] not in LOOSE]
        print('changed', what, len(before) > 10000, *('.'.join(key) for key in changed))

    for package in {packages}:
        before = snapshot()
        importlib.import_module(package)
        report(package, before)
    sys.modules['sw_mmseg.openmmlab'].unregister()
    report('unregister', before)
'''
PACKAGES = tuple(
    f'sw_mmseg.{name}'
    for name in (
        'whitening',
        'models',
        'losses',
        'openmmlab',
        'adaptation',
        'engine',
        'datasets',
        'stylization',
        'analysis',
        'plugin',
    )
)


@functools.cache
def changed():
    """Foreign objects that importing each package changed, one package after the other; the plugin last."""
    lines = python(SNAPSHOT.format(packages=PACKAGES))
    return {line.split()[1]: line.split()[2:] for line in lines if line.startswith('changed ')}


@pytest.mark.parametrize('package', PACKAGES[:-1])
def test_importing_a_package_changes_nothing_outside(package):
    assert changed()[package] == ['True']


def test_the_snapshot_sees_what_the_plugin_changes():
    """Which is the table, and nothing beside it."""
    expected = {f'{holder}.convert_sync_batchnorm' for holder in HOLDERS}
    expected |= {
        'scheme.',
        'mmengine.fileio.backends.local_backend.LocalBackend.put',
        'torch.nn.modules.batchnorm.SyncBatchNorm.convert_sync_batchnorm',
        'mmengine.config.config.Config._get_cfg_path',
        'mmengine.logging.print_log',
        'mmengine.logging.logger.print_log',
        'mmengine.runner.runner.default_worker_init_fn',
        'mmengine.runner.load_state_dict',
        'mmengine.runner.checkpoint.load_state_dict',
    }
    expected |= {f'{holder}.efficient_conv_bn_eval_forward' for holder in EVALUATING}
    expected |= {f'{holder}.{name}' for name, holders in COUNTING.items() for holder in holders}
    if TABLE['SyncBN without a GPU'].needed():
        expected |= {'registry.mmengine/model.SyncBN'}
    if TABLE['mmcv._ext'].needed() and not UPSTREAM:  # where it is there already
        expected |= {'sys.meta_path'}
    assert expected == set(changed()['sw_mmseg.plugin'][1:])


def test_unregistering_leaves_everything_as_it_was_before_the_plugin():
    left = [name for name in changed()['unregister'] if 'mmcv._ext' not in name and name != 'sys.meta_path']
    assert left == ['True']
    # upstream's stand-in was there before: it goes as well
    assert ('sys.meta_path' in changed()['unregister']) == (UPSTREAM and TABLE['mmcv._ext'].needed())
