"""DICOM series: found, parted into stacks, described without identifiers, and read."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unetscope._words import count
from unetscope.errors import InputError, ReadError
from unetscope.io._files import exists
from unetscope.io.dicom.arrange import Arrangement, arrange
from unetscope.io.dicom.dicomdir import files_of, is_dicomdir
from unetscope.io.dicom.plane import Plane
from unetscope.io.dicom.scan import Found, Scan, scan_files, scan_folder
from unetscope.io.dicom.split import split_stacks
from unetscope.io.dicom.stack import read_stack
from unetscope.io.image import Image

__all__ = ["Series", "find_series"]

# Photographs and projections: several files of one series are several views and no stack.
_SINGLE_VIEWS = {"CR", "DX", "ES", "GM", "IO", "MG", "OP", "PX", "RF", "RG", "RTIMAGE", "US", "XA", "XC"}
# Time points that are none: the label says what they are instead.
_NOT_TIME = {"echo time", "b-value", "inversion time", "flip angle"}


@dataclass(frozen=True, eq=False)
class Series:
    """Files that make one image, found by their headers.

    Attributes
    ----------
    files : tuple of Path
        In the order of slices and then of time points; as they were found where they cannot be arranged.
    modality : str
        ``"MR"``, ``"CT"``, …
    number : int or None
        SeriesNumber.
    arrangement : Arrangement or None
        The planes in their order; None for a slide in tiles, and where there is a problem.
    matrix : (int, int) or None
        Rows and columns of a slide in tiles.
    error : InputError or None
        Why the files cannot be read as one image.
    """

    files: tuple[Path, ...]
    modality: str
    number: int | None = None
    arrangement: Arrangement | None = None
    matrix: tuple[int, int] | None = None
    error: InputError | None = None

    @property
    def problem(self) -> str | None:
        """Why the files cannot be read as one image, in one sentence; None if nothing speaks against it."""
        return None if self.error is None else str(self.error)

    @property
    def axes(self) -> str:
        """Axes of the image; empty where there is a problem."""
        if self.matrix is not None:
            return "CYX"
        return "" if self.arrangement is None else self.arrangement.axes

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of elements along each of `axes`."""
        if self.matrix is not None:
            return (3, *self.matrix)
        return () if self.arrangement is None else self.arrangement.shape

    @property
    def spacing(self) -> tuple[float, ...]:
        """Distances along the spatial axes in mm; empty where unknown before the pixels are read."""
        if self.arrangement is None or self.arrangement.units != "mm":
            return ()
        return self.arrangement.spacing

    @property
    def label(self) -> str:
        """What it is, in a few words without identifiers: ``MR, 20 time points × 10 slices of 256 × 256``."""
        number = "" if self.number is None else f"series {self.number}: "
        return f"{number}{self.modality}, {self._size()}"

    def _size(self) -> str:
        if not self.shape:
            return count(len(self.files), "file")
        lengths = dict(zip(self.axes, self.shape, strict=True))
        plane = f"{lengths['Y']} × {lengths['X']}"
        if self.matrix is not None:
            return f"slide of {plane}"
        clock = self.arrangement.clock if self.arrangement else None
        nouns = {"T": clock if clock in _NOT_TIME else "time point", "Z": "slice"}
        stack = " × ".join(count(lengths[axis], noun) for axis, noun in nouns.items() if axis in lengths)
        return (f"{stack} of " if stack else "") + plane + (" in color" if "C" in lengths else "")

    def read(self, *, lazy: bool = False) -> Image:
        """Read the pixels.

        Parameters
        ----------
        lazy : bool
            Leave large images on disk, as a dask array of one chunk per plane.

        Raises
        ------
        InputError
            The `problem`.
        ReadError
            If a file is damaged, or no decoder for it is installed.
        """
        if self.error is not None:
            raise self.error
        if self.arrangement is None:
            from unetscope.io.dicom.slide import read_pyramid

            return read_pyramid(self.files, lazy=lazy)
        return read_stack(self.arrangement, lazy=lazy)


def find_series(path: Path | Sequence[Path]) -> list[Series]:
    """Find the DICOM series below a folder, in a DICOMDIR or among files, reading headers only.

    Files belong together that share patient and SeriesInstanceUID; where they cannot lie in one stack
    (orientation, size, …; see `split_stacks`) they make several series. Files of several frames, and
    photographs and projections without a position, are series of their own. The sizes of a slide are one
    series.

    Parameters
    ----------
    path : Path or sequence of Path
        A folder, the file DICOMDIR, or one DICOM image, whose frames may make several stacks; or files, of
        which each is one.

    Returns
    -------
    list of Series
        In the order of their first files. One that cannot be read has a `problem` and hides no other;
        damaged files come last, as one series with a problem.

    Raises
    ------
    ReadError
        If there is no DICOM image.
    InputError
        If there are too many files.
    """
    scan = _scan(path)
    groups: dict[Hashable, list[Found]] = {}
    for found in scan.found:
        groups.setdefault(_series_of(found), []).append(found)
    series = [one for group in groups.values() for one in _stacks(group)]
    if scan.damaged:
        series.append(Series(tuple(scan.damaged), "damaged", error=_summary(scan.damaged)))
    return series


def _scan(path: Path | Sequence[Path]) -> Scan:
    if not isinstance(path, Path):
        scan = scan_files(path, path)
        path = path[0].parent
    elif exists(path) and path.is_file():
        files = files_of(path) if is_dicomdir(path) else [path]
        scan = scan_files(files, files)
    else:
        scan = scan_folder(path)
    if scan.found:
        return scan
    if scan.damaged:
        raise _summary(scan.damaged)
    raise ReadError(
        f"{path} holds no DICOM images",
        expected="the files of a DICOM series",
        fix="give another folder, or one image file",
    )


def _series_of(found: Found) -> Hashable:
    """Tell which files may belong together."""
    several = len(found.planes) > 1
    view = found.modality in _SINGLE_VIEWS and all(plane.position is None for plane in found.planes)
    if found.matrix is None and (several or view):
        return found.path
    # Without a UID the folder is all that is left.
    return found.series, found.series[1] or found.path.parent, found.matrix is None


def _stacks(group: list[Found]) -> list[Series]:
    first = group[0]
    if first.matrix is not None:
        largest = max(found.matrix for found in group if found.matrix)
        return [Series(tuple(found.path for found in group), first.modality, first.number, matrix=largest)]
    stacks = split_stacks([plane for found in group for plane in found.planes])
    series = []
    for planes, differences in stacks:
        what = " and ".join(differences)
        why = f"The series was split into {len(stacks)} images, of which this one differs in {what}"
        series.append(_stack(planes, first, (why,) if len(stacks) > 1 else ()))
    return series


def _stack(planes: list[Plane], found: Found, notes: tuple[str, ...]) -> Series:
    try:
        arrangement = arrange(planes)
    except InputError as error:
        files = tuple(dict.fromkeys(plane.path for plane in planes))
        return Series(files, found.modality, found.number, error=error)
    files = tuple(dict.fromkeys(plane.path for plane in arrangement.in_order()))
    arrangement = replace(arrangement, notes=notes + arrangement.notes)
    return Series(files, found.modality, found.number, arrangement)


def _summary(damaged: dict[Path, ReadError]) -> ReadError:
    """One sentence for all files that cannot be read."""
    error = next(iter(damaged.values()))
    if len(damaged) == 1:
        return error
    return ReadError(
        f"{len(damaged)} files cannot be read, the first because {error.found}",
        expected=error.expected,
        fix=error.fix,
    )
