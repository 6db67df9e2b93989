"""What a person does again and again: by a key in the viewer, from the command palette, or from a menu.

A widget that can do one of `COMMANDS` offers it with `offer`; the keys are bound then. Keys that a manifest
names are not bound by napari 0.9.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakMethod

from napari.utils.notifications import show_info

if TYPE_CHECKING:
    from napari import Viewer
    from napari.components import ViewerModel

__all__ = ["COMMANDS", "Command", "next_image", "offer", "previous_image", "segment", "toggle_overlay"]


@dataclass(frozen=True)
class Command:
    """Something that a widget can do.

    Attributes
    ----------
    key : str
        The key, as napari writes it.
    title : str
        In words.
    widget : str
        The widget that does it, as the manifest calls it.
    """

    key: str
    title: str
    widget: str


COMMANDS = {
    "segment": Command("Shift-S", "Segment the current layer", "4 Predict"),
    "next": Command("Shift-Right", "Next image of the table", "5 Metrics"),
    "previous": Command("Shift-Left", "Previous image of the table", "5 Metrics"),
    "overlay": Command("Shift-O", "Show or hide right and wrong pixels", "5 Metrics"),
}
"""By name. No layer of napari uses these keys."""

# By viewer and name: what the widget that offered it last does.
_OFFERS: WeakKeyDictionary[Any, dict[str, WeakMethod[Callable[[], object]]]] = WeakKeyDictionary()


def offer(viewer: ViewerModel, name: str, action: Callable[[], object]) -> None:
    """Do a command by this from now on, and bind its key.

    Parameters
    ----------
    viewer : napari.Viewer
    name : str
        One of `COMMANDS`.
    action : bound method
        Of the widget, called without arguments. It is not kept alive; the widget that offers last is asked.
    """
    viewer = _bare(viewer)
    _OFFERS.setdefault(viewer, {})[name] = WeakMethod(action)
    viewer.bind_key(COMMANDS[name].key, _FUNCTIONS[name], overwrite=True)


def segment(viewer: Viewer) -> None:
    """Segment the current layer with the model of the Predict widget."""
    _run(viewer, name="segment")


def next_image(viewer: Viewer) -> None:
    """Show the next image of the table that was used last, of pairs or of scores."""
    _run(viewer, name="next")


def previous_image(viewer: Viewer) -> None:
    """Show the image before, of the table that was used last."""
    _run(viewer, name="previous")


def toggle_overlay(viewer: Viewer) -> None:
    """Show or hide the layer of right and wrong pixels."""
    _run(viewer, name="overlay")


_FUNCTIONS = {"segment": segment, "next": next_image, "previous": previous_image, "overlay": toggle_overlay}


def _run(viewer: ViewerModel, *, name: str) -> None:
    viewer = _bare(viewer)
    action = _action(viewer, name)
    if action is None and hasattr(viewer, "window"):
        viewer.window.add_plugin_dock_widget("unetscope", COMMANDS[name].widget)
        action = _action(viewer, name)
    if action is None:
        show_info(f"{COMMANDS[name].title}: open the widget {COMMANDS[name].widget} first.")
        return
    action()


def _action(viewer: ViewerModel, name: str) -> Callable[[], object] | None:
    offered = _OFFERS.get(viewer, {}).get(name)
    return None if offered is None else offered()


def _bare(viewer: ViewerModel) -> Any:
    return getattr(viewer, "__wrapped__", viewer)
