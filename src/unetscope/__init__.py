"""U-Net segmentation from files to measurements: read, normalize, train, predict, evaluate.

The public names live in `unetscope.api` and are loaded on first use, so that importing this package
loads neither torch nor Qt nor napari.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
