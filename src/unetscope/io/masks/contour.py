"""Contours in text files: one outline, a point per line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from unetscope.errors import InputError
from unetscope.io.image import Image
from unetscope.io.masks._drawn import drawn_on, require_plane
from unetscope.io.masks._json import coordinates, malformed, read_text
from unetscope.io.masks.canvas import Canvas, polygon_pixels

__all__ = ["read_contour"]

_SEPARATOR = re.compile(r"[,;\s]+")


def read_contour(path: Path, image: Image) -> Image:
    """Fill the outline in a text file on the grid of its image.

    A line holds x and y, separated by blanks, a comma, a semicolon or a tab; a table with a heading names
    its columns X and Y. Coordinates count from the center of the first pixel, as in the contours of the
    Sunnybrook Cardiac Data: the center of pixel (r, c) lies at x = c, y = r.

    Parameters
    ----------
    path : Path
        The points of one closed outline.
    image : Image
        The image that it was drawn on; one plane.

    Returns
    -------
    Image
        1 inside, 0 outside.

    Raises
    ------
    ReadError
        If the file is no text, or too large.
    InputError
        If it holds anything but points.
    """
    require_plane(path, image)
    lines = [line.strip() for line in read_text(path, "a contour").splitlines()]
    rows = [_SEPARATOR.split(line.strip(",; \t")) for line in lines if line and not line.startswith("#")]
    columns = (0, 1)
    if rows and any(cell.isalpha() for cell in rows[0]):
        heading = [cell.lower() for cell in rows[0]]
        if not {"x", "y"} <= set(heading):
            raise malformed(path, "a table without the columns X and Y")
        columns, rows = (heading.index("x") - len(heading), heading.index("y") - len(heading)), rows[1:]
    elif any(len(row) != 2 for row in rows):
        raise malformed(path, "lines that are not two numbers, x and y")
    try:
        points = coordinates(path, [[float(row[column]) for column in columns] for row in rows])
    except (ValueError, IndexError) as error:
        raise malformed(path, "lines that are not two numbers, x and y") from error
    if len(points) < 3:
        raise InputError(
            f"{path.name} holds {len(points)} points",
            expected="three or more, x and y per line",
            fix="export the contour again",
        )
    canvas = Canvas(path.name, image.grid)
    canvas.add("the outline", polygon_pixels([points], image.grid), 1)
    data, notes = canvas.finish()
    return drawn_on(image, data.astype(np.uint8), path, "contour", notes)
