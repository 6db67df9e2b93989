from __future__ import annotations

import pytest

from unetscope.errors import InputError
from unetscope.io import find_pairs
from unetscope.samples import SAMPLES, sample_folder


@pytest.mark.parametrize(("name", "count"), [("heart", 32), ("fundus", 6), ("xray", 6), ("cells", 6)])
def test_every_sample_set_has_usable_pairs(name, count):
    folder = sample_folder(name)
    pairing = find_pairs(folder / "training" if name == "heart" else folder)
    assert len(pairing.usable()) == len(pairing.pairs) == count
    assert pairing.unpaired == ()


def test_the_sample_sets_are_all_folders_that_come_with_the_package():
    folder = sample_folder("heart").parent
    assert sorted(
        path.name for path in folder.iterdir() if path.is_dir() and path.name[0] not in "_."
    ) == sorted(SAMPLES)


@pytest.mark.parametrize("name", ["hart", "", ".", "..", "heart/training", "make.py"])
def test_a_sample_set_that_does_not_exist(name):
    with pytest.raises(InputError) as caught:
        sample_folder(name)
    assert str(caught.value).startswith(
        f"there is no sample set {name!r}; expected one of heart, fundus, xray, cells: "
    )
