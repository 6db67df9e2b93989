"""What a run writes down about its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unetscope.errors import InputError
from unetscope.io.image import Source
from unetscope.recipe import Recipe
from unetscope.training.dataset import Example
from unetscope.training.run import Run, file_hash
from unetscope.training.session import describe_data, fit

MakeRecipe = Callable[..., Recipe]
MakeExamples = Callable[..., list[Example]]


def test_roles_follow_the_split(recipe: MakeRecipe, examples: MakeExamples) -> None:
    entries = describe_data(examples(5), recipe("split={validation: 0.4, choose: last}"))
    assert [entry.role for entry in entries] == ["training"] * 3 + ["validation"] * 2
    assert [entry.name for entry in entries] == [f"disk {i}" for i in range(5)]


def test_arrays_are_known_by_their_pixels(recipe: MakeRecipe, examples: MakeExamples) -> None:
    first, again, other = (describe_data(examples(2, seed=s), recipe()) for s in (0, 0, 1))
    assert first == again
    assert first[0].image == first[0].mask == ""
    assert first[0].image_sha256 != other[0].image_sha256
    assert first[0].image_sha256 != first[1].image_sha256


@pytest.mark.parametrize("changed", [False, True])
def test_a_series_in_a_folder_can_be_found_again(
    recipe: MakeRecipe, examples: MakeExamples, tmp_path: Path, changed: bool
) -> None:
    series = tmp_path / "series"
    series.mkdir()
    (series / "1.dcm").write_bytes(b"first slice")
    pairs = [
        replace(
            example,
            image=replace(example.image, source=Source(series)),
            mask=replace(example.mask, source=Source(series / "1.dcm")),
        )
        for example in examples(2)
    ]
    entries = describe_data(pairs, recipe())
    assert entries[0].image == str(series.resolve())
    assert entries[0].image_sha256 == file_hash(series)
    run = Run.create(tmp_path / "run", recipe(), entries)
    if not changed:
        run.check_data()
        return
    (series / "2.dcm").write_bytes(b"second slice")
    with pytest.raises(InputError, match="series is missing or has changed"):
        run.check_data()


def _tiny_number() -> float:
    return (torch.tensor(1e-40) * 1).item()


@pytest.mark.parametrize("stopped", [False, True])
def test_denormal_numbers_are_flushed_only_while_training(
    recipe: MakeRecipe, examples: MakeExamples, tmp_path: Path, stopped: bool
) -> None:
    pairs, settings = examples(3), recipe()
    run = Run.create(tmp_path / "run", settings, describe_data(pairs, settings))
    assert _tiny_number() != 0
    epochs = fit(run, pairs, device=torch.device("cpu"))
    next(epochs)
    assert _tiny_number() == 0
    if stopped:
        epochs.close()
    else:
        assert len(list(epochs)) == 1
    assert _tiny_number() != 0
