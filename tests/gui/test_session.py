from __future__ import annotations

from typing import Any

import pytest
from napari.utils._proxies import PublicOnlyProxy

from unetscope._napari import settings
from unetscope._napari.session import Session
from unetscope.errors import RecipeError
from unetscope.recipe import Recipe, change
from unetscope.recipe.plan import Plan
from unetscope.recipe.presets import preset


def test_all_widgets_of_a_viewer_share_one_session(viewer_model: Any) -> None:
    session = Session.of(viewer_model)
    assert Session.of(PublicOnlyProxy(viewer_model)) is session
    assert Session.of(type(viewer_model)()) is not session


def test_a_recipe_is_its_basis_with_the_changes() -> None:
    session = Session()
    session.begin_with("left-ventricle", {"training.epochs": 3})
    assert session.recipe.training.epochs == 3
    assert session.recipe.network == preset("left-ventricle").network


def test_a_wrong_value_changes_nothing() -> None:
    session = Session()
    before = session.recipe
    with pytest.raises(RecipeError, match="depth"):
        session.change({"network.depth": 99})
    assert session.recipe is before
    assert session.changes == {}


def test_settings_survive_a_restart() -> None:
    settings.remember("train", {"minutes": 3.0})
    settings.remember("train", {"preset": "auto"})
    settings.remember("predict", {"labels": True})
    assert settings.recall("train") == {"minutes": 3.0, "preset": "auto"}


def test_damaged_settings_are_forgotten() -> None:
    settings.remember("train", {"minutes": 3.0})
    settings.settings_file().write_text("{")
    assert settings.recall("train") == {}


def test_who_hears_of_a_recipe_finds_its_basis() -> None:
    session = Session()
    heard = []
    session.recipe_changed.connect(lambda recipe: heard.append((session.basis, recipe.name)))
    session.begin_with("left-ventricle")
    assert heard == [("left-ventricle", "left-ventricle")]


def test_another_basis_keeps_what_was_said_about_the_masks() -> None:
    session = Session()
    session.change({"target.ignore": 0, "target.background": 1, "training.minutes": 3.0})
    session.begin_with("left-ventricle")
    assert session.changes == {"target.ignore": 0, "target.background": 1}
    assert not session.is_changed


def test_another_dataset_forgets_a_plan_and_what_went_with_it_only() -> None:
    session = Session()
    multiclass = change(Recipe(), {"target.kind": "multiclass", "loss.kind": "ce"})
    session.plan = Plan(multiclass, ("because",))
    session.change({"loss.kind": "ce+dice", "target.ignore": 255})
    session.dataset = None
    assert session.plan is None
    assert session.changes == {"target.ignore": 255}
    assert session.recipe.target.kind == "binary"


def test_a_plan_that_the_changes_do_not_go_with_is_not_taken() -> None:
    session = Session()
    session.change({"loss.kind": "bce"})
    with pytest.raises(RecipeError, match="multiclass"):
        session.plan = Plan(change(Recipe(), {"target.kind": "multiclass", "loss.kind": "ce"}), ())
    assert session.plan is None
    assert session.recipe.loss.kind == "bce"
