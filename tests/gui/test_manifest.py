"""The manifest: valid, found, and everything that it names is there."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels
from napari.utils.shortcuts import default_shortcuts
from npe2 import PluginManifest

from unetscope._napari import commands
from unetscope._napari.commands import COMMANDS, offer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_distribution("unetscope")


def test_the_manifest_is_the_one_at_the_top(manifest: PluginManifest) -> None:
    assert manifest.contributions == PluginManifest.from_file(ROOT / "napari.yaml").contributions


def test_whatever_it_names_exists(manifest: PluginManifest) -> None:
    for command in manifest.contributions.commands or []:
        module, _, name = str(command.python_name).partition(":")
        assert callable(getattr(import_module(module), name)), command.id


def test_every_command_is_used_or_can_be_called_by_a_person(manifest: PluginManifest) -> None:
    contributions = manifest.contributions
    parts = (contributions.widgets, contributions.readers, contributions.writers, contributions.sample_data)
    used = {one.command for part in parts for one in part or []}
    free = {command.id for command in contributions.commands or [] if command.enablement is None} - used
    assert free == {f"unetscope.{n}" for n in ("segment", "next_image", "previous_image", "toggle_overlay")}


def test_the_widgets_come_in_the_order_of_the_work(manifest: PluginManifest) -> None:
    names = [widget.display_name for widget in manifest.contributions.widgets or []]
    assert names == ["1 Dataset", "2 Normalize", "3 Train", "4 Predict", "5 Metrics", "Experiments"]
    assert {command.widget for command in COMMANDS.values()} <= set(names)


def test_readers_call_their_parameter_path(manifest: PluginManifest) -> None:
    for reader in manifest.contributions.readers or []:
        command = next(c for c in manifest.contributions.commands or [] if c.id == reader.command)
        module, _, name = str(command.python_name).partition(":")
        assert list(inspect.signature(getattr(import_module(module), name)).parameters) == ["path"]


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.dcm", "read_dicom"),
        ("A.DCM", "read_dicom"),
        ("DICOMDIR", "read_dicom"),
        ("IM000001", "read_dicom"),
        ("1.2.840.113619.2.5", "read_dicom"),
        ("a.png", "read_file"),
        ("a.nii.gz", "read_file"),
        ("", "read_folder"),
        ("a.tif", None),
        ("abcd.csv", None),
        ("README.md", None),
        ("notes.txt", None),
    ],
)
def test_patterns_lead_to_the_right_reader(
    plugin: Any, tmp_path: Path, name: str, reader: str | None
) -> None:
    found = plugin.iter_compatible_readers(str(tmp_path / name))
    ours = [one.command for one in found if one.plugin_name == "unetscope"]
    assert ours == ([] if reader is None else [f"unetscope.{reader}"])


@pytest.mark.parametrize(
    ("name", "writer"),
    [
        ("a.png", "write_png"),
        ("a.ome.tif", "write_tiff"),
        ("a.dcm", "write_dicom"),
        ("a.nii.gz", "write_nifti"),
        ("a.seg.nrrd", "write_nrrd"),
        ("a.ome.zarr", "write_zarr"),
    ],
)
def test_endings_lead_to_the_right_writer(plugin: Any, name: str, writer: str) -> None:
    found, _ = plugin.get_writer(name, ["labels"])
    assert found.command == f"unetscope.{writer}"


class Widget:
    def __init__(self) -> None:
        self.done = 0

    def segment(self) -> None:
        self.done += 1


def test_keys_do_what_a_widget_offers(viewer_model: Any) -> None:
    widget = Widget()
    offer(viewer_model, "segment", widget.segment)
    commands.segment(viewer_model)
    (bound,) = [action for key, action in viewer_model.keymap.items() if str(key) == "Shift+S"]
    bound(viewer_model)
    assert widget.done == 2


def test_a_closed_widget_is_not_asked_any_more(viewer_model: Any) -> None:
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "show_info", said.append)
        offer(viewer_model, "segment", Widget().segment)
        commands.segment(viewer_model)
    assert said == ["Segment the current layer: open the widget 4 Predict first."]


def test_no_key_of_napari_is_taken() -> None:
    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    ours = {command.key.replace("-", "+") for command in COMMANDS.values()}
    assert len(ours) == len(COMMANDS)
    assert not ours & taken
    labels = Labels(np.zeros((2, 2), int))
    assert not ours & {str(key) for key in labels.class_keymap}
