"""Training that begins with the weights of a model: that it does, what it keeps, and what it refuses."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import load_file

from unetscope import api
from unetscope.errors import InputError, ModelError, RecipeError
from unetscope.folders import compare_run, write_report
from unetscope.io import Image
from unetscope.recipe import Recipe, change
from unetscope.training.folder import RunFolder
from unetscope.training.run import Run

MakeDisks = Callable[..., Path]
SMALL = {"network.depth": 1, "network.width": 2, "augmentation": {"flip": ["X"]}}
BRIEF = {"training.epochs": 2, "training.minutes": None, "training.samples": None}
# So small that the weights stay what they were.
STILL = BRIEF | {"optimizer.learning_rate": 1e-12, "training.averaging": 0}


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a model to start from; do not write there."""
    top = tmp_path_factory.mktemp("first")
    rng = np.random.default_rng(1)
    pairs = []
    for _ in range(4):
        mask = np.zeros((16, 16), np.uint8)
        mask[4:11, 5:12] = 255
        pairs.append((Image(mask * 0.5 + rng.normal(0, 20, mask.shape), "YX"), Image(mask, "YX")))
    recipe = change(Recipe(), SMALL | {"preprocess.normalize.method": "minmax", "training.epochs": 4})
    return api.train(pairs, top / "run", recipe=recipe, device="cpu").path


def weights(run: Path, name: str = "model.safetensors") -> dict[str, torch.Tensor]:
    return load_file(run / name)


def close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.allclose(one[k], other[k], atol=1e-6) for k in one)


def same_end(one: Run, other: Run) -> None:
    mine, its = weights(one.path), weights(other.path)
    assert mine.keys() == its.keys()
    assert all(torch.equal(mine[name], its[name]) for name in mine)
    assert [r["train_loss"] for r in one.history()] == [r["train_loss"] for r in other.history()]


def test_it_begins_with_the_weights_of_the_model(first: Path, disks: MakeDisks, tmp_path: Path) -> None:
    data = disks()
    onward = api.train(data, tmp_path / "a", start=first, settings=STILL, device="cpu")
    assert close(weights(onward.path), weights(first))
    # What this could not tell if all networks were alike.
    recipe = change(Recipe(), SMALL | STILL)
    anew = api.train(data, tmp_path / "b", recipe=recipe, device="cpu")
    assert not close(weights(anew.path), weights(first))


def test_auto_takes_over_what_the_model_has_learned(first: Path, disks: MakeDisks, tmp_path: Path) -> None:
    training = api.prepare_training(disks(), tmp_path / "run", start=first, settings=BRIEF, device="cpu")
    recipe, its = training.recipe, api.read_card(first).recipe
    for section in ("preprocess", "network", "loss"):
        assert getattr(recipe, section) == getattr(its, section), section
    assert recipe.target.kind == its.target.kind
    planned = api.plan(disks(), device="cpu")
    assert recipe.preprocess != planned.recipe.preprocess
    assert recipe.optimizer.learning_rate == pytest.approx(planned.recipe.optimizer.learning_rate / 3)
    assert recipe.augmentation == planned.recipe.augmentation
    assert recipe.split == planned.recipe.split


def test_the_run_and_its_model_say_where_they_came_from(
    first: Path, disks: MakeDisks, tmp_path: Path
) -> None:
    file = first / "model.safetensors"
    run = api.train(disks(), tmp_path / "run", start=file, settings=BRIEF, device="cpu")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert run.start is not None
    assert dataclasses.asdict(run.start) == {"name": "run", "sha256": digest, "seen": 0}
    assert run.start_path.read_bytes() == file.read_bytes()
    card = api.read_card(run.path)
    assert card.start == run.start
    assert api.read_card(first).start is None
    assert RunFolder.open(first).start is None
    text = json.dumps(card.provenance)
    assert str(tmp_path) not in text
    assert str(first.parent) not in text


