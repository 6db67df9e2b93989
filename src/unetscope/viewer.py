"""For scripts that work with napari: layers in and out, and the viewer with the plugin's widgets docked.

Everything else takes and gives images (`unetscope.io.Image`), with a window or without one::

    image = image_of(viewer.layers["cells"])
    prediction = unetscope.predict("run", image)
    add_layer(viewer, prediction.labels, kind="labels", name="prediction", like=viewer.layers["cells"])

`open_viewer` docks the widgets: ``viewer.window.dock_widgets`` holds them, and what their buttons do are
methods of them. A layer from `add_layer` is a result, which the Dataset widget does not offer for training:
what is to be trained on is added with napari's own ``viewer.add_image`` and ``viewer.add_labels``.
"""

from __future__ import annotations

from unetscope._napari.app import open_viewer
from unetscope._napari.layers.layer import add_layer, image_of, replace_data

__all__ = ["add_layer", "image_of", "open_viewer", "replace_data"]
