"""Work off the GUI thread: with progress, a cancel that works, and no error that gets lost."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from napari.utils.notifications import show_error
from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QObject, QTimer, Signal
from qtpy.QtWidgets import QWidget

from unetscope._napari.train.runs import describe_time
from unetscope.errors import UNetScopeError, explain

__all__ = ["CancelableBar", "Cancelled", "Follower", "Job", "cancel_all", "start", "time_left"]

_LOG = logging.getLogger(__name__)
# Jobs that run, so that nobody else has to keep them alive.
_RUNNING: set[Job] = set()
# Seconds between two steps that are told: more would only keep the GUI thread busy with painting.
_PAUSE = 0.15
# Seconds after which a job gets a bar: most previews are done by then, and should not flicker.
_BAR_AFTER = 0.5
# Seconds that the end of the program waits for jobs: a thread that dies inside torch takes all with it.
_PATIENCE = 10.0


class Cancelled(Exception):  # noqa: N818 - a wish, not a mistake
    """Raised in the worker, by `Job.step`, when the user wants it to end."""


class Follower(Protocol):
    """What shows a job, such as a `JobBar`."""

    def follow(self, job: Job) -> None:
        """Show this job until it has ended."""


class Job(QObject):
    """One piece of work in a thread of its own.

    The function runs as ``function(job)``; it calls `step` as it goes, and `produce` with results that need
    not wait for the last one. Exactly one of `done`, `failed` and `cancelled` is emitted in the GUI thread,
    and then `finished`.
    """

    stepped = Signal(int, int, str)
    produced = Signal(object)
    done = Signal(object)
    failed = Signal(str)
    cancelled = Signal()
    finished = Signal()
    _handed = Signal(object)
    _ended = Signal(object, object)

    def __init__(self, function: Callable[[Job], Any], title: str) -> None:
        super().__init__()
        self.title = title
        self.started = time.monotonic()
        self._function: Callable[[Job], Any] | None = function
        self._wish = threading.Event()
        self._told = 0.0
        self._text = ""
        self._handed.connect(self._hand_over)
        self._ended.connect(self._conclude)
        self._thread = threading.Thread(target=self._work, name=f"unetscope: {title}", daemon=True)

    def start(self) -> None:
        """Begin; call it after connecting the signals."""
        _RUNNING.add(self)
        self.started = time.monotonic()
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to end at its next step."""
        self._wish.set()

    @property
    def running(self) -> bool:
        """Whether neither result nor error has been told yet."""
        return self in _RUNNING

    def wait(self, seconds: float) -> bool:
        """Wait for the thread to end, without telling anyone the result; True if it has."""
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def step(self, done: int = 0, total: int = 0, text: str = "") -> None:
        """Tell how far the work is; called in the worker, as often as it likes.

        Raises
        ------
        Cancelled
            If the user wants it to end; let it pass.
        """
        if self._wish.is_set():
            raise Cancelled
        now = time.monotonic()
        if text != self._text or now - self._told >= _PAUSE:
            self._told, self._text = now, text
            self.stepped.emit(done, total, text)

    def share(self, index: int, count: int, text: str = "") -> Callable[[float], None]:
        """A function that tells how far one of several equal parts is, from 0 to 1."""
        return lambda part: self.step(round(1000 * (index + part)), 1000 * count, text)

    def produce(self, result: Any) -> None:
        """Hand over one of several results; called in the worker.

        Raises
        ------
        Cancelled
            As `step`.
        """
        if self._wish.is_set():
            raise Cancelled
        self._handed.emit(result)

    def _work(self) -> None:
        result: Any = None
        problem: BaseException | None = None
        try:
            assert self._function is not None
            result = self._function(self)
        # Whatever goes wrong here has to reach the user: nobody else is listening in this thread.
        except BaseException as error:  # noqa: BLE001
            problem = error
        # Images that the function knows should not live as long as whoever keeps the job.
        self._function = None
        try:
            self._ended.emit(result, problem)
        except RuntimeError:
            # The viewer is gone, and with it everybody who could be told.
            _RUNNING.discard(self)

    def _hand_over(self, result: Any) -> None:
        if not self._wish.is_set():
            self.produced.emit(result)

    def _conclude(self, result: Any, problem: BaseException | None) -> None:
        _RUNNING.discard(self)
        if self._wish.is_set() or isinstance(problem, Cancelled):
            self.cancelled.emit()
        elif problem is None:
            self.done.emit(result)
        elif isinstance(problem, UNetScopeError):
            self.failed.emit(str(problem))
        else:
            _LOG.error("%s failed", self.title, exc_info=problem)
            self.failed.emit(f"{self.title}: {explain(problem)}")
        self.finished.emit()


