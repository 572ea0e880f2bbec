"""Looking at scene parsing: painted images and videos, mmseg's own inferencer, what the pipeline yields."""

import cv2
import numpy as np
import pytest
from PIL import Image

from sw_mmseg.commands.image_demo import parse_arguments
from sw_mmseg.datasets import PALETTE
from sw_mmseg.running.outputs import RECORD
from sw_mmseg.running.painting import build_painter
from sw_mmseg.running.prediction import segment_pixels

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def trained(tiny_scenes, tmp_path_factory):
    """Config and checkpoint of a finished training with SW; made once."""
    from mmengine.config import Config
    from mmengine.runner import Runner

    path, folder = tiny_scenes('sw_pspnet'), tmp_path_factory.mktemp('trained')
    config = Config.fromfile(path)
    config.work_dir, config.train_cfg.max_iters = str(folder), 2
    config.visualizer.name = config.experiment_name = 'scene tools'
    Runner.from_cfg(config).train()
    return path, folder / 'iter_2.pth'


@pytest.fixture
def images(streets):
    return streets / 'cityscapes' / 'leftImg8bit' / 'val'


def test_a_folder_is_painted_with_a_legend(trained, run, images, tmp_path):
    assert run('image_demo', *trained, images, tmp_path / 'out') == 0
    painted = sorted((tmp_path / 'out').rglob('*_demo.jpg'))
    assert len(painted) == 3
    # the same labels as predict.py writes, laid over the same image: JPEG changes each pixel by little
    assert run('predict', *trained, images, tmp_path / 'labels', '--opacity', 0.55) == 0
    for path in painted:
        name = str(path.relative_to(tmp_path / 'out')).replace('_demo.jpg', '')
        picture = np.array(Image.open(path)).astype(float)
        assert picture.shape[0] == 32 and picture.shape[1] > 64
        labels = np.array(Image.open(tmp_path / 'labels' / f'{name}.png'))
        image = np.array(Image.open(images / f'{name}.png')).astype(float)
        expected = 0.45 * image + 0.55 * np.array(PALETTE)[labels]
        assert np.abs(picture[:, :60] - expected[:, :60]).mean() < 12  # colours are stored at half resolution


