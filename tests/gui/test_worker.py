"""Jobs: whatever happens in the thread, to the bar or to the viewer, the user learns how it ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from napari.utils.progress import progress
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QApplication, QPushButton, QWidget

from unetscope._napari.jobs import worker
from unetscope._napari.jobs.worker import Job, cancel_all, start, time_left
from unetscope.errors import InputError


class Owner(QWidget):
    """A widget as jobs know it."""

    closed = Signal()


def go_on(job: Job) -> None:
    """Work until somebody cancels it."""
    while True:
        job.step(1, 2, "on and on")
        time.sleep(0.001)


def nothing(result: Any) -> None:
    """Take a result that nobody expects."""
    raise AssertionError(result)


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars open at once."""
    monkeypatch.setattr(worker, "_BAR_AFTER", 0.0)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "too little memory"),
        (MemoryError(), "too little memory"),
        (InputError("a.png is empty", expected="an image"), "a.png is empty; expected an image."),
        (StopIteration(), "Work: unexpected StopIteration"),
        (GeneratorExit(), "GeneratorExit"),
        (SystemExit(3), "SystemExit"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_whatever_goes_wrong_in_a_worker_reaches_the_user(
    qtbot: Any, error: BaseException, sentence: str
) -> None:
    def work(job: Job) -> None:
        raise error

    job = Job(work, "Work")
    with qtbot.waitSignals([job.failed, job.finished], timeout=5000) as caught:
        job.start()
    assert sentence in caught.all_signals_and_args[0].args[0]
    assert not job.running


def test_a_mistake_in_the_program_leaves_its_traceback(qtbot: Any, caplog: pytest.LogCaptureFixture) -> None:
    job = Job(lambda job: 1 / 0, "Work")
    with qtbot.waitSignal(job.finished, timeout=5000):
        job.start()
    assert "ZeroDivisionError" in caplog.text


def test_a_cancelled_job_gives_no_result(qtbot: Any) -> None:
    job = Job(go_on, "Work")
    job.done.connect(nothing)
    job.failed.connect(nothing)
    with qtbot.waitSignals([job.cancelled, job.finished], timeout=5000):
        job.start()
        job.cancel()


def test_a_result_that_came_after_the_cancel_is_dropped(qtbot: Any) -> None:
    cancelled = threading.Event()
    job = Job(lambda job: cancelled.wait(5), "Work")
    job.done.connect(nothing)
    with qtbot.waitSignals([job.cancelled, job.finished], timeout=5000):
        job.start()
        job.cancel()
        cancelled.set()


def test_no_result_arrives_after_the_cancel(qtbot: Any) -> None:
    job = Job(lambda job: job.produce("one"), "Work")
    job.produced.connect(nothing)
    with qtbot.waitSignal(job.cancelled, timeout=5000):
        job.start()
        # It is on its way, but has not arrived.
        assert job.wait(5)
        job.cancel()


def test_results_arrive_in_the_gui_thread(qtbot: Any) -> None:
    where: list[Any] = []
    ended: list[int] = []

    def work(job: Job) -> int:
        job.produce("one")
        return 7

    job = start(
        work,
        title="Work",
        on_done=lambda result: where.append((result, threading.current_thread())),
        on_end=lambda: ended.append(1),
        on_produced=lambda result: where.append((result, threading.current_thread())),
    )
    qtbot.waitUntil(lambda: bool(ended), timeout=5000)
    main = threading.main_thread()
    assert where == [("one", main), (7, main)]
    assert not job.running


def test_steps_arrive_in_the_gui_thread(qtbot: Any) -> None:
    where: list[Any] = []
    job = Job(lambda job: job.step(1, 2, "half"), "Work")
    job.stepped.connect(lambda *step: where.append((step, threading.current_thread())))
    with qtbot.waitSignal(job.finished, timeout=5000):
        job.start()
    assert where == [((1, 2, "half"), threading.main_thread())]


def test_many_steps_do_not_keep_the_viewer_busy(qtbot: Any) -> None:
    steps: list[int] = []

    def work(job: Job) -> None:
        tell = job.share(1, 2)
        for index in range(5000):
            tell(index / 5000)

    job = Job(work, "Work")
    job.stepped.connect(lambda done, total, text: steps.append(done))
    with qtbot.waitSignal(job.finished, timeout=5000):
        job.start()
    assert steps == sorted(steps)
    assert steps[0] == 1000
    assert len(steps) < 500


def test_what_the_function_knew_is_let_go(qtbot: Any) -> None:
    class Large:
        alive = 0

        def __init__(self) -> None:
            Large.alive += 1

        def __del__(self) -> None:
            Large.alive -= 1

    def work(job: Job, large: Any = Large()) -> None:  # noqa: B008
        pass

    job = Job(work, "Work")
    del work
    with qtbot.waitSignal(job.finished, timeout=5000):
        job.start()
    assert Large.alive == 0


@pytest.mark.usefixtures("_soon")
def test_the_cancel_of_the_bar_works(qtbot: Any) -> None:
    before = set(progress._all_instances)
    job = start(go_on, title="Work", on_done=nothing)
    qtbot.waitUntil(lambda: len(progress._all_instances) > len(before), timeout=5000)
    (bar,) = set(progress._all_instances) - before
    qtbot.waitUntil(lambda: bar.n == 1, timeout=5000)
    assert (bar.total, bar.desc.rstrip(": ")) == (2, "Work: on and on")
    with qtbot.waitSignal(job.cancelled, timeout=5000):
        bar.cancel()
    qtbot.waitUntil(lambda: set(progress._all_instances) == before, timeout=5000)


def test_a_short_job_shows_no_bar(qtbot: Any) -> None:
    before = set(progress._all_instances)
    job = start(lambda job: job.step(1, 2), title="Work", on_done=lambda result: None)
    with qtbot.waitSignal(job.finished, timeout=5000):
        pass
    qtbot.wait(1)
    assert set(progress._all_instances) == before


@pytest.mark.usefixtures("_soon")
def test_a_bar_that_opens_too_late_is_closed(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = set(progress._all_instances)
    job = start(go_on, title="Work", on_done=nothing)
    make = worker.CancelableBar.__init__

    def slow(self: Any, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        job.cancel()
        # As napari does: it handles events while it makes a bar.
        qtbot.waitUntil(lambda: not job.running, timeout=5000)

    monkeypatch.setattr(worker.CancelableBar, "__init__", slow)
    qtbot.waitUntil(lambda: not job.running, timeout=5000)
    qtbot.waitUntil(lambda: set(progress._all_instances) == before, timeout=5000)


def test_closing_its_widget_cancels_a_job(qtbot: Any) -> None:
    owner = Owner()
    qtbot.addWidget(owner)
    job = start(go_on, title="Work", on_done=nothing, owner=owner)
    with qtbot.waitSignal(job.cancelled, timeout=5000):
        owner.closed.emit()


def test_deleting_its_widget_cancels_a_job(qtbot: Any) -> None:
    owner = Owner()
    job = start(go_on, title="Work", on_done=nothing, owner=owner)
    with qtbot.waitSignal(job.cancelled, timeout=5000):
        owner.deleteLater()


def test_all_jobs_are_cancelled_and_waited_for(qtbot: Any) -> None:
    jobs = [start(go_on, title=f"Work {i}", on_done=nothing) for i in range(3)]
    assert cancel_all()
    assert all(job.wait(0) for job in jobs)
    qtbot.waitUntil(lambda: not any(job.running for job in jobs), timeout=5000)


def test_waiting_for_jobs_has_an_end(qtbot: Any) -> None:
    end = threading.Event()
    job = start(lambda job: end.wait(5), title="Work", on_done=nothing)
    assert not cancel_all(seconds=0.01)
    end.set()
    qtbot.waitUntil(lambda: not job.running, timeout=5000)


def test_the_program_may_end_while_a_job_works() -> None:
    code = """
import time
from qtpy.QtWidgets import QApplication
app = QApplication([])
from unetscope._napari.jobs.worker import start
def work(job):
    while True:
        job.step()
        time.sleep(0.01)
start(work, title="Work", on_done=print)
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("elapsed", "done", "words"),
    [
        (0.5, 1, ""),
        (10, 0, ""),
        (10, 50, "about 10 s left"),
        (10, 100, "about 5 s left"),
        (10, 5, "about 3 min left"),
        (10, 101, ""),
    ],
)
def test_the_time_left(qtbot: Any, elapsed: float, done: int, words: str) -> None:
    job = Job(go_on, "Work")
    job.started -= elapsed
    assert time_left(job, done, 100) == words


@pytest.mark.usefixtures("_soon")
def test_the_button_in_the_activity_dock_cancels(viewer: Any, qtbot: Any) -> None:
    job = start(go_on, title="Work", on_done=nothing)

    def button() -> Any:
        widgets = [w for w in QApplication.allWidgets() if isinstance(w, QPushButton)]
        return next((w for w in widgets if w.text() == "Cancel"), None)

    qtbot.waitUntil(lambda: button() is not None, timeout=5000)
    with qtbot.waitSignal(job.finished, timeout=5000):
        button().click()


@pytest.mark.usefixtures("_soon")
def test_the_viewer_may_be_closed_while_a_job_works(viewer: Any, qtbot: Any) -> None:
    widget = Owner()
    viewer.window.add_dock_widget(widget, name="Owner")
    before = set(progress._all_instances)
    job = start(go_on, title="Work", on_done=nothing, owner=widget)
    qtbot.waitUntil(lambda: len(progress._all_instances) > len(before), timeout=5000)
    del widget
    with qtbot.waitSignal(job.cancelled, timeout=5000):
        viewer.close()
