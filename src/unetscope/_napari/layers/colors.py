"""Colors of labels that a network made."""

from __future__ import annotations

from typing import Any

from napari.utils.colormaps import CyclicLabelColormap

__all__ = ["prediction_colors"]

# From the palette of Okabe and Ito (2008), jfly.uni-koeln.de/color, brightest first: on gray they are seen
# better than the brown and the red in which napari shows 1 and 255, the usual masks.
_PALETTE = ("#56B4E9", "#E69F00", "#CC79A7", "#F0E442", "#009E73", "#D55E00", "#0072B2")
# Divides 254: the object is the same color whether it is 1 or 255.
_CYCLE = 127


def prediction_colors(kind: str) -> dict[str, Any]:
    """Options of a Labels layer with which a prediction is told apart from a mask on the same image.

    Parameters
    ----------
    kind : {"binary", "multiclass", "instances"}
        Several classes keep napari's colors, so that each has the same one in mask and prediction; so do
        objects, which need many.
    """
    if kind != "binary":
        return {}
    colors = [_PALETTE[i % len(_PALETTE)] for i in range(_CYCLE)]
    return {"colormap": CyclicLabelColormap(colors=["transparent", *colors])}
