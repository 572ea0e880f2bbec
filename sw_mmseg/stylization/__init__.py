"""Style transfer of Section 4.4: pictures, drawn styles, contents, the network, the loss network, the model that trains
one style, sample pictures, and statistics of a whole picture from its tiles or over a video's frames."""

from .contents import ContentPictures, resolve_folder
from .loss_network import LossNetwork
from .network import StyleNetwork
from .pictures import PictureError, find_pictures, read_picture, to_uint8
from .samples import StyleSamplesHook, stylise
from .statistics import WholePicture
from .styles import STYLES, draw_style, read_style
from .stylizer import Stylizer

__all__ = [
    'STYLES',
    'ContentPictures',
    'LossNetwork',
    'PictureError',
    'StyleNetwork',
    'StyleSamplesHook',
    'Stylizer',
    'WholePicture',
    'draw_style',
    'find_pictures',
    'read_picture',
    'read_style',
    'resolve_folder',
    'stylise',
    'to_uint8',
]
