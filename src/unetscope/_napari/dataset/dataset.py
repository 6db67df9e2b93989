"""The images and masks to train on, as files or as layers, and what each is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unetscope import api
from unetscope._napari.dataset.entries import (
    AUTOMATIC,
    Alone,
    Entry,
    Part,
    Progress,
    files_of,
    frames_of,
    looked_at,
    read_entry,
)
from unetscope._napari.jobs.warm import import_torch
from unetscope._words import count
from unetscope.api import Check
from unetscope.errors import InputError
from unetscope.io import Image, Pair, Pairing, output_folder
from unetscope.recipe import Recipe
from unetscope.training.folder import TABLE
from unetscope.training.split import divide

if TYPE_CHECKING:
    from napari.layers import Layer

    from unetscope.training.dataset import Example

__all__ = ["COMPLETE", "STROKES", "Alone", "Dataset", "Entry"]

STROKES: Mapping[str, Any] = {"target.ignore": 0, "target.background": 1}
"""Settings for masks in which only strokes are painted: 0 is not labeled, 1 is background."""
COMPLETE: Mapping[str, Any] = {"target.ignore": None, "target.background": 0}
"""Settings for masks in which 0 is background."""


def _silent(done: int, total: int, text: str) -> None:
    pass


@dataclass(frozen=True, eq=False)
class Dataset:
    """All pairs of image and mask that a user has, and what each is for.

    Attributes
    ----------
    entries : tuple of Entry
    alone : tuple of Alone
        What is in no pair.
    pairing : Pairing
        How colors and names in files become labels.
    """

    entries: tuple[Entry, ...] = ()
    alone: tuple[Alone, ...] = ()
    pairing: Pairing = field(default_factory=lambda: Pairing(()))

    @classmethod
    def of_pairing(cls, pairing: Pairing) -> Dataset:
        """The data set that `find_pairs` found in a folder or a table."""
        names = Counter(pair.image.name for pair in pairing.pairs)

        def entry_of(pair: Pair) -> Entry:
            name = pair.image.name
            return Entry(
                name if names[name] == 1 else f"{pair.image.parent.name}/{name}",
                pair.image,
                pair.mask,
                pair.group,
                split=pair.split or AUTOMATIC,
                reason=pair.reason,
                problems=pair.problems,
                notes=pair.notes,
                frames=pair.grid[0] if len(pair.grid) == 3 else 1,
            )

        alone = tuple(
            Alone(file.path.name, file.path, "; ".join(filter(None, (file.why, file.suggestion))))
            for file in pairing.unpaired
        )
        return cls(tuple(map(entry_of, pairing.pairs)), alone, pairing=pairing)

    @classmethod
    def of_layers(cls, pairs: Sequence[tuple[Layer, Layer, str]], *, progress: Progress = _silent) -> Dataset:
        """The data set of Image layers with their Labels layers, after a look at all labels.

        Parameters
        ----------
        pairs : sequence of (image, labels, reason)
        progress : callable
        """
        entries = (Entry(image.name, image, labels, "", reason=reason) for image, labels, reason in pairs)
        return cls(tuple(entries)).looked_at(progress=progress)

    def looked_at(self, *, progress: Progress = _silent) -> Dataset:
        """The same after another look at all labels that are layers, which people paint on."""
        entries = []
        for done, entry in enumerate(self.entries):
            progress(done, len(self.entries), entry.name)
            entries.append(entry if isinstance(entry.mask, Path) else looked_at(entry, self.pairing))
        return replace(self, entries=tuple(entries))

    def edited_like(self, other: Dataset) -> Dataset:
        """The same with what the user has said of the same pairs in another."""
        known = {(entry.image, entry.mask, entry.at): entry for entry in other.entries}

        def edited(entry: Entry) -> Entry:
            same = known.get((entry.image, entry.mask, entry.at), entry)
            use = same.use if same.painted == entry.painted else entry.use
            return replace(entry, group=same.group or entry.group, split=same.split, use=use)

        return replace(self, entries=tuple(map(edited, self.entries)))

    @property
    def chosen(self) -> tuple[Entry, ...]:
        """The entries that are wanted and can be used."""
        return tuple(entry for entry in self.entries if entry.chosen)

    @property
    def labels(self) -> tuple[Layer, ...]:
        """The masks that are layers, each once."""
        return tuple(dict.fromkeys(entry.mask for entry in self.entries if not isinstance(entry.mask, Path)))

    @property
    def layers(self) -> frozenset[Layer]:
        """All images and masks that are layers."""
        parts = [part for entry in self.entries for part in (entry.image, entry.mask)]
        return frozenset(p for p in (*parts, *(a.source for a in self.alone)) if not isinstance(p, Path))

    @property
    def like_strokes(self) -> bool:
        """Whether all masks that people paint in the viewer look like strokes."""
        looks = [entry.like_strokes for entry in self.chosen if not isinstance(entry.mask, Path)]
        return bool(looks) and all(looks)

    def with_entry(self, position: int, **changes: Any) -> Dataset:
        """The same with another `use`, `group` or `split` of one entry."""
        entries = list(self.entries)
        entries[position] = replace(entries[position], **changes)
        return replace(self, entries=tuple(entries))

    def painted(self, alone: Alone, labels: Layer) -> Dataset:
        """The same with labels that are painted in the viewer, for an image that had none."""
        entry = Entry(alone.name, alone.source, labels, "", reason="painted in the viewer")
        left = tuple(other for other in self.alone if other is not alone)
        return replace(self, entries=(*self.entries, entry), alone=left)

    def without(self, labels: Layer) -> Dataset:
        """The same without a layer that the user has removed: its image has no mask again."""
        gone = [entry for entry in self.entries if entry.mask == labels]
        why = f"its labels {labels.name!r} were removed from the viewer"
        alone = tuple(Alone(entry.name, entry.image, why) for entry in gone if entry.at is None)
        kept = tuple(entry for entry in self.entries if entry.mask != labels)
        return replace(self, entries=kept, alone=(*alone, *self.alone))

    def describe(self, recipe: Recipe | None = None) -> str:
        """How many pairs there are, of how many groups, and what they would be for.

        Parameters
        ----------
        recipe : Recipe, optional
            Decides what is automatic.
        """
        chosen = self.chosen
        groups = len({entry.group for entry in chosen})
        words = f"{count(len(chosen), 'pair')} in {count(groups, 'group')}"
        if off := len(self.entries) - len(chosen):
            words += f" ({off} more not used)"
        if groups < 2 and all(entry.split == AUTOMATIC for entry in chosen):
            return words + (", so nothing can validate." if chosen else ".")
        try:
            parts = Counter(self.parts(recipe or Recipe()))
        except InputError as error:
            return f"{words}; {error.found}."
        return f"{words}: {parts['training']} train, {parts['validation']} validate, {parts['test']} test."

    def parts(self, recipe: Recipe) -> tuple[Part, ...]:
        """What each entry would be for; ``"automatic"`` for those that are not chosen.

        Raises
        ------
        InputError
            If they cannot be divided as the recipe and the user want.
        """
        places = [place for place, entry in enumerate(self.entries) if entry.chosen]
        groups = [self.entries[place].group for place in places]
        roles = [self.entries[place].role for place in places]
        division = divide(groups, recipe.split, seed=recipe.seed, roles=roles)
        sides: dict[Part, tuple[int, ...]] = {
            "training": division.training,
            "validation": division.validation,
            "test": division.test,
        }
        part_at = {places[i]: part for part, positions in sides.items() for i in positions}
        return tuple(part_at.get(place, AUTOMATIC) for place in range(len(self.entries)))

    def frame_by_frame(self, *, progress: Progress = _silent) -> Dataset:
        """Each slice or time point of a stack as an entry of its own.

        Those on which nothing is painted are there too, but not used. If there is only one group, each
        becomes a group of its own, so that some can validate.
        """
        entries: list[Entry] = []
        for done, entry in enumerate(self.entries):
            progress(done, len(self.entries), entry.name)
            entries += [entry] if entry.problems or entry.at is not None else frames_of(entry, self.pairing)
        if len({entry.group for entry in self.chosen}) < 2:
            entries = [entry if entry.at is None else replace(entry, group=entry.name) for entry in entries]
        return replace(self, entries=tuple(entries))

    def read(self, entry: Entry, *, objects: bool = False) -> tuple[Image, Image]:
        """Read an image and its mask; see `read_entry`."""
        return read_entry(entry, self.pairing, objects=objects)

    def examples(self, *, objects: bool = False, progress: Progress = _silent) -> list[Example]:
        """Read everything that is chosen; see `read`."""
        import_torch()
        from unetscope.training.dataset import Example

        examples = []
        for done, entry in enumerate(self.chosen):
            progress(done, len(self.chosen), f"reading {entry.name}")
            image, mask = self.read(entry, objects=objects)
            examples.append(Example(entry.name, entry.group, image, mask, entry.role))
        return examples

    def check(
        self,
        recipe: Recipe | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        progress: Progress = _silent,
    ) -> Check:
        """Say in words what training would refuse, and what is worth a look.

        Parameters
        ----------
        recipe : Recipe, optional
            The plan for this data set unless given.
        settings : mapping of str to value, optional
            Changes to the recipe, by dotted name.
        progress : callable

        Returns
        -------
        Check
        """
        settings = settings or {}
        if not self.chosen:
            return Check((self._nothing(),))
        objects = settings.get("target.kind", recipe.target.kind if recipe else "") == "instances"
        try:
            examples = self.examples(objects=objects, progress=progress)
        except InputError as error:
            return Check((str(error),))
        total = len(examples)
        found = api.check_examples(
            examples, recipe, settings, progress=lambda text: progress(total, total, text)
        )
        group = settings.get("split.group", recipe.split.group if recipe else "auto")
        if group != "auto":
            regrouped = f"The recipe groups images by {group} and not by this table: set split.group to auto."
            found = replace(found, advice=(*found.advice, regrouped))
        return found

    def problems(self, recipe: Recipe) -> tuple[str, ...]:
        """Why training with this recipe would be refused; empty if it would begin."""
        return self.check(recipe).problems

    def write(
        self,
        folder: Path,
        *,
        name: str = TABLE,
        overwrite: bool = False,
        progress: Progress = _silent,
    ) -> Path:
        """Write a table, which `unetscope train` takes, and copies of what lies in no file of its own.

        Parameters
        ----------
        folder : Path
            Layers, slices and time points are copied to folders in it, as OME-TIFF: ``pairs_images`` and
            ``pairs_masks`` for ``pairs.csv``.
        name : str
            Of the table.
        overwrite : bool
            Whether earlier copies and tables may be replaced.
        progress : callable

        Returns
        -------
        Path
            The table.

        Raises
        ------
        InputError
            If nothing is chosen, or a layer cannot be read.
        OutputError
            If the folder cannot be written.
        """
        if not self.chosen:
            raise InputError(self._nothing())
        output_folder(folder, overwrite=True)
        pairs, taken = [], set[str]()
        copies = folder / Path(name).stem
        for done, entry in enumerate(self.chosen):
            progress(done, len(self.chosen), f"writing {entry.name}")
            image, mask = files_of(entry, self.pairing, copies, taken, overwrite=overwrite)
            pairs.append(Pair(image, mask, entry.group, entry.reason, split=entry.role))
        table = replace(self.pairing, pairs=tuple(pairs), unpaired=())
        return table.to_csv(folder / name, overwrite=overwrite)

    def _nothing(self) -> str:
        if not self.entries:
            why = f" ({self.alone[0].name}: {self.alone[0].why})" if self.alone else ""
            return f"There is no image with a mask{why}."
        broken = [entry for entry in self.entries if entry.problems]
        if broken:
            return f"No pair can be used; the first is {broken[0].name}: {broken[0].problems[0]}"
        return "No pair is chosen: tick at least one."
