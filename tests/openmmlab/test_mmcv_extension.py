"""What stands in for mmcv's compiled extension: what it says of operators that it lacks, and who finds it."""

import sys

import pytest
import torch

import sw_mmseg.plugin  # noqa: F401
from sw_mmseg.openmmlab import MissingOperatorError
from sw_mmseg.openmmlab.extension import StandIn
from tests.openmmlab.processes import UPSTREAM, python

ops = pytest.importorskip('mmcv.ops')
served = pytest.mark.skipif(not isinstance(sys.modules['mmcv._ext'], StandIn), reason='mmcv is compiled here')


@served
def test_other_operators_say_what_is_missing_and_how_to_get_it():
    for call in (
        lambda: ops.soft_nms(torch.rand(2, 4), torch.rand(2)),
        lambda: ops.roi_align(torch.rand(1, 1, 4, 4), torch.tensor([[0.0, 0, 0, 2, 2]]), 2, 1.0, 0, 'max'),
        lambda: ops.deform_conv2d(torch.rand(1, 1, 4, 4), torch.zeros(1, 18, 2, 2), torch.rand(1, 1, 3, 3)),
    ):
        with pytest.raises(MissingOperatorError, match=r"(softnms|'max'|deform_conv).*MMCV_WITH_OPS=1"):
            call()
    assert 'torchvision' in ops.get_compiler_version()


@served
def test_segmentation_runs_without_it_and_mmdet_gets_it_when_it_is_imported():
    early = python("""
        import sys
        import sw_mmseg.plugin
        print('mmcv.ops' in sys.modules, 'mmdet' in sys.modules)
        import mmdet.models
        print(type(sys.modules['mmcv._ext']).__name__, mmdet.structures.mask.structures.roi_align.__self__.__name__)
    """)
    # upstream's mmseg cannot be imported without
    assert early[-2:] == [f'{UPSTREAM} False', 'StandIn RoIAlignFunction']


@pytest.mark.slow
@served
@pytest.mark.skipif(UPSTREAM, reason="upstream's mmdet cannot be imported before")
def test_mmdet_gets_it_where_it_was_imported_first():
    late = python("""
        import mmdet.structures
        import sw_mmseg.plugin
        print(mmdet.structures.mask.structures.roi_align.__self__.__name__)
    """)
    assert late[-1] == 'RoIAlignFunction'
    late = python("""
        import mmseg.models  # which tries mmdet and gets half of it
        import sw_mmseg.plugin
        import mmdet.models.dense_heads.centernet_head as head
        from mmdet.registry import MODELS
        print(head.batched_nms.__module__, MODELS.get('MaskRCNN').__name__)
    """)
    assert late[-1] == 'mmcv.ops.nms MaskRCNN'


@served
@pytest.mark.slow
def test_a_compiled_extension_comes_first(tmp_path):
    (tmp_path / '_ext.py').write_text('def __getattr__(name):\n    return lambda *args, **kwargs: "compiled"\n')
    lines = python(f"""
        import mmcv
        mmcv.__path__.append({str(tmp_path)!r})
        import sw_mmseg.plugin
        import mmcv._ext
        print(mmcv._ext.nms(), mmcv._ext.__file__)
    """)
    assert lines[-1] == f'compiled {tmp_path / "_ext.py"}'
