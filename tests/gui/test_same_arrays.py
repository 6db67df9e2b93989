"""Widget, command line and script give the same labels for the same settings."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unetscope import api
from unetscope._napari.train.widget import TrainWidget
from unetscope.cli.app import run as run_command
from unetscope.samples import sample_folder

SETTINGS = {
    "training.epochs": 2,
    "training.minutes": None,
    "training.samples": 8,
    "network.width": 4,
    "network.depth": 2,
}
# A busy computer gives little time to a training that is meant not to disturb the viewer.
PATIENCE = 300_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of eight slices of two patients."""
    place = tmp_path / "slices"
    place.mkdir()
    for patient in "AC":
        for number in range(3, 7):
            for suffix in (".dcm", ".png"):
                name = f"SAMPLE-{patient}_{number:04}{suffix}"
                shutil.copy(sample_folder("heart") / "training" / name, place)
    return place


def test_the_same_settings_give_the_same_labels(
    viewer_model: Any, qtbot: Any, folder: Path, tmp_path: Path
) -> None:
    by_widget = _train_in_widget(viewer_model, qtbot, folder)
    by_command = by_widget.with_name(f"{by_widget.name}-again")
    command = shlex.split((by_widget / "command").read_text())
    assert run_command(command[1:]) == 0
    by_script = api.train(folder, tmp_path / "script", settings=SETTINGS).path

    image = api.read(sample_folder("heart") / "test" / "SAMPLE-B_0008.dcm")
    predictions = [api.predict(run, image, threshold=0.5) for run in (by_widget, by_command, by_script)]
    for prediction in predictions[1:]:
        np.testing.assert_array_equal(prediction.labels.data, predictions[0].labels.data)
        np.testing.assert_array_equal(prediction.probabilities.data, predictions[0].probabilities.data)


def _train_in_widget(viewer: Any, qtbot: Any, folder: Path) -> Path:
    widget = TrainWidget(viewer)
    qtbot.addWidget(widget)
    widget.data.open(folder)
    qtbot.waitUntil(lambda: widget.session.dataset is not None, timeout=20_000)
    widget.session.change(SETTINGS)
    widget.start_button.click()
    with qtbot.waitSignal(widget.process.ended, timeout=PATIENCE) as ended:
        pass
    assert ended.args == ["finished"], widget.status.text()
    assert "validation images" in widget.status.text()
    run = widget.session.run
    assert run is not None
    (run / "command").write_text(widget._command.text())
    return run
