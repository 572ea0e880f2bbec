"""The cost of rows: what is said of each is what its config says, and every kind takes its steps, shrunk."""

import pytest

from sw_mmseg.benchmark.config_cost import ROWS, cost_of, row_of
from sw_mmseg.commands.benchmark import config_cost as command
from sw_mmseg.running.named_configs import load_named
from tests.helpers.config_runs import FOLDER


@pytest.mark.parametrize('name', ROWS)
def test_a_row_is_its_config(name):
    config, row = load_named(str(FOLDER / f'bn_{name}.py')), ROWS[name]
    loader = config.train_dataloader
    assert (row.size[0], row.iterations) == (loader.batch_size, config.train_cfg.max_iters)
    if name.endswith('imagenet'):
        assert row.gpus * row.size[0] == config.auto_scale_lr.base_batch_size
        assert row.classes == config.model.head.num_classes and row.k == config.model.backbone.every == 6
    elif row.target is None:
        assert row.size[1:] == tuple(config.crop_size) and row.k == config.model.backbone.every == 3
        assert row.gpus * row.size[0] == config.auto_scale_lr.base_batch_size
        assert row.classes == config.model.decode_head.num_classes
    else:
        assert '1280' in str(loader) and '720' in str(loader) and '1024' in str(loader) and '512' in str(loader)
        assert row.size[1:] == (720, 1280) and row.target == (512, 1024) and row.gpus == 1


@pytest.mark.parametrize('name', ['sw_fcn_ade20k', 'bn_adaptsegnet_gta2cityscapes', 'swb_resnet50_imagenet'])
def test_steps_of_a_shrunk_row(name, one_thread):
    _, row, norm = row_of(f'configs/{name}.py')
    small = row._replace(size=(2, *row.size[1:]))
    cost = cost_of(small, norm, 'cpu', 1, width=0.05, shrink=8)
    assert cost.time > 0 and cost.memory > 0
    assert cost.hours == pytest.approx(cost.time / 1000 / 3600 * row.iterations * row.gpus)


def test_the_command_tabulates_and_refuses_what_is_no_row(one_thread, tmp_path, capsys):
    file = tmp_path / 'table.md'
    words = ['bw_fcn_cityscapes', '--rounds', '1', '--width', '0.05', '--shrink', '16', '--markdown', str(file)]
    assert command.main(command.parse_arguments(words)) == 0
    cells = file.read_text().splitlines()[-1].split('|')
    assert cells[1].strip() == 'bw_fcn_cityscapes' and cells[2].strip() == '4×32×64' and cells[6].strip() == 'shrunk'
    assert command.main(command.parse_arguments(['sw_maskrcnn_coco'])) == 2
    assert 'sw_maskrcnn_coco has no cost here' in capsys.readouterr().err
