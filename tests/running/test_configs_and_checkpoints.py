"""What the tools share: a user's mistake is one line that says how to correct it; a network is loaded whole or not."""

import argparse
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from PIL import Image
from torch import nn

import sw_mmseg
from sw_mmseg import files
from sw_mmseg.commands.analysis import class_shares
from sw_mmseg.openmmlab import CheckpointError
from sw_mmseg.running.checkpoints import WholeCheckpointHook, load_weights, read_weights
from sw_mmseg.running.command_line import run_tool
from sw_mmseg.running.configs import build, load_config
from sw_mmseg.running.data_sets import build_loader, labelled_images
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.evaluation import SCALES, augmented_pipeline
from sw_mmseg.running.train_options import use_mixed_precision
from tests.helpers.disks import little_room


def test_a_mistyped_config_is_answered_with_the_nearest(monkeypatch):
    monkeypatch.chdir(Path(sw_mmseg.__file__).parents[1])
    with pytest.raises(UserError, match=r'did you mean .*configs/sw_adaptsegnet_streets.py'):
        load_config('configs/sw_adaptsegnet_street.py', {})


@pytest.mark.parametrize(
    'content, text',
    [
        ({'model': {'weight': torch.ones(1)}, 'epoch': 3}, 'what it holds as model, epoch are no weights'),
        ({'state_dict': {'weight': torch.ones(1), 'extra': None}}, 'what it holds as extra are no weights'),
        ({'state_dict': 3}, 'holds a int as its state_dict'),
    ],
)
def test_checkpoints_of_other_tools_are_named(tmp_path, content, text):
    torch.save(content, tmp_path / 'x.pth')
    for read in (read_weights, lambda path: load_weights(nn.Linear(1, 1), path)):
        with pytest.raises(UserError, match=text):
            read(str(tmp_path / 'x.pth'))
    if 'state_dict' in content:
        with pytest.raises(UserError, match=text):
            WholeCheckpointHook('x.pth').after_load_checkpoint(SimpleNamespace(model=nn.Linear(1, 1)), content)


def test_a_file_that_is_no_config_is_named(tmp_path):
    (tmp_path / 'broken.py').write_text('model = dict(')
    with pytest.raises(UserError, match='broken.py cannot be read as a config'):
        load_config(str(tmp_path / 'broken.py'), {})


def test_a_full_disk_is_no_fault_of_the_config(tmp_path):
    """Where temporary files find no room, mmengine cannot copy a config, which it does before it reads it."""
    (tmp_path / 'whole.py').write_text(f'train_cfg = dict(max_iters=3)  {"#" * 100}')
    with little_room(50), pytest.raises(OSError, match='File too large'):
        load_config(str(tmp_path / 'whole.py'), {})


def test_an_option_that_nothing_reads_is_refused(tmp_path):
    (tmp_path / 'c.py').write_text('train_cfg = dict(max_iters=3)\nmodel = dict(levels=[dict(a=1)])')
    path = str(tmp_path / 'c.py')
    with pytest.raises(UserError, match=r"no 'trian_cfg'; did you mean train_cfg"):
        load_config(path, {'trian_cfg.max_iters': 1})
    config = load_config(path, {'train_cfg.max_iters': 5, 'model.levels.0.a': 2}, work_dir='w')
    assert (config.train_cfg.max_iters, config.model.levels[0].a, config.work_dir) == (5, 2, 'w')
    assert load_config(path, {}).work_dir == f'work_dirs{tmp_path}/c'  # another folder's c.py has another
    with pytest.raises(UserError, match='--cfg-options do not fit'):
        load_config(path, {'model.levels.7.a': 2})


def test_errors_of_users_are_one_line_and_others_are_not_hidden(capsys):
    args = argparse.Namespace(traceback=False, local_rank=0)

    def mistake(_):
        raise UserError('first line\n  second line')

    def bug(_):
        raise ZeroDivisionError

    assert run_tool(mistake, args) == 2
    assert capsys.readouterr().err == '\nerror: first line second line\n'
    with pytest.raises(ZeroDivisionError):
        run_tool(bug, args)
    args.traceback = True
    with pytest.raises(UserError):
        run_tool(mistake, args)


