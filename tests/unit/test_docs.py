"""The pages that are made from code are up to date."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_recipe_reference_is_made_from_the_schema() -> None:
    path = ROOT / "docs" / "make_recipe_reference.py"
    spec = importlib.util.spec_from_file_location("make_recipe_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert written == module.reference(), "run python docs/make_recipe_reference.py"
    assert not [line for line in written.splitlines() if line.endswith("|  |")], "a setting has no docstring"