def test_a_report_of_the_run_says_it_too(first: Path, disks: MakeDisks, tmp_path: Path) -> None:
    run = api.train(disks(), tmp_path / "run", start=first, settings=BRIEF, device="cpu")
    report = write_report(compare_run(run.path), tmp_path / "report").read_text(encoding="utf-8")
    assert f"The training began with the weights of {run.start}." in report
    assert "began with" not in write_report(compare_run_of(disks(), tmp_path), tmp_path / "other").read_text()


def compare_run_of(data: Path, tmp_path: Path) -> Any:
    recipe = change(Recipe(), SMALL | BRIEF)
    return compare_run(api.train(data, tmp_path / "anew", recipe=recipe, device="cpu").path)


@pytest.mark.parametrize("epochs", [0, 1])
def test_interrupted_it_goes_on_as_if_it_had_not_been(
    first: Path, disks: MakeDisks, tmp_path: Path, epochs: int
) -> None:
    """Also before the first checkpoint, when the copy in the run folder is all that there is."""
    data = disks()
    source = tmp_path / "source.safetensors"
    source.write_bytes((first / "model.safetensors").read_bytes())
    whole = api.train(data, tmp_path / "whole", start=source, settings=BRIEF, device="cpu")
    training = api.prepare_training(data, tmp_path / "parts", start=source, settings=BRIEF, device="cpu")
    source.unlink()
    records = iter(training)
    assert len(list(itertools.islice(records, epochs))) == epochs
    if hasattr(records, "close"):
        records.close()
    assert (training.run.path / "checkpoint.pt").exists() == (epochs > 0)
    same_end(whole, api.resume(training.run.path, device="cpu"))


def test_a_run_may_be_replaced_by_what_begins_with_it(first: Path, disks: MakeDisks, tmp_path: Path) -> None:
    data = disks()
    run = api.train(data, tmp_path / "run", start=first, settings=BRIEF, device="cpu")
    before = weights(run.path)
    again = api.train(data, run.path, start=run.path, settings=STILL, device="cpu", overwrite=True)
    assert close(weights(again.path), before)
    # One that begins with new weights leaves nothing of it.
    recipe = change(Recipe(), SMALL | BRIEF)
    anew = api.train(data, run.path, recipe=recipe, device="cpu", overwrite=True)
    assert anew.start is None
    assert not anew.start_path.exists()


@pytest.mark.parametrize("damage", ["changed", "gone", "unnamed"])
def test_a_copy_that_is_damaged_is_never_trained_on(
    first: Path, disks: MakeDisks, tmp_path: Path, damage: str
) -> None:
    training = api.prepare_training(disks(), tmp_path / "run", start=first, settings=BRIEF, device="cpu")
    run = training.run
    if damage == "changed":
        other = weights(run.path, "start.safetensors")
        content = bytearray(run.start_path.read_bytes())
        content[-1] ^= 1
        run.start_path.write_bytes(content)
        assert weights(run.path, "start.safetensors").keys() == other.keys()
    elif damage == "gone":
        run.start_path.unlink()
    else:
        (run.path / "start.json").unlink()
    with pytest.raises(ModelError, match=r"start\.(safetensors|json) is damaged"):
        api.prepare_resume(run.path, device="cpu")
    with pytest.raises(ModelError, match=r"start\.(safetensors|json) is damaged"):
        next(iter(training))


