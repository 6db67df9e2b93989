"""What all plots of the dock widgets share: napari's theme, a legend beside the data, saving."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyqtgraph as pg
from napari.utils.notifications import show_error
from qtpy.QtCore import QBuffer, QEvent, QRectF, QSize, Qt
from qtpy.QtGui import QAction, QColor, QImage, QPaintDevice, QPainter, QPalette, QWheelEvent
from qtpy.QtWidgets import QFileDialog, QWidget

from unetscope.errors import OutputError, UNetScopeError
from unetscope.io.write import atomic

__all__ = ["Entry", "Figure", "Legend", "short"]

# Okabe and Ito (2008): those that stand out from a light and from a dark background.
_ON_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_ON_DARK = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#0072B2")
_LONGEST_NAME = 40
# Pixels of a saved figure for each on the screen.
_SHARPNESS = 3


# Text, color, and the style of the line, or None for a symbol.
Entry = tuple[str, str, Qt.PenStyle | None]


class Figure(pg.GraphicsView):
    """Base of the plots: theme, saving, and no reaction to the mouse, which belongs to the panel around."""

    def __init__(self, height: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setInteractive(False)
        self.setMinimumHeight(height)
        self.setMinimumWidth(240)
        # A GraphicsLayoutWidget would put its own `clear` in the place of ours.
        self._rows = pg.GraphicsLayout()
        self._rows.layout.setContentsMargins(2, 2, 16, 2)
        self.setCentralItem(self._rows)
        self._text = QColor("black")
        self._colors: tuple[str, ...] = _ON_LIGHT
        self._plots: list[pg.PlotItem] = []
        save = QAction("Save figure…", self)
        save.triggered.connect(self._ask_where_to_save)
        self.addAction(save)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the figure, black on white whatever the theme.

        Parameters
        ----------
        path : Path or str
            A name that ends in ``.png`` or ``.svg``.
        overwrite : bool
            Whether an earlier file may be replaced.

        Raises
        ------
        OutputError
            If the name has another ending, the file exists already, or it cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() not in (".png", ".svg"):
            raise OutputError(
                f"{path.name} is no name for a figure", expected="a name in .png or .svg", fix="rename it"
            )
        self._paint(QColor("black"), _ON_LIGHT)
        try:
            content = self._as_png() if path.suffix.lower() == ".png" else self._as_svg()
        finally:
            self._follow_theme()
        with atomic(path, overwrite=overwrite) as temporary:
            temporary.write_bytes(content)
        return path

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802
        """Take over the colors of a new theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange:
            self._follow_theme()

    def sizeHint(self) -> QSize:  # noqa: N802
        """No more than the least: a dock is narrow, and its panel long."""
        return self.minimumSize()

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802
        """Leave the wheel to the panel, which scrolls."""
        if event is not None:
            event.ignore()

    def _add_plot(self, x: str, y: str, bottom: pg.AxisItem | None = None) -> pg.PlotItem:
        self._rows.nextRow()
        axes = {"left": _LeftAxis("left"), "bottom": bottom or pg.AxisItem("bottom")}
        plot = self._rows.addPlot(enableMenu=False, axisItems=axes)
        plot.hideButtons()
        for side, title in (("bottom", x), ("left", y)):
            axis = plot.getAxis(side)
            axis.enableAutoSIPrefix(enable=False)
            axis.setStyle(maxTickLevel=0)
            axis.setLabel(title)
        plot.showGrid(x=False, y=True, alpha=0.15)
        self._plots.append(plot)
        return plot

    def _follow_theme(self) -> None:
        text = self.palette().color(QPalette.ColorRole.WindowText)
        self.setBackground(self.palette().color(QPalette.ColorRole.Window))
        self._paint(text, _ON_DARK if text.lightnessF() > 0.5 else _ON_LIGHT)

    def _paint(self, text: QColor, colors: Sequence[str]) -> None:
        self._text, self._colors = text, tuple(colors)
        for plot in self._plots:
            for side in ("bottom", "left", "right"):
                axis = plot.getAxis(side)
                axis.setPen(text)
                axis.setTextPen(text)
                axis.setTickFont(self.font())
        self._draw()

    def _draw(self) -> None:
        """Draw everything in the present colors."""
        raise NotImplementedError

    def _as_png(self) -> bytes:
        image = QImage(_SHARPNESS * self.size(), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(_SHARPNESS)
        image.fill(QColor("white"))
        self._render_on(image)
        buffer = QBuffer()
        image.save(buffer, "PNG")
        return bytes(buffer.data())

    def _as_svg(self) -> bytes:
        # pyqtgraph's own exporter stumbles over symbols.
        from qtpy.QtSvg import QSvgGenerator

        buffer = QBuffer()
        generator = QSvgGenerator()
        generator.setOutputDevice(buffer)
        generator.setSize(self.size())
        # Axes are drawn for the resolution of the screen.
        generator.setResolution(self.logicalDpiX())
        generator.setViewBox(self.rect())
        self._render_on(generator)
        return bytes(buffer.data())

    def _render_on(self, device: QPaintDevice) -> None:
        self._rows.layout.activate()
        self.scene().prepareForPaint()
        painter = QPainter(device)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.scene().render(painter, QRectF(self.rect()), QRectF(self.rect()))
        painter.end()

    def _ask_where_to_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save figure", "figure.png", "Figures (*.png *.svg)")
        if not name:
            return
        try:
            # The dialog has asked whether the file may be replaced.
            self.save(name, overwrite=True)
        except UNetScopeError as error:
            show_error(str(error))


class _LeftAxis(pg.AxisItem):
    """With room for half a number above and below; pyqtgraph forgets it where there is a grid."""

    def boundingRect(self) -> QRectF:  # noqa: N802
        """Where it draws."""
        return super().boundingRect().adjusted(0, -8, 0, 8)


class Legend(pg.LegendItem):
    """A legend in a row of its own above the plots, where it covers no data."""

    def __init__(self, columns: int) -> None:
        super().__init__(colCount=columns, horSpacing=4, frame=False)
        self.layout.setContentsMargins(0, 0, 0, 0)
        # What is left of the row goes behind the entries, not between them.
        self.layout.setColumnStretchFactor(2 * columns, 1)
        self._entries: list[Any] = []

    def show_entries(self, entries: Sequence[Entry], text: QColor, *, symbol: str = "star") -> None:
        """Show these entries, unless they are shown already."""
        wanted = [*entries, text.name()]
        if wanted == self._entries:
            return
        self._entries = wanted
        self.clear()
        self.opts["labelTextColor"] = text
        for label, color, style in entries:
            if style is None:
                sample = pg.ScatterPlotItem(symbol=symbol, size=12, brush=color, pen=text)
            else:
                sample = pg.PlotDataItem(pen=pg.mkPen(color, width=2, style=style))
            self.addItem(sample, label)
        self.setMaximumHeight(20 * math.ceil(len(entries) / self.columnCount))


def short(name: str) -> str:
    """A name that fits a legend in a dock."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
