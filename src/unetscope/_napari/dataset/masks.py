"""How masks are meant: complete, or strokes only; and a layer to paint them on."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QRadioButton, QSizePolicy, QVBoxLayout, QWidget

__all__ = ["MasksPart"]

_COMPLETE = "&Complete: 0 is background"
_STROKES = "St&rokes only: 0 not labeled, 1 background, 2… objects"
_LOOKS_LIKE_STROKES = (
    "These masks look like strokes: most is 0, and 1 is painted beside higher labels. If so, choose “Strokes "
    "only”; otherwise all that is 0 counts as background."
)


class MasksPart(QWidget):
    """Chooses what 0 stands for.

    Signals
    -------
    sparse_chosen : bool
        The user says that masks hold strokes only, or that they are complete.
    annotation_wanted
        The user wants to paint the selected image.
    """

    sparse_chosen = Signal(bool)
    annotation_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.complete = QRadioButton(_COMPLETE)
        self.complete.setToolTip(
            "<p>Every pixel of a mask counts. 0 is background, everything else is object: one value for each "
            "class, or one for each object.</p>"
        )
        self.strokes = QRadioButton(_STROKES)
        self.strokes.setToolTip(
            "<p>You paint a few strokes in some images. What stays 0 is not labeled: neither training nor "
            "scores look there. Background needs strokes, too, with label 1; objects have 2, and further "
            "classes 3, 4…</p>"
        )
        self.hint = QLabel(_LOOKS_LIKE_STROKES)
        self.hint.setWordWrap(True)
        self.annotate_button = QPushButton("New &labels layer for the selected image")
        self.annotate_button.setToolTip(
            "<p>Add an empty Labels layer on the grid of the image that is selected in the table, with the "
            "brush in hand.</p>"
        )
        self.annotate_button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for part in (QLabel("Masks are"), self.complete, self.strokes, self.hint, self.annotate_button):
            layout.addWidget(part)
        self.complete.clicked.connect(lambda: self.sparse_chosen.emit(False))  # noqa: FBT003
        self.strokes.clicked.connect(lambda: self.sparse_chosen.emit(True))  # noqa: FBT003
        self.annotate_button.clicked.connect(self.annotation_wanted)
        self.show_mode(sparse=False, like_strokes=False)

    def show_mode(self, *, sparse: bool, like_strokes: bool) -> None:
        """Show which mode is on, and whether the masks look as if it were the wrong one."""
        (self.strokes if sparse else self.complete).setChecked(True)
        self.hint.setVisible(like_strokes and not sparse)
