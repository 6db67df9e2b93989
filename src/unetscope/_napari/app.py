"""``unetscope gui``: napari with the widgets docked and something to look at."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import napari
from napari.layers import Labels, Layer
from napari.utils.notifications import show_error
from npe2 import PluginManager

from unetscope._napari.files.readers import read_dicom, read_file, read_folder
from unetscope.errors import InputError, ReadError, UNetScopeError
from unetscope.samples import sample_folder

__all__ = ["open_viewer", "run_viewer"]

_PLUGIN = "unetscope"


def run_viewer(paths: Sequence[Path] = (), *, sample: str | None = None) -> None:
    """Open the viewer as `open_viewer` does, and come back when the user has closed it.

    Raises
    ------
    InputError
        If there is no screen, no such path, or no such sample.
    """
    # Qt would end the process without a word that helps.
    elsewhere = sys.platform in {"win32", "darwin"} or os.environ.get("QT_QPA_PLATFORM")
    if not (elsewhere or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError(
            "there is no screen to open a window on",
            expected="a desktop, or DISPLAY to be set",
            fix="use `unetscope train` and `unetscope predict` here",
        )
    open_viewer(paths, sample=sample)
    napari.run()


def open_viewer(paths: Sequence[Path] = (), *, sample: str | None = None) -> napari.Viewer:
    """Open napari with all widgets of the plugin as tabs at the right.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders to open, by our readers where they can, else by napari's own. One that cannot be
        opened gives a notification in the viewer, and the others are opened.
    sample : str, optional
        Name of a set of samples to open too.

    Returns
    -------
    napari.Viewer

    Raises
    ------
    InputError
        If there is no such path or sample; no viewer is opened then.
    """
    # Scripts take layers from this package where there is no Qt, too.
    from qtpy.QtWidgets import QApplication

    if sample is not None:
        sample_folder(sample)
    for path in paths:
        if not path.exists():
            raise ReadError(f"{path} does not exist", expected="a file or folder", fix="check the path")
    viewer = napari.Viewer()
    manifest = PluginManager.instance().get_manifest(_PLUGIN)
    docks, widgets = [], []
    for contribution in manifest.contributions.widgets or []:
        name = contribution.display_name
        if not name[0].isdigit():
            # Only the steps of the work: more tabs have no room, and the menu has them all.
            continue
        dock, widget = viewer.window.add_plugin_dock_widget(_PLUGIN, name, tabify=True)
        # Five tabs have no room for "(unetscope)" each.
        dock.setWindowTitle(name)
        docks.append(dock)
        widgets.append(widget)
    for path in paths:
        _open(viewer, path)
    if sample is not None:
        viewer.open_sample(_PLUGIN, sample)
    if any(isinstance(layer, Labels) for layer in viewer.layers):
        widgets[0].use_layers()
    # Only when all is laid out can a tab come to the front, and the picture fit into what is left.
    QApplication.processEvents()
    docks[0].raise_()
    viewer.reset_view()
    return viewer


def _open(viewer: napari.Viewer, path: Path) -> None:
    name = str(path)
    try:
        if reader := read_folder(name) or (path.is_file() and (read_dicom(name) or read_file(name))):
            for data, options, kind in reader(name):
                viewer.add_layer(Layer.create(data, options, kind))
        else:
            viewer.open(name, plugin="napari")
    except UNetScopeError:
        # The reader has shown it.
        return
    except Exception as error:  # noqa: BLE001 - napari's readers raise whatever their libraries do
        show_error(f"{path.name} cannot be opened ({error}).")
