"""What the page computes: uploads, sliders and pictures, without a server."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS

from sw_mmseg.app import networks as app_networks
from sw_mmseg.app.networks import SHOWN, Network, Switches, switched, white_layers
from sw_mmseg.app.page import compare, stylise, whiten
from sw_mmseg.app.uploads import SIDE, read_upload
from sw_mmseg.app.whitened import before_and_after, correlations, heat_map, off_diagonal
from sw_mmseg.commands import app
from sw_mmseg.datasets.labels import CLASSES, PALETTE
from sw_mmseg.running.configs import load_config
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.prediction import fitted
from sw_mmseg.running.ready_weights import SEGMENTATION, ready_models
from sw_mmseg.whitening import SwitchWhiten2d


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('huge.png', 'huge.png is 4600x4600, 21 million pixels; this page takes up to 20 million'),
        ('heavy.png', 'heavy.png has 20 MB'),
        ('notes.txt', 'notes.txt is neither an image nor a video'),
        ('false.png', 'false.png is neither an image nor a video'),
        ('false.mp4', 'false.mp4 cannot be read as a video'),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words_without_a_path(dropped, name, text):
    with pytest.raises(UserError, match=text) as refused:
        read_upload(dropped[name])
    assert str(dropped[name].parent) not in str(refused.value)


def test_images_and_moments_of_a_video_are_read(dropped):
    assert read_upload(dropped['street.png']).shape == (64, 96, 3)
    darkest, brightest = (read_upload(dropped['drive.avi'], moment).mean() for moment in (0, 1))
    assert darkest < 10 and brightest > 230
    with pytest.raises(UserError, match='Drop an image'):
        read_upload(None)
    assert fitted(np.zeros((300, 1024, 3), np.uint8), SIDE).shape == (150, SIDE, 3)


def test_sliders_mix_statistics_and_leave_the_networks_as_they_were(networks):
    sw = networks[1].model
    before = {key: value.clone() for key, value in sw.state_dict().items()}
    layer = next(iter(white_layers(sw).values()))
    with switched(sw, Switches(mean=0.25, cov=1.0)):
        assert layer.mean_ratios() == pytest.approx({'bw': 0.75, 'iw': 0.25})
        assert layer.cov_ratios()['iw'] == pytest.approx(1, abs=2e-4)
    assert all(torch.equal(value, before[key]) for key, value in sw.state_dict().items())
    with pytest.raises(ZeroDivisionError), switched(sw, Switches(mean=0.25)):
        raise ZeroDivisionError
    assert all(torch.equal(value, before[key]) for key, value in sw.state_dict().items())


def test_the_share_of_the_image_is_that_of_all_its_statistics():
    layer = SwitchWhiten2d(4, group_size=2, statistics=('bw', 'iw', 'bn', 'in', 'ln'))
    with switched(layer, Switches(mean=0.6, cov=0.0)):
        assert layer.mean_ratios() == pytest.approx({'bw': 0.2, 'iw': 0.2, 'bn': 0.2, 'in': 0.2, 'ln': 0.2})
        ratios = layer.cov_ratios()
    assert ratios['bw'] + ratios['bn'] == pytest.approx(1, abs=2e-4)  # nothing is left for the layer's statistic


@pytest.mark.parametrize('second', ['labels', 'before_and_after'])
def test_two_questions_at_once_leave_the_network_as_it_was(networks, dropped, monkeypatch, second):
    """The first waits inside the network for the second, which must not come in before the first is out."""
    network, image = networks[1], read_upload(dropped['street.png'])
    name = next(iter(white_layers(network.model)))
    before = {key: value.clone() for key, value in network.model.state_dict().items()}
    expected = before_and_after(network, name, image, Switches(0.1, 0.1))
    began, overlap, first_done, results = threading.Event(), threading.Event(), threading.Event(), []
    segment = app_networks.segment_pixels

    def slow(*arguments):
        if began.is_set():  # the second
            overlap.set()
            first_done.wait(10)
        else:
            began.set()
            overlap.wait(0.5)
        return segment(*arguments)

    def ask_first():
        network.labels(image, switches=Switches(0.9, 0.9))
        first_done.set()

    def ask_second():
        switches = Switches(0.1, 0.1)
        if second == 'labels':
            network.labels(image, switches=switches)
        else:
            results.extend(before_and_after(network, name, image, switches))

    monkeypatch.setattr(app_networks, 'segment_pixels', slow)
    threads = [threading.Thread(target=ask_first), threading.Thread(target=ask_second)]
    threads[0].start()
    assert began.wait(10)
    threads[1].start()
    for thread in threads:
        thread.join(30)
    assert all(torch.equal(value, before[key]) for key, value in network.model.state_dict().items())
    assert all(np.array_equal(a, b) for a, b in zip(results, expected))
    assert len(results) == (2 if second == 'before_and_after' else 0)


def test_each_network_paints_the_image_and_sliders_count(networks, dropped):
    file = str(dropped['street.png'])
    pictures = compare(networks, file, 0, 0.0, True, 0.5, 0.5)
    assert len(pictures) == 2 and all(picture.shape[0] >= 64 for picture in pictures)
    image = read_upload(file)
    plain = [network.labels(image) for network in networks]
    assert (networks[0].labels(image, 1.0) != plain[0]).any()
    assert (networks[1].labels(image, 0.0, Switches(1.0, 1.0)) != plain[1]).any()
    assert all((network.labels(image) == labels).all() for network, labels in zip(networks, plain))


def test_a_network_without_running_statistics_does_not_empty_the_page(networks, dropped):
    config = load_config('configs/bn_sourceonly_streets.py', {}, norm='in')  # at every site
    with DefaultScope.overwrite_default_scope('mmseg'):
        none_kept = Network('IN', MODELS.build(config.model), config)
    asked, bn = (str(dropped['street.png']), 0, 1.0, True, 0.5, 0.5), networks[0]
    pictures = compare([bn, none_kept], *asked)
    image = read_upload(asked[0])
    assert np.array_equal(pictures[0], bn.picture(image, 1.0))
    assert np.array_equal(pictures[1], none_kept.picture(image))


def test_whitening_shows_as_correlations_that_are_gone(networks, dropped):
    name = next(iter(white_layers(networks[1].model)))
    group = white_layers(networks[1].model)[name].group_size
    before, after = before_and_after(networks[1], name, read_upload(dropped['street.png']), Switches(1.0, 1.0))
    assert off_diagonal(after, group) < 0.05 < off_diagonal(before, group)
    *pictures, text = whiten(networks[1], str(dropped['street.png']), 0, name, False, 1.0, 1.0)
    assert f'group of {group}' in text and [picture.shape[2] for picture in pictures] == [3, 3]
    with pytest.raises(UserError, match='no whitening layer'):
        before_and_after(networks[0], name, read_upload(dropped['street.png']))


def test_correlations_are_numpys():
    feature = torch.randn(1, 4, 5, 6, generator=torch.Generator().manual_seed(0))
    assert np.allclose(correlations(feature), np.corrcoef(feature[0].flatten(1).numpy()))
    assert heat_map(np.eye(2))[0, 0].tolist() != heat_map(np.eye(2))[0, -1].tolist()


def test_a_style_changes_the_picture_by_its_share(style, dropped):
    file = str(dropped['street.png'])
    assert (stylise(style, file, 0, 0.0) == read_upload(file)).all()
    assert (stylise(style, file, 0, 1.0) != read_upload(file)).any()


def test_without_gradio_the_command_says_what_to_install(run, monkeypatch, capsys):
    monkeypatch.setattr(app.importlib.util, 'find_spec', lambda name: None)
    assert run('app') == 2
    assert "pip install 'sw_mmseg[app]'" in capsys.readouterr().err
    monkeypatch.undo()
    assert run('app', '--config', 'x.py') == 2
    assert 'go together' in capsys.readouterr().err
    assert run('app', '--port', '99999') == 2
    assert '--port 99999 is no port: give a number from 1 to 65535' in capsys.readouterr().err


def test_every_network_of_the_page_comes_with_the_package_and_shares_its_colours():
    models = ready_models()
    assert next(iter(SHOWN)) == 'photographs'  # what visitors drop are photographs
    assert set(SHOWN) == {name for name, model in models.items() if model.task == SEGMENTATION}
    config = load_config(f'configs/{models["photographs"].config}.py', {})
    meta = Network('photographs', torch.nn.Identity(), config).meta
    assert [meta['palette'][meta['classes'].index(name)] for name in ('road', 'tree')] == [
        PALETTE[CLASSES.index(name)] for name in ('road', 'vegetation')
    ]
