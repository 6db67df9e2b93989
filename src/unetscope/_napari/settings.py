"""Settings of the widgets that survive a restart, in one small file beside napari's own settings."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unetscope.errors import OutputError
from unetscope.io.write import write_json

__all__ = ["recall", "remember", "settings_file"]

_LOG = logging.getLogger(__name__)


def settings_file() -> Path:
    """``unetscope.json`` in the folder of napari's settings; ``NAPARI_CONFIG`` moves both."""
    from napari.settings import get_settings

    # Without a place for its settings napari keeps none, and nor do we.
    place = get_settings().config_path
    return Path() if place is None else Path(place).parent / "unetscope.json"


def recall(widget: str) -> dict[str, Any]:
    """What a widget remembered.

    Parameters
    ----------
    widget : str
        Its name, such as ``"train"``.

    Returns
    -------
    dict
        Empty if there is nothing, or it cannot be read.
    """
    values = _everything().get(widget, {})
    return dict(values) if isinstance(values, dict) else {}


def remember(widget: str, values: Mapping[str, Any]) -> None:
    """Keep values for the next start, in addition to those the widget remembered before.

    Parameters
    ----------
    widget : str
    values : mapping of str to number, string, bool, None, or lists of those

    Notes
    -----
    A full disk must not stop anybody's work: what cannot be written is logged and forgotten.
    """
    path = settings_file()
    if path == Path():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {**_everything(), widget: {**recall(widget), **values}}, overwrite=True)
    except (OSError, OutputError) as error:
        _LOG.warning("the settings of the widgets could not be kept: %s", error)


def _everything() -> dict[str, Any]:
    try:
        values = json.loads(settings_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
