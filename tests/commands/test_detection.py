"""Detection through the tools, on tiny streets: draw, train, go on, test, paint, several processes, the study."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmdet')
from pathlib import Path

from tests.helpers.weights import equal

REPOSITORY = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Folder of streets with instances, 128x64; made by the module's first test through the tool."""
    return tmp_path_factory.mktemp('data') / 'streets_instances'


@pytest.fixture
def drawn(data, run):
    """The same folder, drawn and annotated."""
    words = [
        '--size',
        '128x64',
        '--game',
        6,
        '--game-val',
        2,
        '--camera-train',
        2,
        '--camera-val',
        2,
        '--crowd-below',
        6,
        '--workers',
        1,
    ]
    if not (data / 'varied/annotations/groups_camera_val.json').is_file():
        assert run('dataset_converters streets_instances', data, *words) == 0
    return data / 'varied'


@pytest.fixture
def tiny(drawn, tmp_path):
    """`tiny('sw')` -> a config of two heads and three iterations; `lines` are added to it."""

    def write(norm, lines=()):
        path = tmp_path / f'{norm}_tiny.py'
        loaders = [
            f'{part}_dataloader = dict(num_workers=0, persistent_workers=False, batch_size={size}, '
            f"dataset=dict({inside}data_root='{drawn}'{close}))"
            for part, size, inside, close in (
                ('train', 2, 'dataset=dict(', ')'),
                ('val', 2, '', ''),
                ('test', 2, '', ''),
            )
        ]
        annotations = f'{drawn}/annotations/groups_game_val.json'
        evaluators = [f"{part}_evaluator = dict(ann_file='{annotations}')" for part in ('val', 'test')]
        text = [
            f"_base_ = '{REPOSITORY}/configs/{norm}_maskrcnn_streets.py'",
            *loaders,
            *evaluators,
            # few of many are wanted: which ones are drawn at random, after a resume as without a stop
            'model = dict(train_cfg=dict(rpn=dict(sampler=dict(num=32)), rcnn=dict(sampler=dict(num=16))), '
            'test_cfg=dict(rcnn=dict(score_thr=0.0)))',
            'train_cfg = dict(max_iters=3, val_interval=3)',
            'param_scheduler = []',
            'default_hooks = dict(logger=dict(interval=1), checkpoint=dict(interval=100))',
            *lines,
        ]
        path.write_text('\n'.join(text))
        return str(path)

    return write


def test_streets_are_drawn_once_and_annotated_again(data, drawn, run, capsys):
    picture = drawn / 'gta5/images/00001.png'
    before, files = picture.stat().st_mtime_ns, sorted((drawn / 'annotations').iterdir())
    assert len(files) == 8
    # options of the pictures are those of the folder's, whatever is asked for now
    assert run('dataset_converters streets_instances', data, '--game-val', 2, '--workers', 1) == 0
    assert picture.stat().st_mtime_ns == before and '8 annotation files are in' in capsys.readouterr().out
    assert run('dataset_converters streets_instances', data, '--game-val', 6, '--workers', 1) == 2
    assert '6 pictures of the game: 6 of them cannot be held out' in capsys.readouterr().err
    assert run('dataset_converters streets_instances', data, '--game-val', 2, '--crowd-below', 6, '--workers', 1) == 0


def test_cityscapes_instances_from_streets_in_its_layout(drawn, run, capsys, tmp_path):
    root = drawn / 'cityscapes'
    assert run('dataset_converters cityscapes_instances', root) == 0
    assert '2 pictures' in capsys.readouterr().out
    content = json.loads((root / 'annotations/instancesonly_filtered_gtFine_val.json').read_text())
    names = [category['name'] for category in content['categories']]
    assert names == ['person', 'rider', 'car', 'truck', 'bus', 'train', 'motorcycle', 'bicycle']
    assert all((root / 'leftImg8bit/val' / image['file_name']).is_file() for image in content['images'])
    assert not any(annotation['iscrowd'] for annotation in content['annotations']) and content['annotations']
    assert run('dataset_converters cityscapes_instances', tmp_path) == 2
    assert 'cityscapes.py gtFine_trainvaltest.zip' in capsys.readouterr().err


