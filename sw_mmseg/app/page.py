"""The page itself, in Gradio: two tabs whose functions are those of the modules beside it.

Nothing is asked of the network: no analytics, no fonts from elsewhere. What a visitor does wrong is said on the page.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'  # read when gradio is imported
os.environ.setdefault('HF_HUB_OFFLINE', '1')

import gradio as gr
import numpy as np
import torch

from sw_mmseg.app.networks import LEARNT, Network, Switches, white_layers
from sw_mmseg.app.uploads import MOST_BYTES, read_upload
from sw_mmseg.app.whitened import before_and_after, heat_map, off_diagonal
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.style_files import mixed
from sw_mmseg.stylization import StyleNetwork, WholePicture

__all__ = ['ADDRESS', 'build_page', 'compare', 'launch', 'stylise', 'whiten']

ADDRESS = '127.0.0.1'
A_ROW = 2  # pictures, so that their legends can be read
Pictures = list[np.ndarray | None]


def compare(
    networks: Sequence[Network], file: str | None, moment: float, alpha: float, learnt: bool, mean: float, cov: float
) -> Pictures:
    """What each network sees in a dropped file."""
    image = read_upload(file, moment)
    switches = LEARNT if learnt else Switches(mean, cov)
    return [network.picture(image, alpha, switches) for network in networks]


def whiten(
    network: Network, file: str | None, moment: float, layer: str, learnt: bool, mean: float, cov: float
) -> tuple[np.ndarray, np.ndarray, str]:
    """Correlations before and after a layer as pictures, and what they show in words."""
    switches = LEARNT if learnt else Switches(mean, cov)
    before, after = before_and_after(network, layer, read_upload(file, moment), switches)
    group = white_layers(network.model)[layer].group_size
    text = (
        f'Channels of one group of {group}: mean |correlation| {off_diagonal(before, group):.2f} before, '
        f'{off_diagonal(after, group):.2f} after.'
    )
    return heat_map(before), heat_map(after), text


def stylise(network: StyleNetwork, file: str | None, moment: float, alpha: float) -> np.ndarray:
    """A dropped file in the network's style; `alpha` is the share of the style."""
    picture = torch.from_numpy(read_upload(file, moment)).permute(2, 0, 1).float() / 255
    return mixed(WholePicture(network), picture, alpha)


def build_page(networks: Sequence[Network], style: StyleNetwork | None = None) -> gr.Blocks:
    """The page for these networks, and for a style where there is one."""
    with gr.Blocks(title='sw_mmseg', analytics_enabled=False) as page:
        gr.Markdown(
            '# sw_mmseg\nSmall networks that learnt drawn streets, on an image or a short video of yours. One is for '
            'photographs of streets; the others show what adaptation changes, on drawn streets.'
        )
        with gr.Tab('Segmentation'):
            _segmentation(networks)
        with gr.Tab('Style transfer'):
            _style(style)
    return page


def _segmentation(networks: Sequence[Network]) -> None:
    with gr.Row():
        file = gr.File(label='an image or a short video', elem_id='upload')
        with gr.Column():
            moment = gr.Slider(0, 1, 0, label='moment of a video, 0 (first frame) to 1 (last)')
            alpha = gr.Slider(0, 1, 0, label="α, share of the image's own statistics in the running ones")
            learnt = gr.Checkbox(True, label='SW mixes its statistics as it learnt to')
            mean = gr.Slider(0, 1, 0.5, label='else: share of the image in the means')
            cov = gr.Slider(0, 1, 0.5, label='else: share of the image in the covariances')
    settings = [file, moment, alpha, learnt, mean, cov]
    button = gr.Button('Segment', variant='primary', elem_id='segment')
    shown = []
    for first in range(0, len(networks), A_ROW):
        with gr.Row():
            shown += [_picture(network.title) for network in networks[first : first + A_ROW]]
    moved = [moment.release, alpha.release, learnt.input, mean.release, cov.release]
    _on([button.click, file.upload, *moved], _partial(compare, networks), settings, shown)
    white = next((network for network in networks if white_layers(network.model)), None)
    if white is None:
        return
    gr.Markdown('## What whitening does to a feature\nCorrelations of the channels that go into a layer and come out.')
    names = list(white_layers(white.model))
    layer = gr.Dropdown(names, value=names[0], label=f'layer of {white.title}')
    look = gr.Button('Look', elem_id='look')
    with gr.Row():
        pictures = [_picture(label) for label in ('before', 'after')]
    words = gr.Markdown()
    inputs = [file, moment, layer, learnt, mean, cov]
    _on([look.click, layer.input], _partial(whiten, white), inputs, [*pictures, words])


def _style(network: StyleNetwork | None) -> None:
    if network is None:
        gr.Markdown('There is no style network: `sw-mmseg app --style CHECKPOINT` takes one of yours.')
        return
    file = gr.File(label='an image or a short video', elem_id='style_upload')
    moment = gr.Slider(0, 1, 0, label='moment of a video, 0 (first frame) to 1 (last)')
    alpha = gr.Slider(0, 1, 1, label='share of the style')
    button = gr.Button('Stylise', variant='primary')
    picture = _picture('stylised')
    events = [button.click, file.upload, moment.release, alpha.release]
    _on(events, _partial(stylise, network), [file, moment, alpha], picture)


def _picture(label: str) -> gr.Image:
    """Without the button that would publish it elsewhere."""
    return gr.Image(label=label, interactive=False, format='png', buttons=['download', 'fullscreen'])


def _on(events: Sequence[Callable], function: Callable, inputs: list, outputs: Any) -> None:
    for number, event in enumerate(events):
        event(function, inputs, outputs, concurrency_limit=1, api_name=None if number else function.__name__)


def _partial(function: Callable, first: Any) -> Callable:
    """`function` with its first argument; what a visitor did wrong becomes a message on the page."""

    @wraps(function)
    def call(*values: Any) -> Any:
        try:
            result = function(first, *values)
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return result[0] if isinstance(result, list) and len(result) == 1 else result

    del call.__wrapped__  # gradio counts the arguments of what it calls
    return call


def launch(page: gr.Blocks, port: int | None = None) -> str:
    """Serve the page to this machine alone, beside what the caller does next; returns its address.

    Raises:
        UserError: the port is taken, or no port is free.
    """
    try:
        _, address, _ = page.launch(
            server_name=ADDRESS,
            server_port=port,
            share=False,
            max_file_size=MOST_BYTES,
            prevent_thread_lock=True,
            quiet=True,
            show_error=True,
            ssr_mode=False,
            footer_links=[],
            theme=gr.themes.Base(font=['system-ui', 'sans-serif'], font_mono=['monospace']),
        )
    except OSError as error:
        if 'empty port' not in str(error):
            raise
        if port is None:
            raise UserError('no port from 7860 on is free: give one with --port') from error
        raise UserError(f'--port {port} is taken, or not for this user: give another, or leave it out') from error
    return address
