"""Whatever is done to a file: it is read, or refused with one sentence that names no patient."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.mutators import mutate
from fuzz.seeds import SECRET, SEEDS, make_seed
from unetscope.errors import UNetScopeError
from unetscope.io import find_pairs, read, read_mask

DRAWN = {"coco", "geojson", "csv", "contour"}


@pytest.mark.parametrize("seed", SEEDS)
@settings(max_examples=10)
@given(number=st.integers(0, 2**32))
def test_damaged_files_are_read_or_refused(seed: str, number: int) -> None:
    case = mutate(make_seed(seed), Random(number))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, content in case.items():
            path = Path(folder, name)
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                path.write_bytes(content)
        path = Path(folder, next(iter(case)))
        for reader in (find_pairs,) if seed in DRAWN else (read, read_mask):
            sentence = ""
            try:
                result = reader(path)
            except UNetScopeError as error:
                sentence = str(error)
            else:
                assert seed in DRAWN or np.asarray(result.data).dtype.kind in "iuf"
            assert sentence.isprintable()
            assert SECRET not in sentence
