"""Find the mask of each image by name and by reference; nothing is guessed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from unetscope.errors import InputError, ReadError
from unetscope.io._files import is_image_file, kind_by_name, stem_of
from unetscope.io.masks.coco import open_coco
from unetscope.io.masks.mask import DRAWN
from unetscope.io.masks.segmentation import is_segmentation
from unetscope.io.pairs.conventions import Key, image_keys, is_mask_name, mask_keys, mask_suffix
from unetscope.io.pairs.layout import Content, Place, find_places, look_into
from unetscope.io.pairs.references import References

__all__ = ["Match", "Matches", "Unpaired", "match_names"]

_Claims = dict[Path, list[tuple[Path, str]]]
_VOLUMES = {"nifti", "nrrd"}
_PICKLE = (
    "a NumPy file, which can hold programs (pickle) and is not opened: save the masks as PNG or TIFF "
    "(in cellpose: File, Save masks as PNG/TIFF)"
)


@dataclass(frozen=True)
class Unpaired:
    """A file that is in no pair, and why.

    Attributes
    ----------
    path : Path
    why : str
    suggestion : str
        What may have been meant, as a question; empty if nothing comes near.
    """

    path: Path
    why: str
    suggestion: str = ""

    def __str__(self) -> str:
        return f"{self.path.name}: {self.why}" + (f"; {self.suggestion}" if self.suggestion else "")


@dataclass(frozen=True)
class Match:
    """An image, its mask, and the convention that joins them, in plain words.

    Attributes
    ----------
    image : Path
        A file, or the folder of a DICOM series.
    mask : Path
        A file, or a folder with one file per object.
    reason : str
    case : str
        The patient or sequence whose folder the image lies in, if each has one.
    """

    image: Path
    mask: Path
    reason: str
    case: str = ""


@dataclass
class Matches:
    """What names tell about a folder: its images, which of them have one mask, and the other files."""

    images: list[Path] = field(default_factory=list)
    found: list[Match] = field(default_factory=list)
    unpaired: list[Unpaired] = field(default_factory=list)


def match_names(images: Path, masks: Path | None) -> Matches:
    """Look for the mask of each image of a data set, without reading pixels.

    All conventions are tried. An image for which they name different masks stays unpaired, and so do
    images that share a mask: nothing is guessed.

    Parameters
    ----------
    images : Path
        A folder of images, or of a data set in one of the layouts of `find_pairs`.
    masks : Path, optional
        The folder of masks, or a COCO file; then no other place is searched.

    Raises
    ------
    InputError
        If a folder does not exist, or several subfolders could hold the images.
    """
    result = Matches()
    places = find_places(images, masks)
    for place in places:
        _Matching(place, result).settle()
    if masks is None and any(place.images.parent == images for place in places if not place.case):
        outside = look_into(images).images
        result.unpaired += [Unpaired(path, f"lies outside {places[0].images.name}/") for path in outside]
    return result


class _Matching:
    """The images of one place, and the masks that claim them.

    Parameters
    ----------
    place : Place
    result : Matches
        What is found is added to it.
    """

    def __init__(self, place: Place, result: Matches) -> None:
        self.place = place
        self.result = result
        self.claims: _Claims = {}
        # Masks that may yet find their image in another way than by name.
        self.orphans: list[Path] = []
        self.segmentations: list[Path] = []
        content = look_into(place.images)
        self._note_others(content)
        images = self._without_segmentations(content.images) or content.series
        if not images and place.masks:
            # Nothing but segmentations, beside a folder of masks: predictions, to be compared with them.
            images, self.segmentations = self.segmentations, []
        beside = self._beside(images, content.drawn) if place.beside else {}
        claimed = {mask for claims in beside.values() for mask, _ in claims}
        self.claims = {path: beside.get(path, []) for path in images if path not in claimed}
        self.index = self._indexed(self.claims)
        for path in content.drawn:
            if place.beside and path not in claimed:
                self._add_drawn(path, by_name=False)
            elif not place.beside and path not in place.masks:
                self._leave(path, "not an image")
        for folder in place.masks:
            self._add_masks(folder)
        self._add_segmentations()
        self._add_objects_of_one()
        self._add_volume_of_series(content)

    def settle(self) -> None:
        """Keep what is unambiguous in both directions."""
        uses = Counter(mask for claims in self.claims.values() for mask, _ in claims)
        for image, claims in self.claims.items():
            suffix = mask_suffix(stem_of(image))
            if not claims and suffix and not image.is_dir():
                base = stem_of(image).removesuffix(suffix)
                self._leave(image, f"named like a mask, but no image {base} is beside it")
                continue
            self.result.images.append(image)
            # One COCO file holds the masks of all images.
            shared = [mask for mask, _ in claims if uses[mask] > 1 and mask.suffix.lower() != ".json"]
            if not claims:
                self._leave(image, "no mask has its name")
            elif len(claims) > 1:
                names = " and ".join(f"{mask.parent.name}/{mask.name}" for mask, _ in claims)
                self._leave(image, f"several masks fit: {names}")
            elif shared:
                self._leave(image, f"the mask {shared[0].name} fits other images too")
            else:
                self.result.found.append(Match(image, *claims[0], case=self.place.case))
        for mask in self.orphans:
            self._leave(mask, "no image has this name")

    def _leave(self, path: Path, why: str) -> None:
        self.result.unpaired.append(Unpaired(path, why))

    def _note_others(self, content: Content) -> None:
        for path in content.others:
            self._leave(path, _PICKLE if path.suffix.lower() in {".npy", ".npz"} else "not an image")

    def _without_segmentations(self, files: list[Path]) -> list[Path]:
        """Put DICOM segmentations aside: they say themselves which images they belong to."""
        kept: list[Path] = []
        for path in files:
            is_dicom = kind_by_name(path) == "dicom"
            (self.segmentations if is_dicom and is_segmentation(path) else kept).append(path)
        return kept

    def _indexed(self, images: Iterable[Path]) -> dict[Key, list[Path]]:
        index: dict[Key, list[Path]] = defaultdict(list)
        for image in images:
            for key in image_keys(_stem(image)):
                index[key].append(image)
        return index

    def _beside(self, images: list[Path], drawn: list[Path]) -> _Claims:
        """Masks that lie beside their image and say so by their name."""
        index = self._indexed(images)
        claims: _Claims = defaultdict(list)
        for mask in images:
            for image in index[("name", stem_of(mask))]:
                whole_name = mask.stem.lower() == image.name.lower()
                if whole_name or (_is_dicom(image) and not _is_dicom(mask)):
                    claims[image].append((mask, "same name beside the image"))
        for mask in [*images, *drawn]:
            stem, is_geojson = _stem(mask), mask.suffix.lower() == ".geojson"
            if is_geojson or is_mask_name(stem):
                keys = [key for key in mask_keys(stem) if is_geojson or key != ("name", stem)]
                suffix = mask_suffix(stem)
                how = f"name with {suffix}" if suffix else "same name" if is_geojson else "a mask's name"
                for image in next((index[key] for key in keys if index.get(key)), []):
                    claims[image].append((mask, f"{how} beside the image"))
        return claims

    def _add_masks(self, folder: Path) -> None:
        """Add the masks of a folder, or of a COCO file, to their images."""
        if folder.is_file():
            self._add_drawn(folder, by_name=True)
            return
        content = look_into(folder)
        self._note_others(content)
        for mask in self._without_segmentations(content.images):
            self._add(mask, _stem(mask), f"same name in {folder.name}/")
        for mask in content.drawn:
            self._add_drawn(mask, by_name=True)
        for objects in content.folders:
            self._add_folder(objects, f"{folder.name}/{objects.name}/")

    def _add_folder(self, folder: Path, name: str) -> None:
        """Add a folder that has the name of an image: one mask in it, or one file per object."""
        files = look_into(folder).images
        segmentations = [path for path in files if _is_dicom(path) and is_segmentation(path)]
        if len(segmentations) == len(files):
            self.segmentations += files
        elif len(files) == 1 and kind_by_name(files[0]) in {*_VOLUMES, "dicom", "zarr"}:
            self._add(files[0], folder.name.lower(), f"the only file in {name}")
        elif any(map(_is_dicom, files)):
            self._add(folder, folder.name.lower(), f"the series in {name}")
        else:
            self._add(folder, folder.name.lower(), f"one file per object in {name}")

    def _add(self, mask: Path, stem: str, reason: str) -> None:
        key = next((key for key in mask_keys(stem) if self.index.get(key)), None)
        images = self.index[key] if key else []
        if key and key[0] == "channel" and len(images) > 1:
            self._leave(mask, f"its image lies in {len(images)} files, one per channel")
            for image in images:
                if self.claims.pop(image, None) is not None:
                    self.result.images.append(image)
                    self._leave(image, f"one of {len(images)} files with the channels of {key[1]}: join them")
            return
        for image in images:
            self.claims.get(image, []).append((mask, reason))
        if not images:
            self.orphans.append(mask)

    def _add_drawn(self, path: Path, *, by_name: bool) -> None:
        """Add outlines: a COCO file to all images that it lists, others by name if that is enough."""
        if DRAWN.get(path.suffix.lower()) != "coco":
            if by_name:
                self._add(path, _stem(path), f"same name in {path.parent.name}/")
            else:
                self._leave(path, "not an image")
            return
        try:
            coco = open_coco(path)
        except ReadError as error:
            self._leave(path, str(error))
            return
        except InputError:
            self._leave(path, "not an image")
            return
        listed = [image for image in self.claims if coco.images.get(image.name.lower())]
        for image in listed:
            self.claims[image].append((path, f"listed in {path.name}"))
        if not listed:
            self._leave(path, "lists none of these images")

    def _add_segmentations(self) -> None:
        """Add DICOM segmentations to the image, or the series, that they refer to."""
        references = References(list(self.claims)) if self.segmentations else None
        for mask in self.segmentations:
            images = references.of(mask) if references else []
            if len([image for image in images if not image.is_dir()]) > 1:
                images = [self._joined_slices()]
            for image in images:
                self.claims.get(image, []).append((mask, "refers to the image"))
            if not images:
                self._leave(mask, "refers to none of these images")
            elif not any(image in self.claims for image in images):
                self._leave(mask, "refers to a part of a series that has another mask")

    def _joined_slices(self) -> Path:
        """Take the slices of the folder as the one series that a segmentation covers."""
        folder = self.place.images
        self.claims = {
            image: claims for image, claims in self.claims.items() if claims or not _is_dicom(image)
        }
        self.claims.setdefault(folder, [])
        return folder

    def _add_objects_of_one(self) -> None:
        """Data Science Bowl 2018: ``X/images/X.png`` with one mask per object in ``X/masks/``."""
        if len(self.claims) != 1 or len(self.place.masks) != 1:
            return
        (image, claims), folder = next(iter(self.claims.items())), self.place.masks[0]
        pictures = [mask for mask in self.orphans if mask.parent == folder and not _is_dicom(mask)]
        if not claims and pictures and _stem(image) == self.place.images.parent.name.lower():
            claims.append((folder, f"one file per object in {folder.name}/"))
            self.orphans = [mask for mask in self.orphans if mask not in pictures]

    def _add_volume_of_series(self, content: Content) -> None:
        """A folder with one series, as slices or in a subfolder, and one volume that can be its mask."""
        if any(self.claims.values()):
            return
        volumes = [path for path in [*self.claims, *self.orphans] if kind_by_name(path) in _VOLUMES]
        slices = [path for path in self.claims if path not in volumes]
        if len(volumes) != 1 or not all(map(_is_dicom, slices)):
            return
        series = [self.place.images] if len(slices) > 1 else [] if slices else content.series
        if len(series) == 1:
            self.claims = {series[0]: [(volumes[0], "the only volume beside the only series")]}
            self.orphans = [mask for mask in self.orphans if mask not in volumes]


def _stem(path: Path) -> str:
    """Lower the name and take all endings away; the name of a folder has none."""
    if path.suffix.lower() in DRAWN:
        return stem_of(Path(path.stem))
    return stem_of(path) if is_image_file(path) else path.name.lower()


def _is_dicom(path: Path) -> bool:
    return kind_by_name(path) == "dicom"
