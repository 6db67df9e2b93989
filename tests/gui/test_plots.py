from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QPalette, QWheelEvent

from unetscope._napari.parts.plots import BarPlot, CurvePlot, HistogramPlot
from unetscope.errors import OutputError


def records(*dice: float | None, best: int = 1) -> list[dict[str, Any]]:
    """Epochs with these validation scores, of which one is the best."""
    return [
        {
            "epoch": epoch,
            "train_loss": 1 / epoch,
            "train_dice": 0.5,
            "val_loss": None if value is None else 1 - value,
            "val_dice": value,
            "seconds": 30.0 * epoch,
            "best": epoch <= best or value is None,
        }
        for epoch, value in enumerate(dice, start=1)
    ]


def lines(plot: CurvePlot, run: str = "") -> dict[tuple[str, str], tuple[list[float], list[float]]]:
    """What is drawn of a run, by quantity and role."""
    drawn = plot._runs[run]._lines
    return {
        key: tuple([] if a is None else a.tolist() for a in line.getOriginalDataset())
        for key, line in drawn.items()
    }


def legend(plot: Any) -> list[str]:
    legends = [plot._roles, plot._names] if isinstance(plot, CurvePlot) else [plot._legend]
    return [label.text for each in legends for _, label in each.items]


@pytest.fixture
def curves(qtbot: Any) -> CurvePlot:
    plot = CurvePlot()
    qtbot.addWidget(plot)
    plot.resize(360, 320)
    return plot


def test_epochs_are_drawn_as_they_come(curves: CurvePlot) -> None:
    history = records(0.25, 0.5, 0.75, best=2)
    curves.append(history[:2])
    curves.append(history[2:])
    assert lines(curves)["dice", "val"] == ([1, 2, 3], [0.25, 0.5, 0.75])
    assert lines(curves)["loss", "train"] == ([1, 2, 3], [1, 1 / 2, 1 / 3])
    star = curves._runs[""]._stars["dice"]
    assert (star.data["x"], star.data["y"]) == (2, 0.5)
    assert legend(curves) == ["training", "validation", "best epoch: 2"]


def test_without_validation_no_epoch_is_the_best(curves: CurvePlot) -> None:
    curves.show_history(records(None, None))
    assert legend(curves) == ["training"]
    assert np.isnan(lines(curves)["dice", "val"][1]).all()
    assert not len(curves._runs[""]._stars["dice"].data)


def test_runs_are_compared_by_name(curves: CurvePlot) -> None:
    curves.show_history(records(0.5), "first")
    curves.show_history(records(0.25, 0.75, best=2), "second")
    assert legend(curves) == ["training", "validation", "best epoch", "first", "second"]
    solid = {str(curves._runs[run]._lines["dice", "val"].opts["pen"].color().name()) for run in curves._runs}
    assert len(solid) == 2
    curves.remove("first")
    assert legend(curves) == ["training", "validation", "best epoch: 2"]
    curves.clear()
    assert legend(curves) == []
    assert not [item for plot in curves._plots for item in plot.listDataItems()]


def test_time_can_be_the_axis(curves: CurvePlot) -> None:
    curves.show_history(records(0.5, 0.6))
    curves.against = "minutes"
    assert lines(curves)["dice", "val"][0] == [0.5, 1.0]
    assert "min" in curves._panels["dice"].getAxis("bottom").labelText


def test_epochs_are_counted_in_whole_numbers(curves: CurvePlot) -> None:
    axis = curves._panels["dice"].getAxis("bottom")
    assert axis.tickSpacing(0, 2, 300)[0] == (1, 0)
    curves.against = "minutes"
    assert axis.tickSpacing(0, 2, 300)[0][0] < 1


def test_bars_have_their_numbers_beside_them(qtbot: Any) -> None:
    plot = BarPlot()
    qtbot.addWidget(plot)
    plot.show_scores(
        {"a": {"Dice": (0.9, 0.05), "IoU": (0.8, 0.1)}, "b": {"Dice": (0.7, 0.4), "IoU": (float("nan"), 0.0)}}
    )
    numbers = [text for _, text in plot._plot.getAxis("right")._tickLevels[0]]
    assert numbers == ["0.900 ± 0.050", "0.800 ± 0.100", "0.700 ± 0.400"]
    assert legend(plot) == ["a", "b"]
    # The whisker that goes beyond 1 is in sight.
    assert plot._plot.viewRange()[0][1] >= 1.1
    plot.show_scores({"a": {"Dice": (0.9, 0.05)}})
    assert legend(plot) == []


def test_histograms_mark_values(qtbot: Any) -> None:
    plot = HistogramPlot({"before": "Pixel value", "after": "Normalized value"})
    qtbot.addWidget(plot)
    plot.show_histogram("before", [0, 1, 2], [9, 99], {"1.5 → 1": 1.5})
    (curve,) = plot._panels["before"].listDataItems()
    np.testing.assert_allclose(curve.getOriginalDataset()[1], [1, 2])
    (line,) = [item for item in plot._panels["before"].items if hasattr(item, "label")]
    assert (line.value(), line.label.format) == (1.5, "1.5 → 1")
    plot.clear()
    assert not plot._panels["before"].items


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_saved_figure_is_black_on_white(curves: CurvePlot, tmp_path: Path, ending: str) -> None:
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.WindowText, Qt.GlobalColor.white)
    palette.setColor(QPalette.ColorRole.Window, Qt.GlobalColor.black)
    curves.setPalette(palette)
    curves.show_history(records(0.5, 0.6))
    path = curves.save(tmp_path / f"figure.{ending}")
    if ending == "svg":
        assert "best epoch: 1" in path.read_text(encoding="utf-8")
    else:
        with Image.open(path) as image:
            assert image.width == 3 * curves.width()
            colors = {color for _, color in image.convert("RGB").getcolors(1 << 20)}
        assert (255, 255, 255) in colors
        assert any(max(color) < 60 for color in colors)
    assert curves._text == Qt.GlobalColor.white
    with pytest.raises(OutputError, match="exists"):
        curves.save(path)


def test_a_figure_needs_a_known_ending(curves: CurvePlot, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"figure\.tiff is no name"):
        curves.save(tmp_path / "figure.tiff")


def test_the_wheel_is_left_to_the_panel(curves: CurvePlot) -> None:
    none = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(QPointF(9, 9), QPointF(9, 9), QPoint(), QPoint(0, 120), *none, False)
    before = curves._panels["dice"].viewRange()
    curves.wheelEvent(event)
    assert not event.isAccepted()
    assert curves._panels["dice"].viewRange() == before


def test_plots_follow_the_theme(viewer: Any, qtbot: Any) -> None:
    from napari.utils.theme import get_theme

    plot = CurvePlot()
    viewer.window.add_dock_widget(plot)
    seen = set()
    for name in ("light", "dark"):
        viewer.theme = name
        theme = get_theme(name)
        qtbot.waitUntil(lambda theme=theme: plot._text.name() == theme.text.as_hex("long"), timeout=2000)
        assert plot.backgroundBrush().color().name() == theme.background.as_hex("long")
        seen.add(plot._colors)
    assert len(seen) == 2


def test_opening_the_widget_loads_neither_torch_nor_matplotlib() -> None:
    code = (
        "import sys, unetscope._napari.train.widget as _; "
        "print([name for name in ('torch', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
