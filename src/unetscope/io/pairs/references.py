"""Which images of a folder a DICOM segmentation refers to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unetscope.errors import ReadError
from unetscope.io._files import is_image_file, kind_by_name
from unetscope.io.masks.segmentation import instance_of
from unetscope.io.pairs.layout import look_into

__all__ = ["References"]


class References:
    """An index of images by the identifier of their DICOM instances, kept in memory only.

    Parameters
    ----------
    images : sequence of Path
        Files, and folders of series.
    """

    def __init__(self, images: Sequence[Path]) -> None:
        self._images: dict[str, Path] = {}
        for image in images:
            files = look_into(image).images if image.is_dir() and not is_image_file(image) else [image]
            for file in files:
                if kind_by_name(file) == "dicom" and (instance := instance_of(file)):
                    self._images[instance] = image

    def of(self, segmentation: Path) -> list[Path]:
        """List the images that a segmentation refers to, in natural order; none if it cannot be read."""
        from unetscope.io.dicom.segmentation import referenced_uids

        try:
            _, instances = referenced_uids(segmentation)
        except ReadError:
            return []
        return list(dict.fromkeys(image for uid, image in self._images.items() if uid in instances))