def test_images_that_taught_the_model_are_no_honest_judges(disks: MakeDisks, tmp_path: Path) -> None:
    data = disks()
    recipe = change(Recipe(), SMALL | BRIEF)
    run = api.train(data, tmp_path / "a", recipe=recipe, device="cpu")
    same = api.prepare_training(data, tmp_path / "b", start=run.path, settings=BRIEF, device="cpu")
    assert same.warnings == (), "the same seed divides the images alike"
    taught = {entry.image for entry in run.data if entry.role == "training"}
    judging = {
        seed: roles_of(data, tmp_path / f"seed{seed}", run.path, seed)["validation"] & taught
        for seed in range(1, 4)
    }
    seed = max(judging, key=lambda seed: len(judging[seed]))
    assert judging[seed]
    settings = BRIEF | {"seed": seed}
    other = api.prepare_training(data, tmp_path / "c", start=run.path, settings=settings, device="cpu")
    assert other.run.start is not None
    assert other.run.start.seen == len(judging[seed])
    (warning,) = other.warnings
    assert warning.startswith(f"{len(judging[seed])} image(s) that validate or test have taught the model")
    assert api.prepare_resume(other.run.path, device="cpu").warnings == (warning,)
    # A file alone does not tell.
    file = tmp_path / "alone.safetensors"
    file.write_bytes(run.model_path.read_bytes())
    alone = api.prepare_training(data, tmp_path / "d", start=file, settings=settings, device="cpu")
    assert alone.warnings == ()


def roles_of(data: Path, out: Path, start: Path, seed: int) -> dict[str, set[str]]:
    settings = BRIEF | {"seed": seed}
    run = api.prepare_training(data, out, start=start, settings=settings, device="cpu").run
    return {role: {e.image for e in run.data if e.role == role} for role in ("training", "validation")}


# --- what does not fit ---


def refused(kind: type[Exception], *parts: str, **arguments: Any) -> None:
    with pytest.raises(kind) as caught:
        api.prepare_training(**arguments, device="cpu")
    for part in parts:
        assert part in str(caught.value)
    assert not Path(arguments["out"]).exists(), "nothing may be begun"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"network.width": 3}, "network.width is 3, but run was trained with 2"),
        ({"network.norm": "batch"}, "network.norm is batch, but run was trained with none"),
        ({"network.dropout": 0.1}, "network.dropout is 0.1"),
        ({"target.kind": "instances"}, "target.kind is instances, but run was trained with binary"),
    ],
)
def test_settings_that_change_the_network_are_refused(
    first: Path, disks: MakeDisks, tmp_path: Path, settings: dict[str, Any], key: str
) -> None:
    refused(
        RecipeError,
        key,
        "train a new network",
        data=disks(),
        out=tmp_path / "run",
        start=first,
        settings=settings,
    )


def test_settings_that_leave_the_network_alone_are_taken(
    first: Path, disks: MakeDisks, tmp_path: Path
) -> None:
    settings = BRIEF | {"preprocess.normalize.method": "zscore", "loss.kind": "dice", "network.width": 2}
    run = api.train(disks(), tmp_path / "run", start=first, settings=settings, device="cpu")
    assert (run.recipe.preprocess.normalize.method, run.recipe.loss.kind) == ("zscore", "dice")


def test_a_recipe_must_have_the_same_network(first: Path, disks: MakeDisks, tmp_path: Path) -> None:
    data, its = disks(), api.read_card(first).recipe
    mine = change(its, BRIEF | {"name": "mine", "loss.kind": "bce"})
    run = api.train(data, tmp_path / "a", recipe=mine, start=first, device="cpu")
    assert run.recipe == mine
    other = change(mine, {"network.depth": 2})
    refused(RecipeError, "network.depth is 2", data=data, out=tmp_path / "b", recipe=other, start=first)
    refused(RecipeError, "network.", data=data, out=tmp_path / "b", recipe="left-ventricle", start=first)


