"""Viewers for the tests of the plugin: each with settings of its own, and nothing left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

napari = pytest.importorskip("napari", reason="the plugin is tested where napari is installed")

HAS_SCREEN = os.environ.get("QT_QPA_PLATFORM", "") != "offscreen" and bool(
    os.environ.get("DISPLAY") or os.name == "nt"
)


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither read nor write the settings of the person who runs the tests."""
    from napari import settings

    # napari reads NAPARI_CONFIG when it is imported, and that was long ago.
    monkeypatch.setattr(settings, "_SETTINGS", None)
    settings.get_settings(tmp_path / "napari" / "settings.yaml")


@pytest.fixture(autouse=True)
def _no_models_come_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the choosers offer is what a test has put there; see the fixture `shipped`."""
    monkeypatch.setattr("unetscope.api.models.SHIPPED", tmp_path / "no models")


@pytest.fixture
def viewer_model() -> Any:
    """A viewer without a window, for the logic of widgets."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def viewer(request: pytest.FixtureRequest) -> Any:
    """A real viewer, where there is a screen; napari's fixture fails the test if windows or threads leak."""
    if not HAS_SCREEN:
        pytest.skip("there is no screen: run under xvfb-run, see CONTRIBUTING.md")
    # Not asked for earlier: it expects that the test is called.
    return request.getfixturevalue("make_napari_viewer")(show=True)


@pytest.fixture(autouse=True)
def _nothing_left(qapp: Any) -> Iterator[None]:
    """Fail a test that leaves windows or working threads behind."""
    from qtpy.QtWidgets import QApplication

    before = set(QApplication.topLevelWidgets())
    yield
    from unetscope._napari.jobs import worker

    still = [job.title for job in worker._RUNNING]
    left = [w for w in QApplication.topLevelWidgets() if w not in before and w.isVisible()]
    assert not still, f"jobs are still running: {still}"
    assert not left, f"windows were left: {left}"


@pytest.fixture
def plugin(npe2pm: Any) -> Any:
    """napari's plugin manager with this plugin and the built-in one; tests see no others."""
    from npe2 import PluginManifest

    for name in ("napari", "unetscope"):
        npe2pm.register(PluginManifest.from_distribution(name))
    return npe2pm