def test_train_go_on_test_and_paint(tiny, run, drawn, tmp_path, capsys):
    config, whole, cut = tiny('sw'), tmp_path / 'whole', tmp_path / 'cut'
    assert run('train', config, '--work-dir', whole) == 0
    short = ['--cfg-options', 'train_cfg.max_iters=1', 'train_cfg.val_interval=1']
    assert run('train', config, '--work-dir', cut, *short) == 0 and (cut / 'iter_1.pth').is_file()
    assert run('train', config, '--work-dir', cut, '--resume') == 0
    one, other = (torch.load(folder / 'iter_3.pth', weights_only=False) for folder in (whole, cut))
    assert len(one['state_dict']) > 300 and equal(one['state_dict'], other['state_dict'])
    assert equal(one['optimizer'], other['optimizer'])

    checkpoint = whole / 'iter_3.pth'
    assert (
        run('test', config, checkpoint, '--work-dir', whole, '--out', tmp_path / 'out', '--show-dir', tmp_path / 'show')
        == 0
    )
    metrics = json.loads((whole / 'iter_3_metrics.json').read_text())
    assert {'coco/bbox_mAP_50', 'coco/segm_mAP'} <= set(metrics)
    detections = json.loads((tmp_path / 'out/detections.segm.json').read_text())
    assert detections and {'image_id', 'segmentation', 'score', 'category_id'} <= set(detections[0])
    assert len(list((tmp_path / 'show').rglob('*.png'))) == 2

    annotations = json.loads((drawn / 'annotations/groups_game_val.json').read_text())
    for folder, image in zip(('twins/a', 'twins/b'), annotations['images']):  # two images of one name
        (drawn / folder).mkdir(parents=True)
        shutil.copy(drawn / image['file_name'], drawn / folder / 'x.png')
        image['file_name'] = f'{folder}/x.png'
    (drawn / 'annotations/twins.json').write_text(json.dumps(annotations))
    words = (
        'test',
        config,
        checkpoint,
        '--work-dir',
        whole,
        '--show-dir',
        tmp_path / 'twins',
        '--cfg-options',
        'test_dataloader.dataset.ann_file=annotations/twins.json',
    )
    assert run(*words) == 0
    painted = [cv2.imread(str(tmp_path / f'twins/{name}/x.png')) for name in 'ab']
    assert len(list((tmp_path / 'twins').rglob('*.png'))) == 2 and (painted[0] != painted[1]).any()
    for picture, name in zip(painted, 'ab'):  # each over its own image: where nothing was found it shows through
        original = cv2.imread(str(drawn / f'twins/{name}/x.png'))
        assert picture.shape == original.shape and (picture == original).all(2).mean() > 0.05
    (tmp_path / 'twins/a/x.png').write_bytes(b'of a user')
    assert run(*words) == 2 and (tmp_path / 'twins/a/x.png').read_bytes() == b'of a user'

    images = drawn / 'cityscapes/leftImg8bit/val'
    assert run('image_demo', config, checkpoint, images, tmp_path / 'demo', '--score', 0) == 0
    painted = sorted((tmp_path / 'demo').rglob('*_demo.jpg'))
    assert len(painted) == 2
    original = cv2.imread(str(next(images.rglob(painted[0].name.replace('_demo.jpg', '.png')))))
    assert np.abs(cv2.imread(str(painted[0])).astype(int) - original).mean() > 1
    capsys.readouterr()
    assert run('predict', config, checkpoint, images, tmp_path / 'no') == 2
    assert 'tools/image_demo.py draws what it finds' in capsys.readouterr().err
    assert run('test', config, checkpoint, '--work-dir', whole, '--tta') == 2
    assert '--tta is for segmentation' in capsys.readouterr().err