def test_channels_must_be_those_of_the_model(first: Path, disks: MakeDisks, tmp_path: Path) -> None:
    data = disks()
    for path in (data / "images").iterdir():
        gray = np.asarray(PIL.Image.open(path))
        PIL.Image.fromarray(np.stack([gray, gray // 2, gray], axis=-1)).save(path)
    ours = {"data": data, "out": tmp_path / "run", "start": first}
    refused(InputError, "has 3 channel(s)", "1 (gray), which run takes", "preprocess.color=gray", **ours)
    run = api.train(**ours, settings=BRIEF | {"preprocess.color": "gray"}, device="cpu")
    assert api.read_card(run.path).channels == ("gray",)


def test_classes_must_be_those_of_the_model(first: Path, disks: MakeDisks, tmp_path: Path) -> None:
    data = disks()
    for path in (data / "masks").iterdir():
        mask = np.asarray(PIL.Image.open(path)).copy()
        mask[:2, :2] = 100
        PIL.Image.fromarray(mask).save(path)
    parts = ("[0, 100, 255]", "knows no more", "train a new network")
    refused(InputError, *parts, data=data, out=tmp_path / "run", start=first)
    # Also where a recipe says what the classes are.
    recipe = change(api.read_card(first).recipe, {"target.kind": "multiclass"})
    refused(RecipeError, "target.kind", data=data, out=tmp_path / "run", recipe=recipe, start=first)


def test_several_classes_keep_their_number(disks: MakeDisks, tmp_path: Path) -> None:
    data = disks()
    for path in (data / "masks").iterdir():
        mask = np.asarray(PIL.Image.open(path)) // 255
        mask[:3, :3] = 2
        PIL.Image.fromarray(mask).save(path)
    settings = SMALL | BRIEF | {"target.kind": "multiclass"}
    three = api.train(data, tmp_path / "three", recipe=change(Recipe(), settings), device="cpu").path
    assert api.read_card(three).values == (0, 1, 2)

    def paint(**values: int) -> None:
        for path in (data / "masks").iterdir():
            mask = np.asarray(PIL.Image.open(path))
            table = np.array([0, *values.values()], np.uint8)
            PIL.Image.fromarray(table[np.searchsorted(np.unique(mask), mask)]).save(path)

    def onward(name: str) -> tuple[int, ...]:
        run = api.train(data, tmp_path / name, start=three, settings=BRIEF, device="cpu")
        return api.read_card(run.path).values

    paint(a=10, b=20)
    assert onward("others") == (0, 10, 20)
    paint(a=1, b=1)
    assert onward("fewer") == (0, 1, 2), "a class that is missing now is still known"
    for path in (data / "masks").iterdir():
        mask = np.asarray(PIL.Image.open(path)).copy()
        mask[:3, :3], mask[-3:, -3:] = 5, 6
        PIL.Image.fromarray(mask).save(path)
    refused(
        InputError, "4 values [0, 1, 5, 6]", "3 classes [0, 1, 2]", data=data, out=tmp_path / "x", start=three
    )


def test_what_is_no_model_is_refused(disks: MakeDisks, tmp_path: Path) -> None:
    refused(ModelError, "nothing is not", data=disks(), out=tmp_path / "run", start="nothing")


def test_objects_are_brought_to_the_size_that_the_model_knows(
    shipped: Path, disks: MakeDisks, tmp_path: Path
) -> None:
    data = disks(grid=(48, 48))
    for path in (data / "masks").iterdir():
        mask = np.asarray(PIL.Image.open(path)) // 255
        mask[:6, :6] = 2
        PIL.Image.fromarray(mask).save(path)
    run = api.train(data, tmp_path / "run", start="spots", settings=BRIEF, device="cpu")
    assert run.start is not None
    assert run.start.name == "spots"
    assert run.recipe.preprocess.diameter == 8
    assert run.recipe.target.kind == "instances"
    other = api.prepare_training(
        data, tmp_path / "b", start="spots", settings=BRIEF | {"preprocess.diameter": 10}, device="cpu"
    )
    assert other.recipe.preprocess.diameter == 10
    card = api.read_card(run.path)
    assert card.about is None, "the story is that of another model"
    assert card.diameter == pytest.approx(13, abs=3)


def test_masks_must_number_objects_for_a_model_that_does(
    shipped: Path, disks: MakeDisks, tmp_path: Path
) -> None:
    refused(
        InputError, "[0, 255]", "a value for each object", data=disks(), out=tmp_path / "r", start="spots"
    )
