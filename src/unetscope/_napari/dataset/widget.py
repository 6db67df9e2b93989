"""1 Dataset: images with masks, from files or layers; what each is for; and a check before training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton

from unetscope._napari.dataset.dataset import COMPLETE, STROKES, Dataset
from unetscope._napari.dataset.entries import Alone, Entry
from unetscope._napari.dataset.layers import PairLayers
from unetscope._napari.dataset.masks import MasksPart
from unetscope._napari.dataset.pairs import PairsPart, sentences
from unetscope._napari.dataset.source import FOLDER, LAYERS, SourcePart
from unetscope._napari.dataset.suggest import labels_layers, match_layers
from unetscope._napari.jobs.bar import JobBar
from unetscope._napari.jobs.worker import Job, start
from unetscope._napari.parts.panel import Panel
from unetscope._napari.settings import recall, remember
from unetscope.api import Check
from unetscope.errors import UNetScopeError
from unetscope.io import Image, find_pairs, read
from unetscope.recipe import Recipe

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

__all__ = ["DatasetWidget"]

_SETTINGS = "dataset"
# Layers are often added, renamed and painted in quick succession.
_MS_AFTER_LAYERS, _MS_AFTER_PAINT = 200, 800
_CHECK = (
    "<p>Do all that training does before its first step, and say in words what is wrong. It also plans the "
    "recipe, which 3 Train shows.</p>"
)
_SAVE = (
    "<p>Save the pairs with their groups and parts as a CSV table, which opens here and on the command line. "
    "Layers are copied beside it.</p>"
)
_PAINT = {
    False: "Paint the objects in {name!r}. What stays 0 is background.",
    True: "Paint strokes in {name!r}: label 1 on background, 2 on objects. What stays 0 does not count.",
}
_LAYERS_THERE = "No pairs yet. The viewer holds labels: choose “Layers of this viewer” above to use them."
_KEYS = " The keys = and - change the label."


class DatasetWidget(Panel):
    """Chooses and checks the images and masks to train on.

    Parameters
    ----------
    viewer : napari.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.job: Job | None = None
        self._looking = False
        self.source, self.pairs, self.masks = SourcePart(), PairsPart(), MasksPart()
        self.model = self.pairs.model
        self.progress = JobBar()
        self.findings = sentences()
        self.check_button, self.save_button = QPushButton("C&heck"), QPushButton("Save &table…")
        self._layers = PairLayers(viewer)
        self._wanted: dict[Layer, Layer | None] = {}
        self._layers_seen: list[Any] = []
        self._whole = Dataset()
        self._timer = QTimer(self, singleShot=True)
        self._lay_out()
        self._connect()
        self._restore()

    def open(self, path: Path, masks: Path | None = None) -> None:
        """Find the pairs of a folder or table.

        Parameters
        ----------
        path : Path
            See `unetscope.find_pairs`.
        masks : Path, optional
            A folder of masks.
        """
        self.say("")
        self.source.show_path(path, masks)
        remember(_SETTINGS, {"from": FOLDER, "path": str(path), "masks": str(masks or "")})

        def find(job: Job) -> Dataset:
            return Dataset.of_pairing(
                find_pairs(path, masks, progress=lambda done, total: job.step(done, total, "reading"))
            )

        self._start(find, f"Looking for images with masks in {path.name}", self._begin)

    def use_layers(self) -> None:
        """Take the layers of the viewer as pairs, as far as it is clear which belong together."""
        self.source.show_kind(LAYERS)
        remember(_SETTINGS, {"from": LAYERS})
        pairs, alone = match_layers(self.viewer.layers, self._wanted)
        self._layers_seen = self._layers_now()
        entries = (Entry(image.name, image, labels, "", reason=reason) for image, labels, reason in pairs)
        without = (
            Alone(image.name, image, "choose its labels in the column Mask, or paint them") for image in alone
        )
        self._look_at(Dataset(tuple(entries), tuple(without)))

    def check(self) -> None:
        """Say what training would refuse, and plan what ``auto`` would do."""
        self.say("")
        dataset, session = self.model.dataset, self.session
        recipe = None if session.basis == "auto" else session.recipe
        settings = session.changes if session.basis == "auto" else {}

        def look(job: Job) -> tuple[Dataset, Check]:
            fresh = dataset.looked_at(progress=job.step)
            return fresh, fresh.check(recipe, settings, progress=job.step)

        def tell(found: tuple[Dataset, Check]) -> None:
            if self.model.dataset is dataset:
                if dataset.labels:
                    self._publish(found[0])
                self._tell(found[1])

        self._start(look, "Checking the images and masks", tell)

    def save(self, path: Path) -> None:
        """Write the table, and copies of layers beside it; whatever has these names is replaced."""
        dataset = self.model.dataset

        def tell(table: Path) -> None:
            self.say(
                f"Saved {len(dataset.chosen)} pairs in {table.name}; pairs that are not used are not in it."
            )

        self._start(
            lambda job: dataset.write(path.parent, name=path.name, overwrite=True, progress=job.step),
            f"Saving {path.name}",
            tell,
        )

    def open_pair(self, place: int) -> None:
        """Show a row of the table in the viewer."""
        row, dataset = self.model.row(place), self.model.dataset
        files = [row.image, row.mask] if isinstance(row, Entry) else [row.source]
        image = files[0]
        layers = [part for part in files if not isinstance(part, Path)]
        if layers or not isinstance(image, Path):
            at = row.at if isinstance(row, Entry) else None
            self._layers.choose(*layers, among=dataset.layers, at=at)
            return

        def load(_: Job) -> tuple[Image, Image | None]:
            if isinstance(row, Entry) and not row.problems:
                return dataset.read(row)
            return read(image), None

        self._start(load, f"Opening {row.name}", lambda pair: self._layers.show(row.name, *pair))

    def annotate(self) -> None:
        """Add a Labels layer for the image that is selected in the table."""
        place = self.pairs.table.current
        if place is None:
            self.say("Select an image in the table first.")
            return
        row = self.model.row(place)
        image = row.image if isinstance(row, Entry) else row.source
        if not isinstance(image, Path):
            labels = self._new_labels(image)
            self._wanted[image] = labels
            self.use_layers()
        elif isinstance(row, Entry):
            self.say(f"{row.name} has a mask already; double-click it to look at it.")
        else:
            self._start(
                lambda _: read(image), f"Opening {row.name}", lambda found: self._paint_file(row, found)
            )

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:  # noqa: N802 - Qt's name
        """Take folders and tables."""
        if event is not None and _dropped(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:  # noqa: N802 - Qt's name
        """Open what was dropped."""
        if event is not None and (path := _dropped(event)) is not None:
            event.acceptProposedAction()
            self.open(path)

    def _begin(self, dataset: Dataset) -> None:
        """Show what was found in files, whole."""
        self.pairs.frames.setChecked(False)
        self._publish(dataset)

    def _publish(self, dataset: Dataset) -> None:
        """Show a dataset, and let the other widgets know it."""
        self.pairs.show_dataset(dataset, labels_layers(self.viewer.layers) if self.source.uses_layers else ())
        self._watch_painting(dataset)
        self._share(dataset)

    def _share(self, dataset: Dataset) -> None:
        """Let the other widgets know a dataset that is shown already."""
        self.findings.hide()
        wanted = dataset if dataset.chosen else None
        if wanted is not None or self.session.dataset is not None:
            self.session.dataset = wanted
        self._describe(self.session.recipe)

    def _look_at(self, dataset: Dataset) -> None:
        """Show a dataset after a look at the labels that are layers."""

        def look(job: Job) -> Dataset:
            fresh = dataset.looked_at(progress=job.step)
            return fresh.frame_by_frame(progress=job.step) if split else fresh

        def tell(fresh: Dataset) -> None:
            # What was edited meanwhile counts.
            self._publish(fresh.edited_like(self.model.dataset))

        split = self.pairs.frames.isChecked()
        # This look stands for one that is under way.
        self._looking = False
        self._start(look, "Looking at the labels", tell)
        self._looking = True

    def _split(self, split: bool) -> None:  # noqa: FBT001 - a Qt slot
        """Make every slice a pair, or go back."""
        if split:
            self._whole = self.model.dataset
            self._look_at(self._whole)
        elif self.source.uses_layers:
            self.use_layers()
        else:
            self._publish(self._whole)

    def _describe(self, recipe: Recipe) -> None:
        """Say how many pairs there are, and show what each is for."""
        self.masks.show_mode(sparse=recipe.target.sparse, like_strokes=self.model.dataset.like_strokes)
        self.pairs.describe(recipe)
        if self._could_use_layers:
            self.pairs.counts.setText(_LAYERS_THERE)

    @property
    def _could_use_layers(self) -> bool:
        """Whether there is nothing here yet but in the viewer."""
        dataset = self.model.dataset
        nothing = not (dataset.entries or dataset.alone or self.source.uses_layers)
        return nothing and bool(labels_layers(self.viewer.layers))

    def _tell(self, found: Check) -> None:
        """Show what a check has found, and plan."""
        lines = [f"✗ {problem}" for problem in found.problems] + [f"! {advice}" for advice in found.advice]
        if not found.problems:
            counts = f"{found.training} images train, {found.validation} validate, {found.test} test."
            lines.insert(0, f"✓ Ready: {counts}")
        self.findings.setText("\n".join(lines))
        try:
            self.session.plan = found.plan
        except UNetScopeError as error:
            self.say(str(error))
        self.findings.show()

    def _choose_mode(self, sparse: bool) -> None:  # noqa: FBT001 - a Qt slot
        try:
            self.session.change(STROKES if sparse else COMPLETE)
        except UNetScopeError as error:
            self.say(str(error))
        self._share(self.model.dataset)
        remember(_SETTINGS, {"strokes": self.session.recipe.target.sparse})

    def _new_labels(self, image: Layer) -> Layer:
        labels = self._layers.annotate(image, among=self.model.dataset.layers)
        self.say(_PAINT[self.session.recipe.target.sparse].format(name=labels.name) + _KEYS)
        return labels

    def _paint_file(self, alone: Alone, image: Image) -> None:
        """Show an image that has no mask, with labels to paint."""
        if alone not in self.model.dataset.alone:
            return
        self._layers.show(alone.name, image, None)
        (layer,) = self._layers.keep()
        dataset = self.model.dataset.painted(alone, self._new_labels(layer))
        self._look_at(dataset)

    def _watch_painting(self, dataset: Dataset) -> None:
        """Look again when something is painted where nothing was."""
        for entry in dataset.entries:
            if not isinstance(entry.mask, Path) and not all(entry.painted or [False]):
                entry.mask.events.paint.connect(self._painted)

    def _layers_now(self) -> list[Any]:
        """What of the viewer's layers is shown, to see whether anything is new."""
        pairs, alone = match_layers(self.viewer.layers, self._wanted)
        offered = labels_layers(self.viewer.layers)
        names = [layer.name for layer in (*(image for image, *_ in pairs), *alone, *offered)]
        return [pairs, alone, offered, names]

    def _painted(self, _: Any = None) -> None:
        self._layers_seen = []
        self._timer.start(_MS_AFTER_PAINT)

    def _layers_changed(self, _: Any = None) -> None:
        self._timer.start(_MS_AFTER_LAYERS)

    def _follow_layers(self) -> None:
        if self.job is not None and self.job.running:
            # It was asked for, and is not to be cancelled for a look.
            self._layers_changed()
            return
        if self.source.uses_layers:
            # Layers that come and go by themselves are no reason to forget the plan.
            if self._layers_now() != self._layers_seen:
                self.use_layers()
            return
        dataset = self.model.dataset
        if dataset.labels:
            for labels in {*dataset.labels} - {*self.viewer.layers}:
                dataset = dataset.without(labels)
            self._look_at(dataset)
            return
        self._describe(self.session.recipe)

    def _follow_session(self, dataset: Dataset | None) -> None:
        """Show a dataset that another widget has chosen."""
        if dataset is not None and dataset is not self.model.dataset:
            self.source.show_kind(FOLDER)
            self.pairs.frames.setChecked(False)
            self.pairs.show_dataset(dataset)
            self._describe(self.session.recipe)

    def _choose_mask(self, image: Layer, labels: Layer | None) -> None:
        self._wanted[image] = labels
        self.use_layers()

    def _ask_and_save(self) -> None:
        before = self.source.path.text()
        place = str(Path(before).parent / "pairs.csv") if before else "pairs.csv"
        name, _ = QFileDialog.getSaveFileName(self, "Save the table of pairs", place, "Tables (*.csv)")
        if name:
            self.save(Path(name).with_suffix(".csv"))

    def _start(self, function: Callable[[Job], Any], title: str, on_done: Callable[[Any], None]) -> None:
        """Do one thing at a time: what was begun before is not wanted any more."""
        if self.job is not None and self.job.running:
            self.job.cancel()
            if self._looking:
                self._layers_changed()
        self._looking = False
        self.job = start(
            function, title=title, on_done=on_done, on_failed=self.say, bar=self.progress, owner=self
        )

    def _lay_out(self) -> None:
        self.check_button.setToolTip(_CHECK)
        self.save_button.setToolTip(_SAVE)
        buttons = QHBoxLayout()
        buttons.addWidget(self.check_button)
        buttons.addWidget(self.save_button)
        self.body.addWidget(self.source)
        self.body.addWidget(self.pairs, 1)
        self.body.addWidget(self.masks)
        self.body.addLayout(buttons)
        self.body.addWidget(self.progress)
        self.body.addWidget(self.findings)
        self.findings.hide()

    def _connect(self) -> None:
        self.setAcceptDrops(True)
        self.source.path_chosen.connect(self.open)
        self.source.layers_chosen.connect(self.use_layers)
        self.masks.sparse_chosen.connect(self._choose_mode)
        self.masks.annotation_wanted.connect(self.annotate)
        self.model.edited.connect(self._share)
        self.model.mask_chosen.connect(self._choose_mask)
        self.pairs.table.opened.connect(self.open_pair)
        self.pairs.frames.clicked.connect(self._split)
        self.check_button.clicked.connect(self.check)
        self.save_button.clicked.connect(self._ask_and_save)
        self._timer.timeout.connect(self._follow_layers)
        self.session.dataset_changed.connect(self._follow_session)
        self.session.recipe_changed.connect(self._describe)
        self._events = [
            getattr(self.viewer.layers.events, name) for name in ("inserted", "removed", "renamed")
        ]
        for event in self._events:
            event.connect(self._layers_changed)
        self.closed.connect(self._let_go)

    def _let_go(self) -> None:
        """Listen to the viewer no longer."""
        self._timer.stop()
        for event in self._events:
            event.disconnect(self._layers_changed)
        self._events = []
        self.session.dataset_changed.disconnect(self._follow_session)
        self.session.recipe_changed.disconnect(self._describe)

    def _restore(self) -> None:
        """Put in what was chosen last; nothing is read before the user asks for it."""
        last = recall(_SETTINGS)
        if self.session.dataset is not None:
            self._follow_session(self.session.dataset)
            return
        if last.get("path"):
            self.source.show_path(Path(last["path"]), Path(last["masks"]) if last.get("masks") else None)
        if last.get("strokes") and not self.session.changes:
            self.session.change(STROKES)
        self._describe(self.session.recipe)
        if last.get("from") == LAYERS:
            self.source.show_kind(LAYERS)
            self._layers_changed()


def _dropped(event: QDropEvent) -> Path | None:
    """The folder or file that is dropped; None for anything else."""
    data = event.mimeData()
    urls = data.urls() if data is not None else []
    return Path(urls[0].toLocalFile()) if urls and urls[0].isLocalFile() else None
