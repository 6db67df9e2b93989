"""The progress of a job inside a widget: how far it is, the time left, and a button that cancels it."""

from __future__ import annotations

from qtpy.QtWidgets import QGridLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from unetscope._napari.jobs.worker import Job, time_left

__all__ = ["JobBar"]


class JobBar(QWidget):
    """Shown while a job runs; the same is in napari's activity dock."""

    def __init__(self) -> None:
        super().__init__()
        self._job: Job | None = None
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.text = QLabel()
        # A long name is cut off; it must not make the dock wider.
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.cancel = QPushButton("&Cancel")
        self.cancel.setToolTip("Stop now. What is finished already is kept.")
        self.cancel.clicked.connect(self._cancel)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bar, 0, 0)
        layout.addWidget(self.cancel, 0, 1)
        layout.addWidget(self.text, 1, 0, 1, 2)
        self.setVisible(False)

    def follow(self, job: Job) -> None:
        """Show this job until it has ended."""
        self._job = job
        self.bar.setRange(0, 0)
        self.text.setText(job.title)
        self.cancel.setEnabled(True)
        self.setVisible(True)
        job.stepped.connect(self._show)
        job.finished.connect(self._end)

    def _show(self, done: int, total: int, text: str) -> None:
        if self._job is None or not self.cancel.isEnabled():
            return
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        # The time first: a long name is cut off.
        left = time_left(self._job, done, total).capitalize()
        self.text.setText(": ".join(filter(None, (left, text or self._job.title))))

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self.cancel.setEnabled(False)
            self.text.setText("Stopping…")

    def _end(self) -> None:
        self._job = None
        self.setVisible(False)