def test_an_unknown_name_in_a_config_is_a_users_mistake():
    from mmseg.registry import MODELS

    with pytest.raises(UserError, match=r'does not build \(model\).*Nonesuch'):
        build('model', lambda: MODELS.build({'type': 'Nonesuch'}))


def test_a_checkpoint_is_loaded_whole_or_not_at_all(tmp_path):
    path = str(tmp_path / 'w.pth')
    source = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    torch.save({'state_dict': {f'module.{k}': v for k, v in source.state_dict().items()}}, path)
    copy = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    load_weights(copy, path)
    assert all(torch.equal(a, b) for a, b in zip(copy.state_dict().values(), source.state_dict().values()))
    with pytest.raises(UserError, match=r'lacks 2 of 9 entries, 2.weight, 2.bias'):
        load_weights(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)), path)
    with pytest.raises(UserError, match=r'in another shape 1 of 7 entries, 0.weight'):
        load_weights(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)), path)
    with pytest.raises(UserError, match=r'holds, but the model has not 5 of 2 entries'):
        load_weights(nn.Sequential(nn.Linear(2, 3)), path)


def test_discriminators_are_not_needed_to_predict(tmp_path):
    path = str(tmp_path / 'w.pth')
    model = nn.ModuleDict({'segmentor': nn.Linear(2, 2), 'discriminator': nn.Linear(2, 1)})
    torch.save({'state_dict': {k: v for k, v in model.state_dict().items() if k.startswith('segmentor')}}, path)
    load_weights(model, path)
    # several processes wrap the parts: names get a 'module' inside, on either side
    wrapped = nn.ModuleDict({k: nn.ModuleDict({'module': v}) for k, v in model.items()})
    torch.save({'state_dict': wrapped.state_dict()}, path)
    alone = nn.ModuleDict({'segmentor': nn.Linear(2, 2)})
    load_weights(alone, path)
    assert torch.equal(alone['segmentor'].weight, model['segmentor'].weight)
    torch.save({'state_dict': alone.state_dict()}, path)
    again = nn.ModuleDict({'segmentor': nn.ModuleDict({'module': nn.Linear(2, 2)})})
    load_weights(again, path)
    assert torch.equal(again['segmentor']['module'].weight, alone['segmentor'].weight)


def test_missing_and_damaged_checkpoints_are_named(tmp_path):
    (tmp_path / 'iter_5.pth').write_bytes(b'nonsense')
    with pytest.raises(UserError, match=r'no checkpoint .*x.pth; .* has iter_5.pth'):
        read_weights(str(tmp_path / 'x.pth'))
    with pytest.raises(CheckpointError, match='iter_5.pth is no checkpoint that torch wrote'):
        read_weights(str(tmp_path / 'iter_5.pth'))


def test_mixed_precision_reaches_every_optimiser():
    name = 'AmpOptimWrapper' if torch.cuda.is_available() else 'Bfloat16OptimWrapper'
    one = Config({'optim_wrapper': {'type': 'OptimWrapper', 'optimizer': {'type': 'SGD'}}})
    use_mixed_precision(one)
    assert one.optim_wrapper.type == name
    two = Config(
        {
            'optim_wrapper': {
                'constructor': 'C',
                'a': {'type': 'OptimWrapper', 'optimizer': {'type': 'SGD'}},
                'b': {'optimizer': {'type': 'Adam'}},
            }
        }
    )
    use_mixed_precision(two)
    assert (two.optim_wrapper.a.type, two.optim_wrapper.b.type) == (name, name) and 'type' not in two.optim_wrapper
    with pytest.raises(Exception, match='ApexOptimWrapper'):
        use_mixed_precision(Config({'optim_wrapper': {'type': 'ApexOptimWrapper', 'optimizer': {}}}))


