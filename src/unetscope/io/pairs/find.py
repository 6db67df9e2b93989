"""Find the pairs of a data set, in folders or in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from unetscope.errors import InputError
from unetscope.io._files import StrPath, is_folder, is_image_file
from unetscope.io._names import natural
from unetscope.io.masks.colors import Colors, as_colors
from unetscope.io.pairs.conventions import CONVENTIONS
from unetscope.io.pairs.examine import examine
from unetscope.io.pairs.groups import group_rule
from unetscope.io.pairs.matching import Match, Unpaired, match_names
from unetscope.io.pairs.suggest import with_suggestions
from unetscope.io.pairs.table import Pairing, read_table

__all__ = ["find_pairs", "list_images", "match_masks"]

Progress = Callable[[int, int], None]


def find_pairs(
    images: StrPath,
    masks: StrPath | None = None,
    *,
    group: str = "auto",
    colors: Colors | None = None,
    classes: Mapping[str, int] | None = None,
    objects: bool = False,
    progress: Progress | None = None,
) -> Pairing:
    """Find the mask of each image of a data set, read both once, and check that they fit.

    Masks are looked for in `masks` if given, with the images' names; otherwise by all of these conventions:

    - ``images/`` beside ``masks/`` (``labels/``, ``GT/``, ``annotations/``, …); ``imagesTr/`` beside
      ``labelsTr/`` with ``X_0000`` for ``X`` (nnU-Net); ``01/`` beside ``01_GT/SEG/`` (Cell Tracking
      Challenge);
    - a subfolder ``masks/``, ``labels/``, ``GT/``, …;
    - beside the image, as ``X.png`` of ``X.dcm``, ``X.dcm.png``, ``X_mask``, ``X_seg``, ``X_cp_masks``,
      ``X_manual1``, …, ``mask_1`` of ``image_1``, or ``X.geojson``;
    - a folder per case: ``P1/image.nii.gz`` with ``P1/label.nii.gz``, ``P1/images/`` with ``P1/masks/``,
      or the slices of one DICOM series with the one volume that lies beside them;
    - a folder with one file per object: ``masks/X/`` of ``images/X.png``, or ``X/masks/`` of
      ``X/images/X.png`` (Data Science Bowl 2018);
    - a COCO file, by the names that it lists; a DICOM segmentation, by the images that it refers to.

    Upper and lower case count the same. An image for which they name different masks stays unpaired.

    Parameters
    ----------
    images : path
        A folder, or a CSV table with the columns image, mask and, if wanted, group, split, colors and
        classes.
    masks : path, optional
        A folder of masks, or a COCO file.
    group : str
        What must stay on one side of a split. ``"auto"``: the table's column, else the patient of a DICOM
        file, else the folder of the case, else the file; ``"file"``; ``"patient"``; or
        ``"regex:PATTERN"``, searched in the file name of the image, where the first group, or else the
        whole match, counts.
    colors : mapping of (red, green, blue) or ``"#rrggbb"`` to int, optional
        Label of each color of color-coded masks, instead of the table's or those that `find_colors` finds.
    classes : mapping of str to int, optional
        Label of each class of outlines, instead of the table's or those that `find_classes` finds.
    objects : bool
        Number the objects that outlines mark, instead of naming their classes.
    progress : callable, optional
        Called with the number of pairs read and of all, before each; what it raises ends the search.

    Returns
    -------
    Pairing
        Pairs, good and bad, and all files that are in none.

    Raises
    ------
    InputError
        If there are no images, a folder is missing, or `group` is unknown or does not fit an image.
    """
    images = Path(images)
    if images.suffix.lower() == ".csv" and not is_folder(images):
        if masks is not None:
            raise InputError(
                f"{images.name} names the masks already",
                expected="a table or two folders",
                fix="leave masks out",
            )
        return _open_table(images, group, colors=colors, classes=classes, objects=objects, progress=progress)
    rule = group_rule(group)
    matches = match_names(images, None if masks is None else Path(masks))
    if not matches.images:
        raise InputError(
            f"{images} holds no images",
            expected=f"images with masks by a convention ({CONVENTIONS})",
            fix="choose the folder with the images",
        )
    pairs, table, names = examine(
        matches.found,
        rule,
        colors=as_colors(colors or {}),
        classes=classes,
        objects=objects,
        progress=progress,
    )
    unpaired = sorted(matches.unpaired, key=lambda file: natural(file.path))
    return Pairing(pairs, tuple(with_suggestions(unpaired, matches.images)), table, names, objects)


def _open_table(
    path: Path,
    group: str = "auto",
    *,
    colors: Colors | None = None,
    classes: Mapping[str, int] | None = None,
    objects: bool = False,
    progress: Progress | None = None,
) -> Pairing:
    """Read and check the pairs that a table lists; see `find_pairs`."""
    table = read_table(path)
    rows = [row for row in table.rows if row.mask]
    matches = [Match(row.image, row.mask, f"listed in {path.name}") for row in rows if row.mask]
    pairs, known, names = examine(
        matches,
        group_rule(group),
        groups=[row.group if group == "auto" else "" for row in rows],
        colors=as_colors(colors or table.colors),
        classes=classes or table.classes or None,
        objects=objects,
        progress=progress,
    )
    pairs = tuple(replace(pair, split=row.split) for pair, row in zip(pairs, rows, strict=True))
    unpaired = [
        Unpaired(row.image, f"{path.name} names no mask for it") for row in table.rows if not row.mask
    ]
    return Pairing(pairs, tuple(unpaired), known, names, objects)


def list_images(folder: StrPath) -> list[Path]:
    """List the images of a folder, and leave out the masks that lie beside them.

    Parameters
    ----------
    folder : path
        Images, or a folder that holds ``images/`` and ``masks/``.

    Returns
    -------
    list of Path
        In natural order of their names; folders of DICOM series where there are no files.

    Raises
    ------
    InputError
        If there is no such folder, or it holds several parts of a data set.
    """
    return match_names(Path(folder), None).images


def match_masks(predictions: StrPath, masks: StrPath) -> tuple[list[tuple[Path, Path]], tuple[str, ...]]:
    """Find the mask of each prediction by name.

    Parameters
    ----------
    predictions, masks : path
        Two folders of label images.

    Returns
    -------
    list of (Path, Path)
        Prediction and mask.
    tuple of str
        Image files without a partner, and why, one sentence each.

    Raises
    ------
    InputError
        If a folder does not exist.
    """
    matches = match_names(Path(predictions), Path(masks))
    unpaired = with_suggestions(matches.unpaired, matches.images)
    alone = tuple(str(file) for file in unpaired if is_image_file(file.path))
    return [(match.image, match.mask) for match in matches.found], alone
