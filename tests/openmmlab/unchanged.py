"""What is wrong without each change of the table. A function that fails says that its row can go."""

import contextlib
import functools
import io
import logging
import socket
import sys

import mmengine.logging
import pytest
import torch
import torch.distributed as dist
from mmcv.cnn import ConvModule
from mmengine.analysis import get_model_complexity_info
from mmengine.config import Config
from mmengine.dataset import worker_init_fn
from mmengine.fileio import LocalBackend
from mmengine.model.efficient_conv_bn_eval import turn_on_efficient_conv_bn_eval
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS
from mmengine.runner import CheckpointLoader, Runner, checkpoint
from mmseg.apis import MMSegInferencer
from mmseg.models import losses
from torch import nn

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.openmmlab import CHANGES, accumulate
from sw_mmseg.openmmlab.sync_converters import HOLDERS
from sw_mmseg.whitening import SwitchWhiten2d
from tests.helpers.disks import little_room
from tests.helpers.recordable import Recordable
from tests.openmmlab.processes import UPSTREAM, python

TABLE = {change.name: change for change in CHANGES}


def converters_replace_whitening(unchanged, tmp_path):
    unchanged('converters to SyncBN')
    converters = [
        nn.SyncBatchNorm.convert_sync_batchnorm,
        *(sys.modules[holder].convert_sync_batchnorm for holder in HOLDERS),
    ]
    assert len(converters) == 5
    for convert in converters:
        model = nn.Sequential(SwitchWhiten2d(16), nn.BatchNorm2d(16))
        try:
            spared = isinstance(convert(model)[0], SwitchWhiten2d)
        except AttributeError as error:
            assert 'convert_sync_batchnorm' in str(error)  # the layer's own way to say that it is being replaced
            spared = False
        assert not spared


def synchronised_batchnorm_refuses_a_cpu(unchanged, tmp_path):
    unchanged('SyncBN without a GPU')
    assert issubclass(MODELS.get('SyncBN'), nn.SyncBatchNorm)
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        port = server.getsockname()[1]
    dist.init_process_group('gloo', init_method=f'tcp://127.0.0.1:{port}', rank=0, world_size=1)
    try:
        with pytest.raises(ValueError, match='expected input tensor to be on'):
            MODELS.get('SyncBN')(4)(torch.randn(2, 4, 3, 3))
    finally:
        dist.destroy_process_group()


def flipped_bits_are_weights(unchanged, tmp_path):
    unchanged('checkpoints are data')
    path = tmp_path / 'iter_1.pth'
    torch.save({'weight': torch.zeros(100)}, path)
    content = bytearray(path.read_bytes())
    content[content.index(bytes(400)) + 3] = 0x40
    path.write_bytes(content)
    assert CheckpointLoader.load_checkpoint(str(path), map_location='cpu')['weight'][0] != 0


def a_full_disk_cuts_files_short(unchanged, tmp_path):
    unchanged('files are written whole')
    file = tmp_path / 'iter_1.pth'
    file.write_bytes(b'before')
    with little_room(), pytest.raises(OSError):
        LocalBackend().put(bytes(10_000), str(file))
    assert 6 < file.stat().st_size < 10_000


def variances_of_whitening_are_skipped(unchanged, tmp_path):
    unchanged('weights of whitening layers')
    norm, state = nn.BatchNorm2d(16), SwitchWhiten2d(16).state_dict()
    checkpoint.load_state_dict(norm, {**state, 'running_mean': torch.ones(16), 'running_cov': 9 * state['running_cov']})
    assert norm.running_mean.eq(1).all() and norm.running_var.eq(1).all()  # one of the file, the other of a new layer


def a_base_is_not_found_by_its_name(unchanged, tmp_path):
    unchanged('configs by name')
    (tmp_path / 'mine.py').write_text("_base_ = 'sw_mmseg::_base_/runtime.py'\n")
    with pytest.raises((ValueError, AssertionError), match='sw_mmseg'):
        Config.fromfile(tmp_path / 'mine.py')


def a_part_of_an_iteration_counts_as_one(unchanged, tmp_path):
    """Of two iterations with two backward passes each, the first must not update yet."""
    updates = {}
    for name, add in {
        'counted': lambda wrapper, loss: wrapper.backward(wrapper.scale_loss(loss)),
        'parts': accumulate,
    }.items():
        weight = nn.Parameter(torch.ones(1))
        wrapper = OptimWrapper(torch.optim.SGD([weight], lr=1.0), accumulative_counts=2)
        updates[name] = []
        for _ in range(2):
            add(wrapper, weight.sum())
            wrapper.update_params(weight.sum())
            updates[name].append(weight.item())
    assert updates['parts'] == [1.0, -1.0]  # the mean of two iterations, of gradient 2 each
    assert updates['counted'] != updates['parts']


def sw_fails_in_efficient_evaluation(unchanged, tmp_path):
    unchanged('efficient_conv_bn_eval')
    model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 16, 3), SwitchWhiten2d(16)))
    turn_on_efficient_conv_bn_eval(model, '0')
    for network in (model, ConvModule(3, 16, 3, norm_cfg=dict(type='SW'), efficient_conv_bn_eval=True)):
        pytest.raises(AttributeError, network.eval(), torch.randn(2, 3, 8, 8)).match('has no running_var')


