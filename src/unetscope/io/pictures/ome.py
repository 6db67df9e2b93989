"""OME-XML of TIFF files: sizes, channel names, and the files that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from unetscope.errors import ReadError
from unetscope.io._units import to_length

__all__ = [
    "NAMESPACE",
    "OmeImage",
    "companions",
    "kept_facts",
    "ome_images",
    "refuse_entities",
    "root_of",
]

NAMESPACE = "unetscope"
"""Marks what our writers keep in a file because its format has no word for it, such as axes of length 1."""


@dataclass(frozen=True)
class OmeImage:
    """One image of an OME document.

    Attributes
    ----------
    sizes : dict
        From ``"Z"``, ``"Y"`` and ``"X"`` to physical size and unit, as far as given.
    channels : tuple of str
        Names of the channels; empty where any of them has none.
    """

    sizes: dict[str, tuple[float, str]]
    channels: tuple[str, ...]


def refuse_entities(text: str) -> None:
    """Refuse XML that declares entities: OME never does, and they can blow up to any length or read files.

    Raises
    ------
    ValueError
        If there is a document type or an entity declaration.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("its XML declares entities")


def root_of(text: str, path: Path) -> tuple[ElementTree.Element, str]:
    """Parse the OME-XML of a file, or of the companion file that it names, and give the text as well.

    Raises
    ------
    ReadError
        If the companion file lies elsewhere or is missing.
    """
    refuse_entities(text)
    root = ElementTree.fromstring(text)  # noqa: S314 (there are no entities)
    reference = root.find("{*}BinaryOnly")
    if reference is None:
        return root, text
    companion = _beside(path, reference.get("MetadataFile", ""))
    text = companion.read_text(encoding="utf-8")
    refuse_entities(text)
    return ElementTree.fromstring(text), text  # noqa: S314


def companions(root: ElementTree.Element, path: Path) -> tuple[Path, ...]:
    """List the files that hold the pages of an OME document, all in the folder of `path`.

    Raises
    ------
    ReadError
        If one lies elsewhere or is missing.
    """
    own = root.get("UUID")
    names = [
        path.name if element.text == own else element.get("FileName", path.name)
        for element in root.iterfind(".//{*}TiffData/{*}UUID")
    ]
    return tuple(_beside(path, name) for name in dict.fromkeys(names))


def _beside(path: Path, name: str) -> Path:
    """Find a file that OME-XML names; names with folders in them are none of a companion."""
    if not name or name in {".", ".."} or set(name) & {"/", "\\", "\0", ":"}:
        raise ReadError(
            f"{path.name} refers to a file in another folder",
            expected="companion files beside it",
            fix="export it again as one file",
        )
    if not (companion := path.with_name(name)).is_file():
        raise ReadError(
            f"{path.name} is part of a set of OME files, of which {name} is missing",
            expected="all files of the set, under their own names, in one folder",
            fix="copy the missing files there, or export it again as one file",
        )
    return companion


def ome_images(root: ElementTree.Element) -> list[OmeImage]:
    """Read what the document says of each image, in its order."""
    return [OmeImage(_sizes(pixels), _channels(pixels)) for pixels in root.iterfind("{*}Image/{*}Pixels")]


def kept_facts(root: ElementTree.Element) -> dict[str, str]:
    """Read what our writers noted beside an image, such as its axes: OME itself gives all five a length."""
    entries = root.iterfind(f".//{{*}}MapAnnotation[@Namespace='{NAMESPACE}']/{{*}}Value/{{*}}M")
    return {entry.get("K", ""): entry.text or "" for entry in entries}


def _sizes(pixels: ElementTree.Element) -> dict[str, tuple[float, str]]:
    found = {}
    for axis in "ZYX":
        size, unit = pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")
        if length := to_length(size, unit):
            found[axis] = length
    return found


def _channels(pixels: ElementTree.Element) -> tuple[str, ...]:
    names = tuple(channel.get("Name", "").strip() for channel in pixels.iterfind("{*}Channel"))
    return names if all(names) else ()
