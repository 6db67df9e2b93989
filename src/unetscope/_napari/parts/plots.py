"""Plots for the dock widgets: in the colors of napari's theme, and told apart by color-blind readers too."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyqtgraph as pg
from numpy.typing import ArrayLike, NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from unetscope._napari.parts.figure import Entry, Figure, Legend, short

__all__ = ["BarPlot", "CurvePlot", "HistogramPlot"]

_ROLES = {"train": "training", "val": "validation"}
# Training is dashed and validation is not, so that color is not all that tells them apart.
_DASHED = {"train": Qt.PenStyle.DashLine, "val": Qt.PenStyle.SolidLine}
_QUANTITIES = {"loss": "Loss", "dice": "Dice"}


class CurvePlot(Figure):
    """Loss and Dice of one or several runs against the epoch or the time.

    Training is dashed, validation solid, and a star marks the epoch that is kept.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(280, parent)
        self._runs: dict[str, _RunCurves] = {}
        self._against: Literal["epoch", "minutes"] = "epoch"
        self._roles, self._names = Legend(columns=3), Legend(columns=1)
        for legend in (self._roles, self._names):
            self._rows.nextRow()
            self._rows.addItem(legend)
        self._panels = {
            key: self._add_plot("", title, _EpochAxis("bottom")) for key, title in _QUANTITIES.items()
        }
        for row in (2, 3):
            self._rows.layout.setRowStretchFactor(row, 1)
        self._panels["loss"].getAxis("bottom").setStyle(showValues=False)
        self._panels["loss"].setXLink(self._panels["dice"])
        self._panels["dice"].setYRange(0, 1, padding=0.02)
        for plot in self._plots:
            # Both begin at the same place, whatever the length of their numbers.
            plot.getAxis("left").setWidth(48)
        self._follow_theme()

    @property
    def against(self) -> Literal["epoch", "minutes"]:
        """What the horizontal axis shows."""
        return self._against

    @against.setter
    def against(self, quantity: Literal["epoch", "minutes"]) -> None:
        self._against = quantity
        self._draw()

    def show_history(self, history: Iterable[Mapping[str, Any]], run: str = "") -> None:
        """Show the epochs of a run, instead of what was shown of it.

        Parameters
        ----------
        history : iterable of mapping
            With the keys of `unetscope.training.loop.EpochRecord`.
        run : str
            Its name, for the legend, where there are several.
        """
        if run not in self._runs:
            self._runs[run] = _RunCurves(self._panels)
        self._runs[run].records = list(history)
        self._draw()

    def append(self, records: Iterable[Mapping[str, Any]], run: str = "") -> None:
        """Add epochs to a run."""
        before = self._runs[run].records if run in self._runs else []
        self.show_history([*before, *records], run)

    def remove(self, run: str) -> None:
        """Show a run no longer, if it is shown."""
        if run in self._runs:
            self._runs.pop(run).remove(self._panels)
            self._draw()

    def clear(self) -> None:
        """Show no run."""
        for run in tuple(self._runs):
            self.remove(run)

    def _draw(self) -> None:
        for plot in self._plots:
            plot.getAxis("bottom").whole = self._against == "epoch"
        self._panels["dice"].setLabel("bottom", "Epoch" if self._against == "epoch" else "Time (min)")
        ends = [curves.places(self._against).max(initial=0) for curves in self._runs.values()]
        self._panels["dice"].setXRange(0, max(ends, default=0) or 1, padding=0.04)
        several = len(self._runs) > 1
        for index, curves in enumerate(self._runs.values()):
            color = self._colors[index % len(self._colors)]
            pair = (color, color) if several else self._colors[:2]
            curves.draw(dict(zip(_ROLES, pair, strict=True)), self._text, self._against)
        names = [
            (short(run), self._colors[index % len(self._colors)], Qt.PenStyle.SolidLine)
            for index, run in enumerate(self._runs)
        ]
        self._roles.show_entries(self._role_entries(several=several), self._text)
        self._names.show_entries(names if several else [], self._text)

    def _role_entries(self, *, several: bool) -> list[Entry]:
        roles = [self._text.name()] * 2 if several else self._colors
        entries: list[Entry] = [
            (label, color, _DASHED[role])
            for (role, label), color in zip(_ROLES.items(), roles, strict=False)
            if any(role in curves.roles for curves in self._runs.values())
        ]
        bests = [c.records[c.best]["epoch"] for c in self._runs.values() if c.best is not None]
        if bests:
            label = "best epoch" if several else f"best epoch: {bests[0]}"
            entries.append((label, self._text.name() if several else self._colors[1], None))
        return entries