def the_counter_leaves_products_out(unchanged, tmp_path):
    unchanged("mmengine's counter of multiply-adds")
    counted = get_model_complexity_info(nn.Sequential(SwitchWhiten2d(16)).eval(), (16, 8, 8))['flops']
    assert counted == 16 * 16 * 8 * 8 + 8 * 16**3 + 16 * 16  # without the application, and two thirds of Newton's


ALONE = """
    import importlib.util, sys
    import mmengine, mmcv
    from sw_mmseg.openmmlab import CHANGES
    table = {change.name: change for change in CHANGES}

    print('extension', importlib.util.find_spec('mmcv._ext') is not None)
    for name in ('mmcv.ops', 'mmseg.models'):
        try:
            importlib.import_module(name)
            print(name, 'imported')
        except ModuleNotFoundError as error:
            print(name, error.name)
    print('mmdet', 'mmdet' in sys.modules)
    head = sys.modules.get('mmdet.models.dense_heads.centernet_head')
    if head:
        table['mmcv._ext'].apply()
        print('half', table['half of mmdet'].needed(), head.batched_nms.__module__)
        table['half of mmdet'].apply()
        print('whole', head.batched_nms.__module__, 'mmdet.models' in sys.modules)
        loss = sys.modules['mmdet.models.losses.focal_loss']  # has a function of the operator's name itself
        print('loss', loss.sigmoid_focal_loss.__module__, loss._sigmoid_focal_loss.__self__.__name__)
        table['half of mmdet'].undo()
        table['mmcv._ext'].undo()
        print('undone', head.batched_nms.__module__, importlib.util.find_spec('mmcv._ext'))
"""


@functools.cache
def alone():
    """What a process without the plugin finds, by the first word of each line."""
    if not TABLE['mmcv._ext'].needed():
        pytest.skip('mmcv is compiled here')
    return {line.split()[0]: line.split()[1:] for line in python(ALONE) if line}


def compiled_operators_are_missing(unchanged, tmp_path):
    assert alone()['extension'] == ['False'] and alone()['mmcv.ops'] == ['mmcv._ext']


def mmseg_tries_mmdet_or_cannot_be_imported(unchanged, tmp_path):
    assert (alone()['mmseg.models'], alone()['mmdet']) == (
        (['mmcv._ext'], ['False']) if UPSTREAM else (['imported'], ['True'])
    )


def mmdet_keeps_refusals(unchanged, tmp_path):
    if UPSTREAM:
        assert 'half' not in alone()
        return
    head = 'mmdet.models.dense_heads.centernet_head'
    assert alone()['half'] == ['True', head] and alone()['whole'] == ['mmcv.ops.nms', 'True']
    assert alone()['loss'] == ['mmdet.models.losses.focal_loss', 'SigmoidFocalLossFunction']
    assert alone()['undone'] == [head, 'None']


def debug_messages_are_printed(unchanged, tmp_path):
    unchanged('debug messages at import')
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        mmengine.logging.print_log('for developers', level=logging.DEBUG)
    assert shown.getvalue() == 'for developers\n'


def the_reader_is_not_found(unchanged, tmp_path):
    unchanged('inferencer of mmseg')
    config = Config({'test_dataloader': {'dataset': {'pipeline': [{'type': 'LoadImage'}, {'type': 'PackSegInputs'}]}}})
    with pytest.raises(ValueError, match='LoadImageFromFile is not found'):
        MMSegInferencer._init_pipeline(MMSegInferencer.__new__(MMSegInferencer), config)


def workers_know_nothing_of_their_parent(unchanged, tmp_path):
    unchanged('workers of data loaders')
    loader = Runner.build_dataloader(
        {'dataset': [0], 'sampler': {'type': 'DefaultSampler'}, 'num_workers': 1, 'batch_size': 1}, seed=0
    )
    assert loader.worker_init_fn.func is worker_init_fn


def mmseg_waits_for_its_gpu(unchanged, tmp_path):
    unchanged('labelled pixels of mmseg')
    logits, labels = torch.randn(1, 3, 2, 2), torch.tensor([[[0, 1], [2, 255]]])
    for work in (
        lambda: losses.accuracy(logits, labels, ignore_index=255),
        lambda: losses.cross_entropy(logits, labels, ignore_index=255, avg_non_ignore=True),
    ):
        with pytest.raises(AssertionError, match='cannot be recorded'), Recordable():
            work()


WITHOUT = {
    'workers of data loaders': workers_know_nothing_of_their_parent,
    'inferencer of mmseg': the_reader_is_not_found,
    'debug messages at import': debug_messages_are_printed,
    'mmseg without operators': mmseg_tries_mmdet_or_cannot_be_imported,
    'mmcv._ext': compiled_operators_are_missing,
    'half of mmdet': mmdet_keeps_refusals,
    'converters to SyncBN': converters_replace_whitening,
    'SyncBN without a GPU': synchronised_batchnorm_refuses_a_cpu,
    'checkpoints are data': flipped_bits_are_weights,
    'files are written whole': a_full_disk_cuts_files_short,
    'weights of whitening layers': variances_of_whitening_are_skipped,
    'configs by name': a_base_is_not_found_by_its_name,
    'backward passes that are parts of an iteration': a_part_of_an_iteration_counts_as_one,
    'efficient_conv_bn_eval': sw_fails_in_efficient_evaluation,
    "mmengine's counter of multiply-adds": the_counter_leaves_products_out,
    'labelled pixels of mmseg': mmseg_waits_for_its_gpu,
}
