"""The pages that are made from code are up to date, and those that are not say what the program says."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

from unetscope.evaluation.columns import DISTANCES, IN_PRINT, SCORES, TITLES
from unetscope.evaluation.object_overlay import OBJECT_OUTCOMES

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"


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


@cache
def words_of_the_program() -> set[str]:
    """All strings in the code and the manifest, without the marks of keyboard shortcuts."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "src").rglob("*.py")]
    constants = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    strings = {value.replace("&", "") for value in constants if isinstance(value, str)}
    return strings | set(
        re.findall(r"display_name: (.+)", (ROOT / "napari.yaml").read_text(encoding="utf-8"))
    )


def test_names_in_the_tutorial_are_those_on_the_screen() -> None:
    bold = re.findall(r"\*\*(.+?)\*\*", TUTORIAL.read_text(encoding="utf-8"), flags=re.DOTALL)
    names = {" ".join(name.split()) for name in bold}
    assert len(names) > 30
    assert names <= words_of_the_program(), names - words_of_the_program()


def test_messages_in_the_tutorial_are_those_of_the_program() -> None:
    rows = re.findall(
        r"^\| (?!what you read)(\S.*?) \|", TUTORIAL.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    phrases = [
        phrase.strip().removeprefix("expected ") for row in rows for phrase in re.split(r"[^\w ]|\d", row)
    ]
    long = [phrase for phrase in phrases if len(phrase.split()) > 2]
    assert len(long) >= len(rows) > 4
    everything = "\n".join(words_of_the_program())
    assert [phrase for phrase in long if phrase not in everything] == []


def test_the_page_of_scores_explains_every_column_and_every_color() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (.+?) \|", page, flags=re.MULTILINE)
    explained = {name for cell in cells for name in cell.split(", ")}
    assert {TITLES[key] for key in (*SCORES, *IN_PRINT, *DISTANCES)} <= explained
    assert [name for name in OBJECT_OUTCOMES if f"| {name}: " not in page] == []


def test_pictures_of_the_tutorial_are_there_and_small() -> None:
    named = re.findall(r"!\[.+?\]\((.+?)\)", TUTORIAL.read_text(encoding="utf-8"))
    pictures = {path: path.stat().st_size for path in (ROOT / "docs" / "pictures").iterdir()}
    assert {ROOT / "docs" / name for name in named} == set(pictures)
    assert max(pictures.values()) <= 250_000
    assert sum(pictures.values()) <= 2_000_000
