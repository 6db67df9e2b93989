"""Models by path and by name: what lies on disk wins, and what comes along is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from unetscope import api
from unetscope.api import models
from unetscope.errors import ModelError, OutputError
from unetscope.io import read
from unetscope.model_about import About


def test_a_model_that_comes_along_is_found_by_its_name(shipped: Path) -> None:
    assert api.shipped_models() == {"spots": shipped / "spots.safetensors"}
    assert api.find_model("spots") == api.find_model(Path("spots")) == shipped / "spots.safetensors"
    assert api.load_model("spots").diameter == 8
    assert api.model_name("spots") == "spots"


def test_a_file_or_run_of_that_name_wins(
    shipped: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spots").mkdir()
    assert api.find_model("spots") == shipped / "spots.safetensors", "a folder of images is no model"
    (tmp_path / "spots").rmdir()
    shutil.copytree(trained, tmp_path / "spots")
    assert api.find_model("spots") == Path("spots/model.safetensors")
    assert api.model_name("spots") == "spots"
    shutil.rmtree(tmp_path / "spots")
    shutil.copy(trained / "model.safetensors", tmp_path / "spots")
    assert api.read_card("spots").recipe.target.kind == "binary"


def test_an_unknown_name_is_answered_with_those_that_there_are(shipped: Path) -> None:
    with pytest.raises(ModelError, match=r"^spotz is not .* one of the names spots: .*unetscope models"):
        api.load_model("spotz")


def test_without_any_model_the_answer_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unetscope.api.models.SHIPPED", tmp_path / "nothing")
    assert api.shipped_models() == {}
    with pytest.raises(ModelError, match="this version comes with none"):
        api.read_card("nuclei")


def test_a_folder_that_is_no_run_is_still_told_so(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a run folder"):
        api.find_model(tmp_path)


def test_all_that_come_along_are_small_and_have_a_story() -> None:
    """Those that are really in the package, however many these are."""
    for name, path in api.shipped_models().items():
        card = api.read_card(name)
        assert path.stat().st_size <= 8_000_000, name
        assert card.about is not None, name
        assert card.about.licenses, name
    assert {path.suffix for path in models.SHIPPED.iterdir()} <= {".safetensors", ".md"}


def test_publishing_adds_the_story_and_changes_nothing_else(
    trained_objects: Path, story: About, tmp_path: Path, samples: Path
) -> None:
    out = api.publish_model(trained_objects, story, tmp_path / "cells.safetensors")
    card, before = api.read_card(out), api.read_card(trained_objects)
    assert card.about == story
    assert before.about is None
    assert {k: v for k, v in card.provenance.items() if k != "about"} == before.provenance
    assert (card.threshold, card.seed, card.recipe) == (before.threshold, before.seed, before.recipe)
    image = read(next((samples / "cells" / "images").glob("*.png")))
    first, second = (api.predict(model, image) for model in (trained_objects, out))
    np.testing.assert_array_equal(first.labels.data, second.labels.data)
    with pytest.raises(OutputError, match="cells"):
        api.publish_model(trained_objects, story, out)


def test_a_story_that_cannot_be_read_is_an_error_and_not_no_story(
    shipped: Path, story: About, tmp_path: Path
) -> None:
    from unetscope.model import Model

    model = Model.load(shipped / "spots.safetensors")
    model.provenance["about"].pop("limits")
    card = api.read_card(model.save(tmp_path / "cut.safetensors"))
    with pytest.raises(ModelError, match=r"cut\.safetensors.*limits"):
        _ = card.about


def test_the_diameter_is_given_or_estimated(shipped: Path, four_disks: Path) -> None:
    estimated = api.predict("spots", four_disks)
    assert estimated.diameter == pytest.approx(16, abs=1.5)
    assert estimated.labels.data.max() == 4
    assert estimated.at(0.4).diameter == estimated.diameter
    assert api.predict("spots", four_disks, diameter=12.5).diameter == 12.5


def test_without_one_size_there_is_no_diameter(trained_objects: Path, samples: Path) -> None:
    image = next((samples / "cells" / "images").glob("*.png"))
    assert api.predict(trained_objects, image).diameter is None


def test_the_index_of_predictions_tells_the_diameter(shipped: Path, four_disks: Path, tmp_path: Path) -> None:
    from unetscope.folders import predict_files
    from unetscope.folders.index import INDEX, read_index

    out = tmp_path / "out"
    ((result, _),) = predict_files(Path("spots"), four_disks, out, diameter=15, device="cpu")
    assert result.diameter == 15
    assert read_index(out)[result.labels]["diameter"] == 15

    # As earlier versions wrote it.
    entries = json.loads((out / INDEX).read_text())
    del entries[0]["diameter"]
    (out / INDEX).write_text(json.dumps(entries))
    assert list(read_index(out)) == [result.labels]
