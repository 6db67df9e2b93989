"""What a run writes down about its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from unetscope.errors import InputError
from unetscope.io.image import Source
from unetscope.recipe import Recipe
from unetscope.training.dataset import Example
from unetscope.training.run import Run, file_hash
from unetscope.training.session import describe_data

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
