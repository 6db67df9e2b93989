"""Make the pictures of tutorial.md, by a real viewer that is led through its steps.

nox -s screenshots                                        # or, on a screen of at least 1366 × 768:
python docs/make_screenshots.py

Trains for as long as the tutorial says, so it takes about twelve minutes; writes docs/pictures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Picture

if TYPE_CHECKING:
    import napari
    from numpy.typing import NDArray

PICTURES = Path(__file__).with_name("pictures")
SIZE = (1366, 768)
# Seconds after which a step that has not happened never will.
PATIENCE = 600
# Of training, in each chapter: what the tutorial says.
MINUTES = {"heart": 3.0, "strokes": 2.0, "recipes": 1.0}
WIDGETS = ("1 Dataset", "2 Normalize", "3 Train", "4 Predict", "5 Metrics")
BACKGROUND, CELL = 1, 2


def main() -> None:
    """Take all pictures, or those of a chapter."""
    fields = [f"sample_data/cells/images/field_0{number}.png" for number in (1, 2, 3, 4)]
    chapters = {
        "heart": (heart, ["sample_data/heart/test"]),
        "recipes": (recipes, []),
        "strokes": (strokes, fields),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=chapters, help="one of the chapters")
    arguments = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    for name, (chapter, paths) in chapters.items():
        if arguments.only in (None, name):
            with tour(*paths) as steps:
                chapter(steps)


def heart(steps: Steps) -> None:
    """First segmentation in ten minutes."""
    viewer, (dataset, normalize, _, _, metrics) = steps.viewer, steps.widgets
    steps.wait(lambda: dataset.session.dataset is not None)
    steps.picture("1-start")

    dataset.open(Path("sample_data/heart/training"))
    steps.wait_for(dataset.job)
    dataset.pairs.table.select([3])
    dataset.open_pair(3)
    steps.wait_for(dataset.job)
    dataset.check()
    steps.wait_for(dataset.job)
    steps.picture("2-dataset")

    steps.front("2 Normalize")
    steps.wait(lambda: normalize.plot.isVisible() and "(preview)" in str(viewer.layers))
    steps.picture("3-normalize")

    steps.front("3 Train")
    steps.train(MINUTES["heart"], picture="4-training")

    steps.front("4 Predict")
    steps.segment("SAMPLE-B")
    steps.picture("5-predict")

    steps.front("5 Metrics")
    steps.look(metrics.table.choose_worst)
    steps.picture("6-metrics")
    metrics.tabs.setCurrentWidget(metrics.tabs.widget(2))
    steps.light("8-bars")
    metrics.tabs.setCurrentIndex(0)

    metrics.source.setCurrentText("Layers in the viewer")
    metrics.layers_page.predicted.setCurrentText("SAMPLE-B prediction")
    metrics.layers_page.truth.setCurrentText("SAMPLE-B labels")
    metrics.layers_page.measure_button.click()
    steps.wait(lambda: metrics.scores.name == "layers")
    # The colors of right and wrong lie over those of the prediction.
    viewer.layers["SAMPLE-B prediction"].visible = False
    steps.look(lambda: metrics.table.choose(0))
    steps.picture("7-unseen")


def recipes(steps: Steps) -> None:
    """Say whether another recipe is better."""
    from unetscope._napari.experiments.choices import CUSTOM

    dataset = steps.widgets[0]
    dataset.open(Path("sample_data/cells"))
    steps.wait_for(dataset.job)
    _, compare = steps.viewer.window.add_plugin_dock_widget("unetscope", "Experiments", tabify=True)
    compare.setup.choose(CUSTOM)
    compare.setup.tick(["auto", "hela-border"])
    compare.setup.seeds.setValue(2)
    compare.setup.minutes.setValue(MINUTES["recipes"])
    compare.start()
    steps.wait(lambda: not compare.busy)
    print(compare.status.text())
    steps.wait(lambda: compare.results.outcome is not None)
    compare.results.tabs.setCurrentWidget(compare.results.answers)
    steps.picture("11-experiments")


def strokes(steps: Steps) -> None:
    """A few strokes are enough."""
    viewer, dataset = steps.viewer, steps.widgets[0]
    for layer in viewer.layers[1:]:
        layer.visible = False
    dataset.use_layers()
    steps.wait_for(dataset.job)
    dataset.masks.strokes.click()
    for number in (1, 2, 3):
        name = f"field_0{number}"
        rows = range(dataset.model.rowCount())
        dataset.pairs.table.select([i for i in rows if dataset.model.row(i).name == name])
        dataset.annotate()
        draw(viewer.layers[f"{name} labels"], cells_of(number))
        steps.wait(lambda number=number: len(dataset.model.dataset.chosen) == number)
    dataset.check()
    steps.wait_for(dataset.job)
    steps.picture("9-strokes")

    steps.front("3 Train")
    # Runs of layers go to the documents of whoever runs this, unless told otherwise.
    steps.widgets[2].run_folder.path.setText("unetscope-runs/cells-1")
    steps.train(MINUTES["strokes"])

    steps.front("4 Predict")
    steps.segment("field_04")
    steps.picture("10-strokes-predict")


def draw(labels: Any, cells: NDArray[Any]) -> None:
    """Paint a stroke along the middle of some cells, and some between cells, as a person would."""
    from scipy.ndimage import distance_transform_edt

    for value, where in ((CELL, cells > 0), (BACKGROUND, cells == 0)):
        labels.selected_label = value
        # A person stays away from the border, too.
        depth = distance_transform_edt(np.pad(where, 1))[1:-1, 1:-1]
        for row in range(12, cells.shape[0] - 12, 36):
            start = int(np.argmax(depth[row]))
            for column in range(start - 14, start + 15):
                if 0 <= column < cells.shape[1] and depth[row, column] > 3:
                    labels.paint((row, column), value)


def cells_of(number: int) -> NDArray[Any]:
    """The true cells of a picture."""
    from unetscope.io import read_mask

    return read_mask(Path(f"sample_data/cells/masks/field_0{number}.tif")).data


class Steps:
    """Does in the widgets what the tutorial says, and takes pictures.

    Parameters
    ----------
    viewer : napari.Viewer
        As `unetscope.viewer.open_viewer` has opened it.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        from qtpy.QtCore import QTimer

        self.viewer = viewer
        docked = {name.removesuffix(" (unetscope)"): w for name, w in viewer.window.dock_widgets.items()}
        self.widgets = tuple(docked[name] for name in WIDGETS)
        # Ends the waiting for events, of which there may be none.
        self._pulse = QTimer(interval=50)
        self._pulse.start()

    def wait(self, condition: Callable[[], object]) -> None:
        """Let the viewer work until something is so."""
        from qtpy.QtCore import QDeadlineTimer, QEventLoop
        from qtpy.QtWidgets import QApplication

        deadline = QDeadlineTimer(1000 * PATIENCE)
        while not condition():
            if deadline.hasExpired():
                said = [widget.status.text() for widget in self.widgets]
                raise TimeoutError(f"waited in vain; the widgets say {said}")
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)

    def wait_for(self, job: Any) -> None:
        """Let the viewer work until a job has ended."""
        self.wait(lambda: not job.running)

    def front(self, name: str) -> None:
        """Bring a tab to the front."""
        from qtpy.QtWidgets import QDockWidget

        part = self.widgets[WIDGETS.index(name)]
        while not isinstance(part, QDockWidget):
            part = part.parentWidget()
        part.raise_()

    def train(self, minutes: float, *, picture: str = "") -> None:
        """Train, and take a picture when most of the time is over."""
        train = self.widgets[2]
        train.session.change({"training.minutes": minutes})
        epochs: list[Any] = []
        ended: list[str] = []
        train.process.recorded.connect(epochs.extend)
        train.process.ended.connect(ended.append)
        train.start()
        self.wait(lambda: ended or (epochs and epochs[-1]["seconds"] > 0.7 * 60 * minutes))
        if picture:
            self.picture(picture)
        self.wait(lambda: ended)
        print(f"{len(epochs)} epochs: {train.status.text()}")

    def segment(self, name: str) -> None:
        """Show only a layer, and segment it."""
        for layer in self.viewer.layers:
            layer.visible = layer.name == name
        self.viewer.layers.selection = {self.viewer.layers[name]}
        self.widgets[3].segment()
        self.wait_for(self.widgets[3].job)

    def look(self, choose: Callable[[], object]) -> None:
        """Choose a row of the table of scores, and wait for its image."""
        metrics = self.widgets[4]
        metrics.say("")
        choose()
        self.wait(lambda: metrics.status.text().startswith("Shown"))

    def picture(self, name: str) -> None:
        """Write what the window shows."""
        from qtpy.QtCore import QEventLoop, QTimer
        from qtpy.QtWidgets import QApplication

        # Changes that come together are gathered, for up to 0.2 s, before they are drawn.
        gathered = QEventLoop()
        QTimer.singleShot(700, gathered.quit)
        gathered.exec()
        # Without a window manager no window is active, and notifications wait for that to fade.
        for widget in QApplication.allWidgets():
            if type(widget).__name__ == "NapariQtNotification":
                widget.close()
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)
        path = PICTURES / f"{name}.png"
        # All colors, for those of the legends count.
        Picture.fromarray(pixels[..., :3]).save(path, optimize=True)
        print(f"{path.name}: {pixels.shape[1]} × {pixels.shape[0]}, {path.stat().st_size // 1000} kB")

    def light(self, name: str) -> None:
        """A picture in the light theme."""
        theme, self.viewer.theme = self.viewer.theme, "light"
        self.picture(name)
        self.viewer.theme = theme


@contextmanager
def tour(*paths: str) -> Iterator[Steps]:
    """A viewer with all widgets and settings of its own, in a folder where the sample data are."""
    from unetscope._napari.settings import settings_file
    from unetscope.samples import SAMPLES, sample_folder
    from unetscope.viewer import open_viewer

    with tempfile.TemporaryDirectory() as place, chdir(place):
        for name in SAMPLES:
            shutil.copytree(sample_folder(name), Path("sample_data", name))
        # A new user comes each time.
        settings_file().unlink(missing_ok=True)
        viewer = open_viewer([Path(path) for path in paths])
        viewer.window.resize(*SIZE)
        viewer.reset_view()
        try:
            yield Steps(viewer)
        finally:
            viewer.close()


if __name__ == "__main__":
    # Before napari is imported, which reads it once.
    with tempfile.TemporaryDirectory() as settings:
        os.environ["NAPARI_CONFIG"] = str(Path(settings, "settings.yaml"))
        main()
