"""Find the mask of each image by name: the conventions that data sets follow."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from unetscope.errors import InputError
from unetscope.io._files import is_image_file, kind_by_name, stem_of

__all__ = ["CONVENTIONS", "Match", "Matches", "Unpaired", "match_names", "natural"]

CONVENTIONS = (
    "a folder of masks with the same names, images/ beside masks/, a subfolder masks/ or GT/, "
    "X.dcm beside X.png, or X_mask beside X"
)
_IMAGE_FOLDERS = {"images", "image", "imgs", "img", "raw"}
_MASK_FOLDERS = {
    "masks",
    "mask",
    "labels",
    "label",
    "gt",
    "annotations",
    "segmentation",
    "manual",
    "1st_manual",
}
_MASK_SUFFIX = re.compile(r"[_-](masks?|labels?|seg|gt|manual1|1stho|2ndho)$")
_CLUTTER = {"thumbs.db", "desktop.ini"}
_Claim = tuple[Path, str]


@dataclass(frozen=True)
class Unpaired:
    """A file that is in no pair, and why."""

    path: Path
    why: str


@dataclass(frozen=True)
class Match:
    """An image, its mask, and the convention that joins them, in plain words."""

    image: Path
    mask: Path
    reason: str


@dataclass
class Matches:
    """What names tell about a folder: its images, which of them have one mask, and the other files."""

    images: list[Path] = field(default_factory=list)
    found: list[Match] = field(default_factory=list)
    unpaired: list[Unpaired] = field(default_factory=list)


def natural(path: Path) -> list[tuple[int, str]]:
    """Sort key by which ``im2`` comes before ``im10``."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if i % 2 else (0, part) for i, part in enumerate(parts)]


def match_names(images: Path, masks: Path | None) -> Matches:
    """Look for the mask of each image of a folder, by names only.

    All conventions are tried. An image for which they name different masks stays unpaired, and so do
    images that share a mask: nothing is guessed.

    Parameters
    ----------
    images : Path
        A folder of images, or one that holds ``images/`` and ``masks/``.
    masks : Path, optional
        The folder of masks; then no other place is searched.

    Raises
    ------
    InputError
        If a folder does not exist, or several subfolders could hold the images.
    """
    result = Matches()
    folder, mask_folders = _layout(images, masks, result.unpaired)
    files = _image_files(folder, result.unpaired)
    beside = _beside(files) if masks is None else {}
    claimed = {mask for claims in beside.values() for mask, _ in claims}
    candidates = {path: beside.get(path, []) for path in files if path not in claimed}
    for mask_folder in mask_folders:
        _add_from_folder(candidates, mask_folder, result.unpaired)
    _settle(candidates, result)
    return result


def _layout(images: Path, masks: Path | None, unpaired: list[Unpaired]) -> tuple[Path, list[Path]]:
    """Tell in which folder the images are, and in which the masks may be."""
    for folder in (images, masks):
        if folder is not None and not folder.is_dir():
            raise InputError(f"{folder} is not a folder", expected="a folder of images", fix="check the path")
    if masks is not None:
        return images, [masks]
    subfolders = sorted((path for path in images.iterdir() if path.is_dir()), key=natural)
    image_folders = [path for path in subfolders if path.name.lower() in _IMAGE_FOLDERS]
    mask_folders = [path for path in subfolders if path.name.lower() in _MASK_FOLDERS]
    if not (image_folders and mask_folders):
        return images, mask_folders
    if len(image_folders) > 1:
        names = " and ".join(f"{path.name}/" for path in image_folders)
        raise InputError(
            f"{images} holds {names}",
            expected="one folder of images",
            fix="give both folders, images and masks",
        )
    outside = _image_files(images, unpaired)
    unpaired += [Unpaired(path, f"lies outside {image_folders[0].name}/") for path in outside]
    return image_folders[0], mask_folders


def _image_files(folder: Path, unpaired: list[Unpaired]) -> list[Path]:
    """List the image files of a folder in natural order; note the other files as unpaired."""
    files = sorted((path for path in folder.iterdir() if path.is_file()), key=natural)
    files = [path for path in files if not path.name.startswith(".") and path.name.lower() not in _CLUTTER]
    images = [path for path in files if is_image_file(path)]
    unpaired += [Unpaired(path, "not an image") for path in files if path not in images]
    return images


def _beside(files: list[Path]) -> dict[Path, list[_Claim]]:
    """Masks that lie beside their image and say so by their name."""
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        by_stem[stem_of(path)].append(path)
    claims: dict[Path, list[_Claim]] = defaultdict(list)
    for mask in files:
        stem = stem_of(mask)
        base = _MASK_SUFFIX.sub("", stem)
        if base != stem:
            for image in by_stem.get(base, []):
                claims[image].append((mask, f"name with {stem.removeprefix(base)} beside the image"))
        for image in by_stem[stem]:
            whole_name = mask.stem.lower() == image.name.lower()
            if whole_name or (_is_dicom(image) and not _is_dicom(mask)):
                claims[image].append((mask, "same name beside the image"))
    return claims


def _is_dicom(path: Path) -> bool:
    return kind_by_name(path) == "dicom"


def _add_from_folder(candidates: dict[Path, list[_Claim]], folder: Path, unpaired: list[Unpaired]) -> None:
    """Add the masks of a folder to the images of the same name, with or without a mask suffix."""
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for image in candidates:
        by_stem[stem_of(image)].append(image)
    for mask in _image_files(folder, unpaired):
        stem = stem_of(mask)
        images = by_stem.get(stem) or by_stem.get(_MASK_SUFFIX.sub("", stem), [])
        for image in images:
            candidates[image].append((mask, f"same name in {folder.name}/"))
        if not images:
            unpaired.append(Unpaired(mask, "no image has this name"))


def _settle(candidates: dict[Path, list[_Claim]], result: Matches) -> None:
    """Keep what is unambiguous in both directions."""
    uses = Counter(mask for claims in candidates.values() for mask, _ in claims)
    for image, claims in candidates.items():
        stem = stem_of(image)
        if not claims and (suffix := _MASK_SUFFIX.search(stem)):
            base = stem.removesuffix(suffix.group())
            result.unpaired.append(Unpaired(image, f"named like a mask, but no image {base} is beside it"))
            continue
        result.images.append(image)
        shared = [mask for mask, _ in claims if uses[mask] > 1]
        if not claims:
            result.unpaired.append(Unpaired(image, "no mask has its name"))
        elif len(claims) > 1:
            names = " and ".join(f"{mask.parent.name}/{mask.name}" for mask, _ in claims)
            result.unpaired.append(Unpaired(image, f"several masks fit: {names}"))
        elif shared:
            result.unpaired.append(Unpaired(image, f"the mask {shared[0].name} fits other images too"))
        else:
            result.found.append(Match(image, *claims[0]))
