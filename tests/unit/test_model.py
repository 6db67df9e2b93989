"""The model file: what goes in comes out, and nothing damaged goes further."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from unetscope.errors import ModelError, OutputError
from unetscope.inference import predict_image
from unetscope.io.image import Image
from unetscope.model import Model
from unetscope.model_card import FORMAT_VERSION, ModelCard
from unetscope.network import UNet
from unetscope.preprocess import Scaling
from unetscope.recipe import Recipe, change

SETTINGS = ["network.depth=1", "network.width=2", "network.norm=batch", "preprocess.normalize.scope=dataset"]


@pytest.fixture
def model() -> Model:
    torch.manual_seed(3)
    recipe = change(Recipe(), SETTINGS)
    network = UNet(recipe.network, 1, 1)
    network(torch.randn(4, 1, 8, 8))
    return Model(
        network.eval(),
        recipe,
        (0, 255),
        ("gray",),
        Scaling((3.5,), (0.1,), clip=True),
        0.35,
        provenance={"torch": "2", "scores": {"validation dice": 0.9, "validation loss": None}},
    )


@pytest.fixture
def path(model: Model, tmp_path: Path) -> Path:
    return model.save(tmp_path / "model.safetensors")


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


def _rewrite(path: Path, **changes: str) -> None:
    tensors = load_file(path)
    save_file(tensors, path, metadata={**_metadata(path), **changes})


def test_a_loaded_model_predicts_the_same(model: Model, path: Path) -> None:
    loaded = Model.load(path)
    image = Image(np.random.default_rng(0).integers(0, 20, (9, 11)), "YX")
    before, after = predict_image(model, image), predict_image(loaded, image)
    np.testing.assert_array_equal(before.probabilities.data, after.probabilities.data)
    np.testing.assert_array_equal(before.labels.data, after.labels.data)
    assert not loaded.network.training


def test_the_memory_format_of_training_does_not_matter(model: Model, path: Path) -> None:
    model.network.to(memory_format=torch.channels_last)
    loaded = Model.load(model.save(path, overwrite=True))
    for before, after in zip(
        model.network.state_dict().values(), loaded.network.state_dict().values(), strict=True
    ):
        assert torch.equal(before, after)


def test_a_loaded_model_says_the_same(model: Model, path: Path) -> None:
    loaded = Model.load(path)
    for name in ("recipe", "values", "channels", "scaling", "threshold", "provenance"):
        assert getattr(loaded, name) == getattr(model, name), name


@pytest.mark.parametrize("scaling", [None, Scaling((0.0, 1.0), (1.0, 2.0), clip=False)])
def test_channels_and_classes_come_back(tmp_path: Path, scaling: Scaling | None) -> None:
    recipe = change(Recipe(), [*SETTINGS, "target.kind=multiclass", "loss.kind=ce"])
    network = UNet(recipe.network, 2, 3).eval()
    saved = Model(network, recipe, (0, 7, 9), ("a", "b"), scaling)
    loaded = Model.load(saved.save(tmp_path / "m.safetensors"))
    assert (loaded.values, loaded.channels, loaded.scaling) == ((0, 7, 9), ("a", "b"), scaling)
    assert (loaded.network.in_channels, loaded.network.out_channels) == (2, 3)


def test_an_existing_file_is_replaced_on_request_only(model: Model, path: Path) -> None:
    with pytest.raises(OutputError, match=r"model\.safetensors"):
        model.save(path)
    model.save(path, overwrite=True)


def _sentence(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        Model.load(path)
    text = str(caught.value)
    assert path.name in text
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such file" in _sentence(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_a_truncated_file(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    assert "damaged or of another kind" in _sentence(path)


@pytest.mark.parametrize("content", [b"epochs: 5\n" * 100, bytes(range(256)) * 10])
def test_a_file_of_another_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    assert "damaged or of another kind" in _sentence(path)


def test_a_folder(tmp_path: Path) -> None:
    _sentence(tmp_path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}])
def test_a_file_of_another_program(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    path = tmp_path / "bert.safetensors"
    save_file({"a": torch.zeros(3)}, path, metadata=metadata)
    assert "another program" in _sentence(path)


@pytest.mark.parametrize("version", [str(FORMAT_VERSION + 1), "", "next"])
def test_a_newer_format(path: Path, version: str) -> None:
    _rewrite(path, version=version)
    assert "update unetscope" in _sentence(path)


def test_weights_that_do_not_fit_the_recipe(path: Path) -> None:
    save_file({"a": torch.zeros(1)}, path, metadata=_metadata(path))
    assert "does not fit together" in _sentence(path)


@pytest.mark.parametrize("card", ["", "[1]", "{}", '{"recipe": {"unknown": 1}}'])
def test_an_unreadable_description(path: Path, card: str) -> None:
    _rewrite(path, model=card)
    _sentence(path)


@pytest.mark.parametrize("key", ["recipe", "values", "channels", "scaling"])
def test_a_description_of_the_wrong_kind(path: Path, key: str) -> None:
    _rewrite(path, model=json.dumps({**json.loads(_metadata(path)["model"]), key: 5.5}))
    _sentence(path)


@contextlib.contextmanager
def _full_disk() -> Iterator[None]:
    """Files cannot grow beyond a thousand bytes, as on a full disk."""
    if sys.platform == "win32":
        pytest.skip("needs a limit on the size of files")
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_earlier_file(model: Model, path: Path) -> None:
    earlier = path.read_bytes()
    with _full_disk(), pytest.raises(OutputError, match="cannot be written"):
        model.save(path, overwrite=True)
    assert path.read_bytes() == earlier
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_failed_rename_leaves_the_earlier_file(
    model: Model, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    earlier = path.read_bytes()
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        model.save(path, overwrite=True)
    assert path.read_bytes() == earlier
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_description_names_no_place(path: Path, tmp_path: Path) -> None:
    text = json.dumps(_metadata(path))
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text


def test_the_card_says_what_the_model_says(model: Model, path: Path) -> None:
    card = ModelCard.read(path)
    for name in ("recipe", "values", "channels", "scaling", "threshold"):
        assert getattr(card, name) == getattr(model, name)
    assert card.provenance == model.provenance
    # Without the statistics of batch normalization.
    assert card.parameters == sum(parameter.numel() for parameter in model.network.parameters())