def test_augmented_pipeline_scales_and_mirrors_the_image_but_not_the_truth():
    steps = [
        dict(type='LoadImage'),
        dict(type='Resize', scale=(64, 32), keep_ratio=True),
        dict(type='LoadLabels'),
        dict(type='PackSegInputs'),
    ]
    load, augment = augmented_pipeline(steps)
    resizes, flips, labels, pack = augment['transforms']
    assert load == steps[0] and augment['type'] == 'TestTimeAug'
    assert [r['scale'] for r in resizes] == [(32, 16), (48, 24), (64, 32), (80, 40), (96, 48)]
    assert [f['prob'] for f in flips] == [0.0, 1.0]
    assert (labels, pack) == ([steps[2]], [steps[3]])
    _, augment = augmented_pipeline([steps[0], *steps[2:]])
    assert [r['scale_factor'] for r in augment['transforms'][0]] == list(SCALES)
    with pytest.raises(Exception, match='LoadLabels > PackSegInputs'):
        augmented_pipeline(steps[2:])


def test_a_config_of_a_package_that_is_not_there_names_the_extra(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text("raise ModuleNotFoundError('mmdet is not installed, please install mmdet manually')")
    with pytest.raises(UserError, match=r"own.py: mmdet is not installed.*pip install '.\[det\]'"):
        load_config(str(path), {})


def test_class_shares_are_those_of_the_labels():
    import numpy as np

    counts = np.zeros((2, 20), dtype=int)  # two pictures; the last column has no class
    counts[0, [0, 2, 19]] = 30, 10, 60
    counts[1, 0] = 40
    cells = class_shares.cells(counts)
    assert len(cells) == 19
    assert (cells[0], cells[2], cells[1]) == ('87.50 (100)', '12.50 (50)', '0.00 (0)')  # 70 and 10 of 80 pixels


def test_two_studies_may_begin_at_once(tmp_path, monkeypatch):
    """Both write the results that came with the repository, each through a part of its own; neither leaves a part."""
    with files.whole_file(tmp_path / 'r.json') as first:
        first.write_text('first')
        monkeypatch.setattr(files.os, 'getpid', lambda: -1)
        with files.whole_file(tmp_path / 'r.json') as second:
            second.write_text('second')
    assert [(f.name, f.read_text()) for f in tmp_path.iterdir()] == [('r.json', 'first')]


@pytest.mark.parametrize('name', ['bn_sourceonly', 'bn_adaptsegnet'])
def test_labelled_images_are_the_same_whatever_was_random_before(tiny_config, name):
    """Flips among them: switches that are learnt again on them come out the same each time."""
    config, seen = Config.fromfile(tiny_config(name)), []
    for seed in range(4):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        seen.append(
            torch.stack(
                [image for batch in build_loader(labelled_images(config), 2, seed=0) for image in batch['inputs']]
            )
        )
    assert len(seen[0]) == 6 and all(torch.equal(images, seen[0]) for images in seen)


@pytest.mark.parametrize(
    'command',
    ['predict {c} x.pth {d} {o}', 'test {c} x.pth', 'export {c} x.pth n.onnx', 'image_demo {c} x.pth {d} {o}'],
)
def test_a_config_without_test_data_is_told_in_a_line(command, tiny_config, run, tmp_path, capsys):
    (tmp_path / 'images').mkdir()
    Image.new('RGB', (32, 32)).save(tmp_path / 'images/0.png')
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = '{tiny_config('bn_sourceonly')}'\ntest_dataloader = None\ntest_cfg = None\ntest_evaluator = None\n"
    )
    words = [word.format(c=config, d=tmp_path / 'images', o=tmp_path / 'out') for word in command.split()]
    assert run(*words) == 2
    assert f'{config} has no test_dataloader' in capsys.readouterr().err
