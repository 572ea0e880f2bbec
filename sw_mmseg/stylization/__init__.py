"""Style transfer of Section 4.4: pictures, the network, the loss network, and the model that trains one style."""

from .loss_network import LossNetwork
from .network import StyleNetwork
from .pictures import ContentPictures, PictureError, find_pictures, read_picture
from .stylizer import Stylizer

__all__ = ['ContentPictures', 'LossNetwork', 'PictureError', 'StyleNetwork', 'Stylizer', 'find_pictures',
           'read_picture']
