"""Networks, pictures and videos in, pictures and videos out, of tools/stylize.py; no file is ever half written."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from sw_mmseg.datasets.folder_files import VIDEOS
from sw_mmseg.running.checkpoints import read_weights
from sw_mmseg.running.errors import UserError
from sw_mmseg.running.failures import Failures
from sw_mmseg.running.outputs import Outputs
from sw_mmseg.running.videos import refuse_cut_video
from sw_mmseg.stylization import StyleNetwork, WholePicture, read_picture, to_uint8

__all__ = ['VIDEOS', 'frames', 'free_bytes', 'is_video', 'load_network', 'mixed', 'stylise_pictures', 'stylise_video']

CODECS = {'.mp4': 'mp4v', '.m4v': 'mp4v', '.mov': 'mp4v', '.avi': 'MJPG'}
Make = Callable[[int], WholePicture]


def load_network(path: str) -> StyleNetwork:
    """The network of a checkpoint, built from the settings that it holds.

    Raises:
        UserError: no such file, or not one of a style network.
    """
    state = read_weights(path)
    state = {key.removeprefix('network.'): value for key, value in state.items() if key.startswith('network.')}
    try:
        network = StyleNetwork(**json.loads(bytes(state['settings'].tolist())))
        network.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f'{path} is no checkpoint of a *_style_*.py config: {error!r}') from error
    return network.eval()


def is_video(path: Path) -> bool:
    """By its suffix."""
    return path.is_file() and path.suffix.lower() in VIDEOS


def free_bytes(device: str) -> int:
    """Memory that a device has left; of a processor, what Linux tells, else 4 GiB."""
    if device.startswith('cuda'):
        return torch.cuda.mem_get_info(device)[0]
    information = Path('/proc/meminfo')
    lines = information.read_text().splitlines() if information.is_file() else []
    free = [int(line.split()[1]) * 1024 for line in lines if line.startswith('MemAvailable')]
    return free[0] if free else 4 << 30


def mixed(engine: WholePicture, content: Tensor, alpha: float) -> np.ndarray:
    """A stylised picture, blended with its content, as (H, W, 3) uint8."""
    if alpha == 0:
        return to_uint8(content)
    return to_uint8(alpha * engine(content) + (1 - alpha) * content)


def stylised_file(path: Path, folder: Path, out: Path, single: bool) -> Path:
    """Where a picture's result goes: `out`, if it is the only one and `out` is called like a picture; else its path in
    `folder`, below `out`, with '.png' added. Raises UserError where Pillow reads that format and does not write it."""
    kind = Image.registered_extensions().get(out.suffix.lower())
    if single and kind is not None:
        try:
            Image.new('RGB', (8, 8)).save(io.BytesIO(), format=kind)
        except (KeyError, OSError, ValueError) as error:
            raise UserError(f'{out}: pictures cannot be written as {out.suffix}; .png, .jpg and .tif can') from error
        return out
    return out / path.relative_to(folder).parent / f'{path.name}.png'


def stylise_pictures(make: Make, files: dict[Path, Path], outputs: Outputs, alpha: float) -> Failures:
    """Every picture of `files`, picture -> result; returns what could not be read."""
    failures = Failures()
    for path, file in tqdm(files.items(), unit=' pictures', disable=None if len(files) > 1 else True):
        with failures.past():
            content = read_picture(path)
            picture = Image.fromarray(mixed(make(content[0].numel()), content, alpha))
            kind = Image.registered_extensions()[file.suffix.lower()]
            outputs.write_encoded(str(file.relative_to(outputs.folder)), partial(picture.save, format=kind))
    return failures


def video_file(path: Path, out: Path) -> Path:
    """Where a video's result goes. Raises UserError where it cannot be written in that format."""
    file = out if out.suffix and not out.is_dir() else out / f'{path.stem}.mp4'
    if file.suffix.lower() not in CODECS:
        raise UserError(f'videos are written as {", ".join(CODECS)}; got {file}')
    return file


def stylise_video(make: Make, path: Path, out: Path, alpha: float) -> None:
    """Frame by frame into the file `out`; sound is left out.

    Raises:
        UserError: the video cannot be read, or not be written whole, or not in the format asked for.
    """
    video = cv2.VideoCapture(str(path))
    try:
        begun, frame = video.read()
        if not begun:
            raise UserError(f'{path} cannot be read as a video')
        height, width = frame.shape[:2]
        engine, rate = make(height * width), video.get(cv2.CAP_PROP_FPS) or 25.0
        codec = cv2.VideoWriter_fourcc(*CODECS[out.suffix.lower()])
        writer = cv2.VideoWriter(str(out), codec, rate, (width, height))
        if not writer.isOpened():
            raise UserError(f'this OpenCV cannot write {out.suffix} videos: try .avi')
        count = 0
        try:
            for picture in frames(video, frame):
                writer.write(np.ascontiguousarray(mixed(engine, picture, alpha)[..., ::-1]))
                count += 1
        finally:
            writer.release()
        refuse_cut_video(out, count)
    finally:
        video.release()


def frames(video: cv2.VideoCapture, first: np.ndarray) -> Iterator[Tensor]:
    """3×H×W in 0..1 each, the first of which has been read; shows a bar."""
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    with tqdm(total=total if total > 0 else None, unit=' frames', disable=None) as bar:
        going, frame = True, first
        while going:
            yield torch.from_numpy(np.ascontiguousarray(frame[..., ::-1])).permute(2, 0, 1).float() / 255
            bar.update()
            going, frame = video.read()
