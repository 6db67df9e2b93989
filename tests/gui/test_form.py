from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QComboBox, QDoubleSpinBox, QLineEdit

from unetscope._napari.parts.fields import RecipeField, fields, sections, value_of
from unetscope._napari.parts.form import FormBinding, RecipeForm
from unetscope._napari.session import Session
from unetscope.recipe import Recipe, change, recipe_keys
from unetscope.recipe.presets import PRESETS, preset

LEAVES = [key for key in recipe_keys() if not isinstance(value_of(Recipe(), key), BaseModel)]
RICH = change(
    Recipe(),
    {
        "preprocess.normalize": {"method": "window", "center": -300.5, "width": 1e-3},
        "preprocess.crop": (96, 128),
        "target.kind": "multiclass",
        "target.values": (0, 85, 170),
        "loss": {"kind": "ce+dice", "border": {"w0": 7.5}},
        "network.widths": (8, 16, 32, 64, 128),
        "network.dropout": (0.0, 0.1, 0.2, 0.3, 0.4),
        "optimizer": {"epsilon": 1e-12, "learning_rate": 0.00012345, "clip_norm": 2.0},
        "augmentation.flip": ("Z", "X"),
        "training": {"epochs": None, "minutes": 3.0, "patch": (64, 64)},
        "prediction.threshold": 0.35,
        "seed": 2**32 - 1,
    },
)


def form_of(qtbot: Any, *names: str) -> RecipeForm:
    form = RecipeForm(names)
    qtbot.addWidget(form)
    form.show()
    return form


def heard(form: RecipeForm) -> list[tuple[str, Any]]:
    changes: list[tuple[str, Any]] = []
    form.changed.connect(lambda name, value: changes.append((name, value)))
    return changes


def part(form: RecipeForm, name: str, index: int = 0) -> Any:
    return form.editor(name).editor.parts[index]


def line_of(form: RecipeForm, name: str) -> QLineEdit:
    editor = form.editor(name).editor
    return next(line for line in editor.findChildren(QLineEdit) if line.isVisible() and line.isEnabled())


def enter(qtbot: Any, form: RecipeForm, name: str, text: str) -> None:
    line = line_of(form, name)
    line.selectAll()
    qtbot.keyClicks(line, text)
    qtbot.keyClick(line, Qt.Key.Key_Return)


# --- the schema ---


def test_every_setting_of_the_schema_has_an_editor(qtbot: Any) -> None:
    assert list(form_of(qtbot).names) == LEAVES


@pytest.mark.parametrize("field", fields(), ids=lambda field: field.name)
def test_a_setting_explains_itself(qtbot: Any, field: RecipeField) -> None:
    editor = form_of(qtbot, field.name).editor(field.name)
    assert editor.label.text()[0].isupper() or not editor.label.text().isascii()
    assert "_" not in editor.label.text()
    for widget in (editor.label, *editor.editor.parts):
        assert len(widget.toolTip()) > 20
        assert field.name in widget.toolTip()
    assert editor.label.buddy() is editor.editor
    assert all(box.accessibleName() == field.title for box in editor.editor.parts)


def test_titles_within_a_section_differ() -> None:
    titles = [(field.name.rpartition(".")[0], field.title) for field in fields()]
    assert len(set(titles)) == len(titles)


def test_sections_have_titles_and_explanations() -> None:
    assert list(sections()) == [key for key in Recipe.model_fields if key not in ("name", "seed")]
    assert sections()["augmentation"][0] == "Augmentation"
    assert sections()["augmentation"][1].startswith("Random changes of training images")


def test_fields_come_in_the_wanted_order() -> None:
    names = [field.name for field in fields(["training.minutes", "schedule", "training.minutes"])]
    assert names == ["training.minutes", *(key for key in LEAVES if key.startswith("schedule."))]
    with pytest.raises(KeyError, match=r"training\.minute"):
        fields(["training.minute"])


def test_what_a_setting_depends_on_exists_in_the_schema() -> None:
    for field in fields():
        for key, values in field.words.get("only", {}).items():
            name = key if "." in key else f"{field.name.rpartition('.')[0]}.{key}"
            choices = fields([name])[0].kinds[0]["enum"]
            assert set(values) < set(choices), field.name


# --- showing ---


@pytest.mark.parametrize("recipe", [Recipe(), RICH, *map(preset, PRESETS)], ids=lambda recipe: recipe.name)
def test_what_is_shown_is_the_recipe(qtbot: Any, recipe: Recipe) -> None:
    form = form_of(qtbot)
    changes = heard(form)
    form.show_recipe(recipe)
    expected = {name: value_of(recipe, name) for name in form.names}
    if recipe.loss.border is None:
        # There is nothing to show then.
        expected = {name: value for name, value in expected.items() if not name.startswith("loss.border.")}
    else:
        expected["loss.border"] = {}
    assert {name: form.editor(name).value() for name in expected} == expected
    assert changes == []


