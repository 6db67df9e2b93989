"""The whole viewer, as ``unetscope gui`` opens it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from unetscope._napari import app
from unetscope._napari.commands import offer
from unetscope._napari.layers.layer import is_ours
from unetscope._napari.session import Session
from unetscope.samples import sample_folder


@pytest.fixture
def open_viewer(viewer: Any, plugin: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(app.napari, "Viewer", lambda: viewer)
    return app.open_viewer


def test_all_widgets_are_docked_as_tabs_and_the_sample_is_open(open_viewer: Any, qtbot: Any) -> None:
    viewer = open_viewer(sample="heart")
    docked = [name.removesuffix(" (unetscope)") for name in viewer.window.dock_widgets]
    assert docked == ["1 Dataset", "2 Normalize", "3 Train", "4 Predict", "5 Metrics"]
    qtbot.waitUntil(docked_first(viewer).isVisible)
    picture = viewer.screenshot(canvas_only=True)
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 10
    names = [layer.name for layer in viewer.layers if not is_ours(layer)]
    assert names[-2:] == ["SAMPLE-A", "SAMPLE-A labels"]
    session = Session.of(viewer)
    qtbot.waitUntil(lambda: session.dataset is not None, timeout=20000)
    assert [entry.name for entry in session.dataset.entries] == ["SAMPLE-B", "SAMPLE-C", "SAMPLE-A"]


def docked_first(viewer: Any) -> Any:
    return next(iter(viewer.window.dock_widgets.values()))


def test_paths_are_opened_and_what_cannot_be_is_told(open_viewer: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    heart = sample_folder("heart") / "test" / "SAMPLE-B_0001.dcm"
    pore = sample_folder("xray") / "images" / "slice_01.tif"
    viewer = open_viewer([heart, tmp_path / "a.txt", pore])
    assert [layer.name for layer in viewer.layers if not is_ours(layer)] == ["SAMPLE-B_0001", "slice_01"]


def test_a_key_pressed_in_the_canvas_reaches_the_widget(viewer: Any, qtbot: Any) -> None:
    class Widget:
        done = False

        def segment(self) -> None:
            self.done = True

    widget = Widget()
    viewer.add_labels(np.zeros((8, 8), int))
    offer(viewer, "segment", widget.segment)
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: widget.done)