def start(
    function: Callable[[Job], Any],
    *,
    title: str,
    on_done: Callable[[Any], None],
    on_failed: Callable[[str], None] = show_error,
    on_end: Callable[[], None] | None = None,
    on_produced: Callable[[Any], None] | None = None,
    bar: Follower | None = None,
    owner: QWidget | None = None,
) -> Job:
    """Run a function in a thread, with a progress bar that can be cancelled in napari's activity dock.

    Parameters
    ----------
    function : callable
        Called as ``function(job)`` in the thread; it must not touch layers or widgets.
    title : str
        For the progress bar and messages, such as ``"Segmenting 12 images"``.
    on_done : callable
        Called with the result, in the GUI thread.
    on_failed : callable
        Called with one sentence, in the GUI thread; a notification unless given.
    on_end : callable, optional
        Called in any case, last.
    on_produced : callable, optional
        Called with each result that `Job.produce` hands over, in the GUI thread.
    bar : Follower, optional
        Shows the job in a widget, too.
    owner : QWidget, optional
        The job is cancelled when this widget is closed or destroyed.

    Returns
    -------
    Job
        To cancel it, or to follow it.
    """
    job = Job(function, title)
    _Bar(job)
    job.done.connect(on_done)
    job.failed.connect(on_failed)
    if on_end is not None:
        job.finished.connect(on_end)
    if on_produced is not None:
        job.produced.connect(on_produced)
    if bar is not None:
        bar.follow(job)
    if owner is not None:
        owner.destroyed.connect(job.cancel)
        if hasattr(owner, "closed"):
            owner.closed.connect(job.cancel)
    job.start()
    return job


def cancel_all(seconds: float = _PATIENCE) -> bool:
    """Cancel all jobs and wait for their threads; False if some still work after so many seconds."""
    deadline = time.monotonic() + seconds
    jobs = list(_RUNNING)
    for job in jobs:
        job.cancel()
    return all(job.wait(max(deadline - time.monotonic(), 0)) for job in jobs)


def time_left(job: Job, done: int, total: int) -> str:
    """``"about 15 s left"``, by the pace so far; empty while nobody knows."""
    elapsed = time.monotonic() - job.started
    if not 0 < done <= total or elapsed < 1:
        return ""
    return f"about {describe_time(elapsed * (total - done) / done)} left"


class _Bar(QObject):
    """The bar of a job in napari's activity dock.

    napari paints and handles events whenever a bar changes. So it is changed a few times per second only, and
    while one step is shown the next one may arrive, and so may the end of the job, or of the viewer.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._job = job
        self._bar: CancelableBar | None = None
        self._step = (0, 0, "")
        self._words = ""
        self._delay = QTimer(self, singleShot=True, interval=round(1000 * _BAR_AFTER))
        self._delay.timeout.connect(self._open)
        self._delay.start()
        self._due = QTimer(self, singleShot=True, interval=round(1000 * _PAUSE))
        self._due.timeout.connect(self._show)
        job.stepped.connect(self._remember)
        job.finished.connect(self._close)

    def _open(self) -> None:
        bar = CancelableBar(total=0, desc=self._job.title, cancel_callback=self._job.cancel)
        if self._job.running:
            self._bar = bar
            self._show()
        else:
            bar.close()

    def _remember(self, done: int, total: int, text: str) -> None:
        self._step = done, total, text
        if not self._due.isActive():
            self._due.start()

    def _show(self) -> None:
        done, total, text = self._step
        try:
            if self._bar is not None and total:
                self._bar.total = total
            if self._bar is not None:
                self._describe(self._bar, ", ".join(filter(None, (text, time_left(self._job, done, total)))))
            if self._bar is not None:
                self._bar.update(done - self._bar.n)
        except RuntimeError:
            # The viewer was closed, and Qt has deleted its bars.
            self._bar = None

    def _describe(self, bar: CancelableBar, words: str) -> None:
        # Each change is painted.
        if words != self._words:
            self._words = words
            bar.set_description(f"{self._job.title}: {words}")

    def _close(self) -> None:
        self._delay.stop()
        self._due.stop()
        bar, self._bar = self._bar, None
        if bar is not None:
            # The viewer may be closed already.
            with suppress(RuntimeError):
                bar.close()


class CancelableBar(cancelable_progress):
    """A bar in napari's activity dock whose cancel works.

    napari calls back only where its bar is a loop; ours is moved by hand.
    """

    def cancel(self) -> None:
        super().cancel()
        if self.cancel_callback is not None:
            self.cancel_callback()


atexit.register(cancel_all)