@pytest.mark.parametrize(
    ("settings", "shown", "hidden"),
    [
        ({}, ["low", "high", "clip", "scope"], ["center", "width"]),
        ({"method": "window"}, ["clip", "center", "width"], ["low", "high", "scope"]),
        ({"method": "zscore"}, ["scope"], ["low", "high", "clip", "center", "width"]),
        ({"method": "none"}, [], ["low", "high", "clip", "center", "width", "scope"]),
    ],
)
def test_only_what_counts_is_shown(
    qtbot: Any, settings: dict[str, Any], shown: list[str], hidden: list[str]
) -> None:
    form = form_of(qtbot, "preprocess.normalize")
    form.show_recipe(change(Recipe(), {"preprocess.normalize": settings}))
    for name, visible in [*((name, True) for name in shown), *((name, False) for name in hidden)]:
        editor = form.editor(f"preprocess.normalize.{name}")
        assert (editor.editor.isVisible(), editor.label.isVisible()) == (visible, visible), name


def test_settings_of_a_section_that_is_left_out_are_hidden(qtbot: Any) -> None:
    form = form_of(qtbot, "loss.border")
    assert not form.editor("loss.border.w0").editor.isVisible()
    form.show_recipe(change(Recipe(), {"loss.border": {}}))
    assert form.editor("loss.border.w0").editor.isVisible()


# --- entering ---


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("training.batch_size", "12", 12),
        ("optimizer.learning_rate", "3e-4", 3e-4),
        ("optimizer.learning_rate", "0,5", 0.5),
        ("augmentation.rotation", "15", 15.0),
        ("training.epochs", "7", 7),
        ("seed", "4294967295", 4294967295),
        ("preprocess.crop", "96, 128", (96, 128)),
        ("preprocess.resize", "64×64", (64, 64)),
        ("network.dropout", "0.2", 0.2),
        ("network.dropout", "0, 0, .1, .2, .3", (0.0, 0.0, 0.1, 0.2, 0.3)),
        ("split.group", "patient", "patient"),
        # Out of its range: the recipe will say so.
        ("network.depth", "9", 9),
    ],
)
def test_what_is_typed_is_told_once(qtbot: Any, name: str, text: str, value: Any) -> None:
    form = form_of(qtbot, name)
    changes = heard(form)
    enter(qtbot, form, name, text)
    part(form, name).clearFocus()
    assert changes == [(name, value)]
    assert type(changes[0][1]) is type(value)


def test_a_number_keeps_its_unit_while_it_is_typed(qtbot: Any) -> None:
    form = form_of(qtbot, "augmentation.elastic")
    enter(qtbot, form, "augmentation.elastic", "25")
    assert line_of(form, "augmentation.elastic").text() == "25 px"


@pytest.mark.parametrize("text", ["1e", "-", "1e-", "0."])
def test_half_a_number_is_nobody_s_business(qtbot: Any, text: str) -> None:
    form = form_of(qtbot, "optimizer.learning_rate")
    changes = heard(form)
    line = line_of(form, "optimizer.learning_rate")
    line.selectAll()
    qtbot.keyClicks(line, text)
    assert line.text() == text
    assert changes == []
    assert form.editor("optimizer.learning_rate").problem.text() == ""


def test_letters_are_no_numbers(qtbot: Any) -> None:
    form = form_of(qtbot, "training.batch_size")
    changes = heard(form)
    enter(qtbot, form, "training.batch_size", "abc")
    assert changes == []
    assert form.editor("training.batch_size").value() == 4


def test_a_list_that_is_none_is_refused_in_words(qtbot: Any) -> None:
    form = form_of(qtbot, "preprocess.crop")
    changes = heard(form)
    enter(qtbot, form, "preprocess.crop", "128, x1y")
    assert changes == []
    problem = form.editor("preprocess.crop").problem
    assert problem.isVisible()
    assert "no list of whole numbers, such as 128, 128" in problem.text()
    enter(qtbot, form, "preprocess.crop", "128, 128")
    assert not problem.isVisible()
    enter(qtbot, form, "preprocess.crop", " ")
    assert changes == [("preprocess.crop", (128, 128)), ("preprocess.crop", None)]


def test_a_choice_is_told(qtbot: Any) -> None:
    form = form_of(qtbot, "network.dimensions")
    changes = heard(form)
    qtbot.keyClick(part(form, "network.dimensions"), Qt.Key.Key_Down)
    assert changes == [("network.dimensions", 3)]


def test_flags_come_in_the_order_of_the_schema(qtbot: Any) -> None:
    form = form_of(qtbot, "augmentation.flip")
    changes = heard(form)
    for box in form.editor("augmentation.flip").editor.parts:
        if box.text() in "XZ":
            box.click()
    assert changes == [("augmentation.flip", ("X",)), ("augmentation.flip", ("Z", "X"))]


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("training.minutes", 5.0, None),
        ("prediction.threshold", 0.5, "auto"),
        ("loss.border", {}, None),
        ("training.mixed_precision", False, True),
    ],
)
def test_a_box_switches_a_setting(qtbot: Any, name: str, first: Any, second: Any) -> None:
    form = form_of(qtbot, name)
    changes = heard(form)
    part(form, name).click()
    part(form, name).click()
    assert changes == [(name, first), (name, second)]