def test_mixed_precision_and_what_is_missing(tiny, run, tmp_path, capsys, monkeypatch):
    assert (
        run(
            'train',
            tiny('sw'),
            '--work-dir',
            tmp_path / 'amp',
            '--amp',
            '--cfg-options',
            'train_cfg.max_iters=1',
            'train_cfg.val_interval=2',
        )
        == 0
    )
    state = torch.load(tmp_path / 'amp/iter_1.pth', weights_only=False)['state_dict']
    assert all(torch.isfinite(value).all() for value in state.values())
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    for name, word in (
        ('sw_maskrcnn_coco', 'https://cocodataset.org/#download'),
        ('sw_maskrcnn_streets', 'sw_mmseg dataset_converters streets_instances data/streets_instances'),
    ):
        config = REPOSITORY / 'configs' / f'{name}.py'
        assert run('train', config) == 2 and run('test', config, tmp_path / 'amp/iter_1.pth') == 2
        assert capsys.readouterr().err.count(word) == 2
    assert not (tmp_path / 'work_dirs').exists()


@pytest.mark.slow
def test_two_processes_also_where_none_has_an_object(tiny, drawn, call, unused_port, tmp_path):
    """Of four pictures three have crowds only, so in every second step at least no process has anything to segment."""
    content = json.loads((drawn / 'annotations/groups_game_train.json').read_text())
    single = {a['image_id'] for a in content['annotations'] if not a['iscrowd']}
    kept = next(image['id'] for image in content['images'] if image['id'] in single)
    for annotation in content['annotations']:
        annotation['iscrowd'] = int(annotation['iscrowd'] or annotation['image_id'] != kept)
    (tmp_path / 'one.json').write_text(json.dumps(content))
    config = tiny(
        'sw',
        [
            'train_dataloader.update(batch_size=1)',
            f"train_dataloader['dataset']['dataset'].update(ann_file='{tmp_path}/one.json', filter_cfg=None)",
        ],
    )
    done = call(
        'tools/dist_train.sh',
        config,
        2,
        '--work-dir',
        tmp_path / 'w',
        '--check-data',
        'none',
        '--cfg-options',
        'train_cfg.max_iters=4',
        'train_cfg.val_interval=4',
        PORT=str(unused_port),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    state = torch.load(tmp_path / 'w/iter_4.pth', weights_only=False)['state_dict']
    assert len(state) > 300 and all(torch.isfinite(value).all() for value in state.values())
    assert int(state['backbone.bn1.num_batches_tracked']) == 4
    assert 0 < int(state['roi_head.mask_head.convs.0.bn.num_batches_tracked']) < 4
    scalars = [json.loads(line) for line in next((tmp_path / 'w').rglob('scalars.json')).read_text().splitlines()]
    assert any('coco/bbox_mAP' in line for line in scalars)


@pytest.mark.slow
def test_the_study_trains_scores_skips_and_writes(drawn, run, tmp_path, capsys):
    words = ['--norms', 'gn', 'sw', '--seeds', 0, '--iterations', 2, '--data', drawn, '--work-dir', tmp_path]
    assert run('analysis detection_study', *words) == 0
    out = capsys.readouterr().out
    assert 'done before' not in out and '| tested on |' in out
    markdown = (tmp_path / 'results.md').read_text()
    assert '| GN | SWa |' in markdown and "camera, the camera's statistics" in markdown
    assert '| camera | box AP50 person |' in markdown and 'backbone.layer3.4.bn2' in markdown
    assert (tmp_path / 'comparison.png').stat().st_size > 5000
    assert run('analysis detection_study', *words) == 0
    assert capsys.readouterr().out.count('done before') == 2
    assert run('analysis detection_study', '--data', tmp_path) == 2
    assert 'is missing. Make the data with' in capsys.readouterr().err