class _EpochAxis(pg.AxisItem):
    """Ticks at whole numbers."""

    whole = True

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:  # noqa: N802
        """Leave out what is between whole numbers."""
        spacings = super().tickSpacing(low, high, size)
        return [pair for pair in spacings if pair[0] >= 1 or not self.whole] or [(1, 0)]


class BarPlot(Figure):
    """Mean scores of one or more runs as bars, with their standard deviation and their numbers."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(160, parent)
        self._scores: dict[str, dict[str, tuple[float, float]]] = {}
        self._legend = Legend(columns=1)
        self._rows.addItem(self._legend)
        self._plot = self._add_plot("Mean ± standard deviation", "")
        self._plot.invertY()
        self._plot.showGrid(x=True, y=False, alpha=0.15)
        self._plot.getAxis("left").setStyle(tickAlpha=0)
        # Numbers stand where the ticks of a second axis would.
        self._plot.showAxis("right")
        self._plot.getAxis("right").setStyle(tickAlpha=0)
        self._follow_theme()

    def show_scores(self, scores: Mapping[str, Mapping[str, tuple[float, float]]]) -> None:
        """Show scores between 0 and 1, instead of those that were shown.

        Parameters
        ----------
        scores : mapping of str to mapping of str to (float, float)
            Mean and standard deviation, by the name of the run and the title of the metric. NaN, where
            there is no number, is drawn as no bar.
        """
        self._scores = {run: dict(values) for run, values in scores.items()}
        self._draw()

    def _draw(self) -> None:
        self._plot.clear()
        metrics = list(dict.fromkeys(metric for values in self._scores.values() for metric in values))
        thickness = 0.8 / max(len(self._scores), 1)
        numbers = []
        for index, values in enumerate(self._scores.values()):
            for place, metric in enumerate(metrics):
                middle = place - 0.4 + (index + 0.5) * thickness
                mean, std = values.get(metric, (math.nan, math.nan))
                if math.isfinite(mean):
                    self._draw_bar(middle, thickness, mean, std, self._colors[index % len(self._colors)])
                    numbers.append((middle, f"{mean:.3f} ± {std:.3f}"))
        self._plot.getAxis("left").setTicks([list(enumerate(metrics))])
        self._plot.getAxis("right").setTicks([numbers])
        self._plot.getAxis("right").setPen(None)
        self._plot.getAxis("bottom").setTicks([[(n / 2, f"{n / 2:g}") for n in range(3)]])
        self._plot.setXRange(0, self._end, padding=0.02)
        self._plot.setYRange(-0.5, max(len(metrics), 1) - 0.5, padding=0.02)
        runs = [(short(run), self._colors[i % len(self._colors)], None) for i, run in enumerate(self._scores)]
        self._legend.show_entries(runs if len(runs) > 1 else [], self._text, symbol="s")
        self.setMinimumHeight(70 + 22 * max(len(metrics), 1) * max(len(runs), 1))

    @property
    def _end(self) -> float:
        """Where the longest whisker ends, or the axis."""
        ends = [mean + std for values in self._scores.values() for mean, std in values.values()]
        return max([1.0, *(end for end in ends if math.isfinite(end))])

    def _draw_bar(self, middle: float, thickness: float, mean: float, std: float, color: str) -> None:
        bar = pg.BarGraphItem(
            x0=0, y0=middle - 0.45 * thickness, width=mean, height=0.9 * thickness, brush=color, pen=None
        )
        whisker = pg.ErrorBarItem(
            x=np.array([mean]),
            y=np.array([middle]),
            left=std,
            right=std,
            beam=0.4 * thickness,
            pen=self._text,
        )
        for item in (bar, whisker):
            self._plot.addItem(item)


class HistogramPlot(Figure):
    """Histograms below each other, with marked values.

    Parameters
    ----------
    titles : mapping of str to str
        By name of the histogram, the title of its axis with the unit: ``{"before": "Pixel value"}``.
    """

    def __init__(self, titles: Mapping[str, str], parent: QWidget | None = None) -> None:
        super().__init__(110 * len(titles), parent)
        self._panels = {name: self._add_plot(title, "Pixels (log)") for name, title in titles.items()}
        self._shown: dict[str, tuple[Any, Any, dict[str, float]]] = {}
        for plot in self._plots:
            plot.getAxis("left").setStyle(showValues=False)
        self._follow_theme()

    def show_histogram(
        self, name: str, edges: ArrayLike, counts: ArrayLike, markers: Mapping[str, float] | None = None
    ) -> None:
        """Show a histogram, instead of the one with this name.

        Parameters
        ----------
        name : str
            One of the names that the plot was made with.
        edges : (N + 1,) array of float
            Limits of the bins.
        counts : (N,) array
            Pixels in each.
        markers : mapping of str to float, optional
            Values to mark with a line, by the text to write there.
        """
        self._shown[name] = np.asarray(edges, float), np.asarray(counts, float), dict(markers or {})
        self._draw()

    def clear(self) -> None:
        """Show no histogram."""
        self._shown.clear()
        self._draw()

    def _draw(self) -> None:
        for index, (name, plot) in enumerate(self._panels.items()):
            plot.clear()
            if name not in self._shown:
                continue
            edges, counts, markers = self._shown[name]
            # So that a large background does not make everything else invisible.
            heights, color = np.log10(1 + counts), QColor(self._colors[index % len(self._colors)])
            pen = pg.mkPen(color)
            color.setAlphaF(0.5)
            plot.setYRange(0, 1.5 * heights.max(initial=1), padding=0)
            plot.plot(edges, heights, stepMode="center", fillLevel=0, brush=color, pen=pen)
            for number, (label, value) in enumerate(markers.items()):
                # One below the other, so that neighbors can be read.
                options = {"color": self._text, "position": 0.92 - 0.16 * (number % 2), "movable": False}
                line = pg.InfiniteLine(
                    value, label=label, labelOpts=options, pen=pg.mkPen(self._text, width=1.5)
                )
                plot.addItem(line)


class _RunCurves:
    """The curves of one run, and its star, in the plots of each quantity."""

    def __init__(self, panels: Mapping[str, pg.PlotItem]) -> None:
        self.records: list[Mapping[str, Any]] = []
        self._lines = {
            (q, role): panel.plot(antialias=True) for q, panel in panels.items() for role in _ROLES
        }
        # Without the cache, which is pixels, a star is a star in saved figures too.
        self._stars = {q: pg.ScatterPlotItem(symbol="star", size=13, useCache=False) for q in panels}
        for quantity, star in self._stars.items():
            panels[quantity].addItem(star)

    @property
    def roles(self) -> set[str]:
        """The roles of which there is any value."""
        return {r for r in _ROLES if any(record.get(f"{r}_loss") is not None for record in self.records)}

    @property
    def best(self) -> int | None:
        """Index of the epoch that is kept, if validation chose it."""
        return max(
            (i for i, r in enumerate(self.records) if r["best"] and r["val_dice"] is not None), default=None
        )

    def places(self, against: str) -> NDArray[np.float64]:
        """Where the epochs lie on the horizontal axis."""
        return (
            _column(self.records, "seconds") / 60 if against == "minutes" else _column(self.records, "epoch")
        )

    def draw(self, colors: Mapping[str, str], text: QColor, against: str) -> None:
        """Draw in these colors by role."""
        x = self.places(against)
        for (quantity, role), line in self._lines.items():
            y = _column(self.records, f"{role}_{quantity}")
            # Without images to validate on there is nothing to draw, and no extent of it.
            known = bool(np.isfinite(y).any())
            line.setVisible(known)
            if not known:
                continue
            # A line through a single point would be invisible.
            line.setSymbol("o" if len(y) == 1 else None)
            line.setSymbolSize(6)
            line.setSymbolBrush(colors[role])
            line.setSymbolPen(None)
            line.setPen(pg.mkPen(colors[role], width=2, style=_DASHED[role]))
            line.setData(x, y, connect="finite")
        for quantity, star in self._stars.items():
            at = [] if self.best is None else [(x[self.best], self.records[self.best][f"val_{quantity}"])]
            star.setData(pos=at, brush=colors["val"], pen=text)

    def remove(self, panels: Mapping[str, pg.PlotItem]) -> None:
        """Take the curves out of the plots."""
        for (quantity, _), line in self._lines.items():
            panels[quantity].removeItem(line)
        for quantity, star in self._stars.items():
            panels[quantity].removeItem(star)


def _column(records: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    values = [record.get(key) for record in records]
    return np.array([math.nan if value is None else value for value in values], np.float64)