@pytest.mark.parametrize(
    ("name", "start", "steps", "end"),
    [
        ("optimizer.learning_rate", 1e-3, 1, 2e-3),
        ("optimizer.learning_rate", 1e-3, -4, 5e-5),
        ("optimizer.weight_decay", 0.0, 1, 1e-6),
        ("optimizer.weight_decay", 0.0, -1, 0.0),
        ("training.foreground", 0.5, 3, 0.53),
        ("training.foreground", 1.0, 1, 1.0),
        ("augmentation.zoom", 0.99, 1, 0.99),
        ("target.threshold", 100.0, 1, 110.0),
        ("target.threshold", 0.0, 1, 0.1),
        ("network.depth", 6, 1, 6),
        ("augmentation.rotation", 0.0, 2, 10.0),
    ],
)
def test_arrows_take_sensible_steps(qtbot: Any, name: str, start: float, steps: int, end: float) -> None:
    form = form_of(qtbot, name)
    form.show_recipe(change(Recipe(), {name: start}))
    part(form, name).stepBy(steps)
    assert form.editor(name).value() == end


def test_scrolling_the_panel_changes_nothing(qtbot: Any) -> None:
    form = form_of(qtbot)
    form.show_recipe(RICH)
    changes = heard(form)
    boxes = [*form.findChildren(QDoubleSpinBox), *form.findChildren(QComboBox)]
    for box in boxes:
        box.setFocus()
        down = QWheelEvent(
            QPointF(5, 5),
            QPointF(box.mapToGlobal(QPoint(5, 5))),
            QPoint(0, -120),
            QPoint(0, -120),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(box, down)
        assert not down.isAccepted()
    assert len(boxes) > 40
    assert changes == []


# --- a session behind it ---


@pytest.fixture
def session() -> Session:
    return Session()


def test_what_is_entered_changes_the_recipe(qtbot: Any, session: Session) -> None:
    session.change({"training.epochs": 3, "training.minutes": None})
    front, folded = form_of(qtbot, "training.minutes"), form_of(qtbot, "training")
    FormBinding(session, front, folded)
    part(front, "training.minutes").click()
    assert session.recipe.training.minutes == 5
    assert folded.editor("training.minutes").value() == 5
    assert folded.editor("training.minutes").label.font().bold()
    assert not folded.editor("training.batch_size").label.font().bold()


def test_a_form_shows_what_others_change(qtbot: Any, session: Session) -> None:
    form = form_of(qtbot, "preprocess")
    FormBinding(session, form)
    changes = heard(form)
    session.begin_with("left-ventricle")
    assert form.editor("preprocess.crop").value() == (128, 128)
    assert changes == []


def test_what_the_recipe_refuses_stays_with_the_reason(qtbot: Any, session: Session) -> None:
    form = form_of(qtbot, "preprocess.normalize", "training.batch_size")
    FormBinding(session, form)
    enter(qtbot, form, "preprocess.normalize.low", "97")
    low = form.editor("preprocess.normalize.low")
    assert "low 97.0 is not below high 95.0" in low.problem.text()
    enter(qtbot, form, "training.batch_size", "8")
    assert session.recipe.training.batch_size == 8
    assert session.recipe.preprocess.normalize.low == 5
    assert (low.value(), low.problem.isVisible()) == (97, True)


def test_settings_that_can_only_change_together_do(qtbot: Any, session: Session) -> None:
    session.change({"preprocess.crop": (128, 128)})
    form, other = form_of(qtbot, "network.dimensions"), form_of(qtbot, "preprocess.crop")
    FormBinding(session, form, other)
    qtbot.keyClick(part(form, "network.dimensions"), Qt.Key.Key_Down)
    assert session.recipe.network.dimensions == 2
    assert "preprocess.crop has 2 numbers" in form.editor("network.dimensions").problem.text()
    enter(qtbot, other, "preprocess.crop", "16, 64, 64")
    assert (session.recipe.network.dimensions, session.recipe.preprocess.crop) == (3, (16, 64, 64))
    assert not form.editor("network.dimensions").problem.isVisible()


def test_what_was_refused_can_be_forgotten(qtbot: Any, session: Session) -> None:
    form = form_of(qtbot, "network.depth")
    binding = FormBinding(session, form)
    enter(qtbot, form, "network.depth", "9")
    binding.forget()
    assert form.editor("network.depth").value() == 4
    assert not form.editor("network.depth").problem.isVisible()


def test_a_section_that_was_left_out_stays_out(qtbot: Any, session: Session) -> None:
    form = form_of(qtbot, "loss.border")
    FormBinding(session, form)
    part(form, "loss.border").click()
    enter(qtbot, form, "loss.border.w0", "3")
    assert session.recipe.loss.border is not None
    assert session.recipe.loss.border.w0 == 3
    part(form, "loss.border").click()
    assert session.recipe.loss.border is None


def test_a_form_that_is_gone_hears_nothing(qtbot: Any, session: Session) -> None:
    form = RecipeForm(["training.minutes"])
    binding = FormBinding(session, form)
    with qtbot.waitSignal(form.destroyed):
        form.deleteLater()
    session.change({"training.minutes": 2.0})
    assert len(session.recipe_changed) == 0
    del binding