def test_a_video_is_painted(trained, run, tmp_path, capsys):
    frames = [np.full((32, 64, 3), 20 * n, np.uint8) for n in range(7)]
    writer = cv2.VideoWriter(str(tmp_path / 'drive.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10.0, (64, 32))
    for frame in frames:
        writer.write(frame)
    writer.release()
    assert run('image_demo', *trained, tmp_path / 'drive.mp4', tmp_path / 'out', '--every', 2) == 0
    video = cv2.VideoCapture(str(tmp_path / 'out' / 'drive_demo.mp4'))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 4 and video.get(cv2.CAP_PROP_FPS) == 5.0
    assert video.get(cv2.CAP_PROP_FRAME_WIDTH) > 64 and {p.name for p in (tmp_path / 'out').iterdir()} == {
        'drive_demo.mp4',
        RECORD,
    }
    (tmp_path / 'broken.mp4').write_bytes(b'nothing')
    capsys.readouterr()
    assert run('image_demo', *trained, tmp_path / 'broken.mp4', tmp_path / 'out') == 2
    assert 'cannot be read as a video' in capsys.readouterr().err
    (tmp_path / 'notes.txt').write_text('words')
    assert run('image_demo', *trained, tmp_path / 'notes.txt', tmp_path / 'out') == 2
    assert 'neither an image' in capsys.readouterr().err


def test_mmsegs_inferencer_takes_config_and_checkpoint(trained, images, tmp_path):
    """On a file, a folder and frames of a video; the same labels as this repository's own tool."""
    from mmseg.apis import MMSegInferencer

    inferencer = MMSegInferencer(trained[0], str(trained[1]), device='cpu')
    files = sorted(images.rglob('*.png'))
    one = inferencer(str(files[0]), out_dir=str(tmp_path))['predictions']
    assert one.shape == (32, 64) and list(tmp_path.rglob('*.png'))
    painter = build_painter(parse_arguments([*map(str, trained), 'x', 'y', '--device', 'cpu']))
    pixels = [cv2.imread(str(file)) for file in files]
    ours = [segment_pixels(painter.model, painter.pipeline, image) for image in pixels]
    assert np.array_equal(one, ours[0])
    for several in (pixels, [str(file) for file in files]):
        maps = inferencer(several)['predictions']
        assert len(maps) == 3 and all(np.array_equal(a, b) for a, b in zip(maps, ours))
    folder = inferencer(str(files[0].parent))['predictions']
    assert np.array_equal(
        np.stack(folder) if isinstance(folder, list) else folder,
        np.stack(ours[:2]) if isinstance(folder, list) else ours[0],
    )
    assert inferencer.model.dataset_meta['classes'][0] == 'road'


@pytest.mark.parametrize('name, titles', [('scenes', 2), ('pair', 3)])
def test_browsing_shows_what_training_sees(tiny_scenes, tiny_config, run, tmp_path, name, titles):
    config = tiny_scenes('sw_pspnet') if name == 'scenes' else tiny_config('bn_adaptsegnet')
    assert run('analysis browse_dataset', config, tmp_path, '--number', 3, '--width', 64) == 0
    files = sorted(tmp_path.glob('train_*.png'))
    assert len(files) == 3
    sheets = [np.array(Image.open(file)) for file in files]
    assert all(sheet.shape[1] == titles * 72 + 8 for sheet in sheets)
    road = (sheets[0].reshape(-1, 3) == PALETTE[0]).all(1).sum()
    assert road > 100 and not np.array_equal(sheets[0], sheets[1])
    again = tmp_path / 'again'
    assert run('analysis browse_dataset', config, again, '--number', 1, '--width', 64) == 0
    assert np.array_equal(np.array(Image.open(again / 'train_00000.png')), sheets[0])  # the seed decides


def test_get_flops_names_sws_share(run, capsys):
    assert run('analysis get_flops', 'configs/sw_pspnet_streets.py', '--layers', '--shape', 64, 64) == 0
    text = capsys.readouterr().out
    assert 'one image of 64x64' in text and '| SW | 14 |' in text and 'backbone.layer3.5.bn2' in text
    assert run('analysis get_flops', 'configs/sw_adaptsegnet_streets.py', '--shape', 64, 64) == 0
    assert '| SW | 5 |' in capsys.readouterr().out


@pytest.mark.parametrize(
    'words',
    [
        ('dinov2_daformer_gta2cityscapes',),  # whose backbone fetches weights as it is built
        ('bn_jitter_streets2camvid', '--network', 'test_vit+lora4'),
        ('bn_jitter_streets2camvid', '--network', 'test_vit+frozen'),
    ],
)
def test_get_flops_of_transformers_needs_no_weights(run, capsys, words):
    """The suite refuses any call to another machine."""
    assert run('analysis get_flops', *words, '--shape', 64, 64) == 0
    text = capsys.readouterr().out
    assert '| attention |' in text and '| linear |' in text


@pytest.mark.parametrize('name', ['bn_pspnet_cityscapes', 'sw_pspnet_ade20k'])
def test_the_pipeline_benchmark_times_every_step(run, capsys, name):
    assert run('benchmark data_pipeline', f'configs/{name}.py', '--images', 2, '--rounds', 1, '--size', '64x32') == 0
    text = capsys.readouterr().out
    steps = ['1 LoadImage', '2 LoadLabels', '3 RandomResize', 'RandomCrop', 'RandomFlip', 'PackSegInputs', '| all |']
    assert all(step in text for step in steps) and 'images a second and core, mean of 2' in text
    assert ('RandomBlur' in text) == ('ade20k' in name)
    assert run('benchmark data_pipeline', 'configs/sw_adaptsegnet_streets.py') == 2
