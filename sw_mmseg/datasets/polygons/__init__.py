"""Labels that are outlines: labelme's, COCO's and YOLO's files, drawn as label files of one id a pixel.

`drawing` draws and writes, the others read one format each. What lies in no outline is background, id 0.
"""

from .drawing import Drawing, Shape, draw, write_label_files
from .formats import draw_polygons, polygon_format

__all__ = ['Drawing', 'Shape', 'draw', 'draw_polygons', 'polygon_format', 'write_label_files']
