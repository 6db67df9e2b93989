"""``unetscope gui``: what is opened, and one sentence where nothing can be."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Call = Callable[..., Any]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[Path, ...], str | None]]:
    """What would be opened; no window is."""
    app = pytest.importorskip("unetscope._napari.app", reason="napari is not installed")
    calls: list[tuple[tuple[Path, ...], str | None]] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(app, "open_viewer", lambda paths, *, sample: calls.append((tuple(paths), sample)))
    monkeypatch.setattr(app.napari, "run", lambda: None)
    return calls


def test_without_paths_the_heart_is_shown(unetscope: Call, opened: list[Any]) -> None:
    assert unetscope("gui").code == 0
    assert unetscope("gui", "a.dcm", "b").code == 0
    assert unetscope("gui", "a.dcm", "--sample", "cells").code == 0
    both = (Path("a.dcm"), Path("b"))
    assert opened == [((), "heart"), (both, None), (both[:1], "cells")]


def test_without_napari_one_sentence_says_what_to_install(
    unetscope: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "unetscope._napari.app", raising=False)
    monkeypatch.setitem(sys.modules, "napari", None)
    code, out, err = unetscope("gui")
    assert (code, out) == (1, "")
    assert 'pip install "unetscope[gui]"' in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="there always is a screen")
def test_without_a_screen_one_sentence_says_so(unetscope: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("napari")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    code, _, err = unetscope("gui")
    assert code == 3
    assert "no screen" in err


@pytest.mark.parametrize("arguments", [("nowhere.dcm",), ("--sample", "lung")])
def test_what_is_not_there_is_refused_before_a_window_opens(
    unetscope: Call, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    pytest.importorskip("napari")
    monkeypatch.setenv("DISPLAY", ":0")
    code, _, err = unetscope("gui", *arguments)
    assert code == 3
    assert arguments[-1] in err
