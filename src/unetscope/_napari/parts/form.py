"""A form for settings of the recipe: the schema says what there is, what it is called and what it may be."""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from unetscope._napari.parts.editors import editor_for
from unetscope._napari.parts.fields import RecipeField, fields, value_of
from unetscope._napari.parts.sentence import sentence_label
from unetscope._napari.session import Session
from unetscope.errors import RecipeError
from unetscope.recipe import Recipe

__all__ = ["FieldEditor", "FormBinding", "RecipeForm"]


class FieldEditor(QObject):
    """Title and editor of one setting, and a line for what is wrong with it.

    Parameters
    ----------
    field : RecipeField
    parent : QObject, optional

    Attributes
    ----------
    label, editor, problem : QWidget
        For a layout to place.
    edited : Signal(object)
        A value that a person entered.
    """

    edited = Signal(object)

    def __init__(self, field: RecipeField, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.field = field
        self.editor = editor_for(field)
        unit = "" if self.editor.has_unit else field.words.get("unit", "")
        self.label = QLabel(f"{field.title} ({unit})" if unit else field.title)
        self.label.setBuddy(self.editor)
        self.problem = sentence_label()
        self._explain()
        self.editor.edited.connect(self._pass_on)
        self.editor.refused.connect(self.set_problem)
        self.set_problem("")

    def value(self) -> Any:
        """What is shown."""
        return self.editor.value()

    def show_value(self, value: Any) -> None:
        """Show a value, without telling anybody; a problem with the last one is gone."""
        self.editor.show_value(value)
        self.set_problem("")

    def set_problem(self, sentence: str) -> None:
        """Say below the editor what is wrong; nothing for an empty sentence."""
        self.problem.setText(f"⚠ {sentence}" if sentence else "")
        self.problem.setVisible(bool(sentence))

    def set_marked(self, marked: bool) -> None:  # noqa: FBT001 - as Qt's setters
        """Print the title bold, for a setting that a person has changed."""
        font = self.label.font()
        font.setBold(marked)
        self.label.setFont(font)

    def set_shown(self, shown: bool) -> None:  # noqa: FBT001 - as Qt's setters
        """Show or hide title and editor."""
        self.label.setVisible(shown)
        self.editor.setVisible(shown)
        self.problem.setVisible(shown and bool(self.problem.text()))

    def _pass_on(self, value: Any) -> None:
        self.set_problem("")
        self.edited.emit(value)

    def _explain(self) -> None:
        words = html.escape(self.field.help).replace("`", "")
        # Qt wraps the lines of rich text alone.
        tooltip = f"<p>{words}</p><p><i>{self.field.name}</i></p>"
        for widget in (self.label, self.editor, *self.editor.findChildren(QWidget)):
            widget.setToolTip(tooltip)
        for part in self.editor.parts:
            part.setAccessibleName(self.field.title)
            part.setAccessibleDescription(self.field.help)


class RecipeForm(QWidget):
    """Editors for some settings of the recipe; those that make no difference in it are hidden.

    Parameters
    ----------
    names : sequence of str
        Dotted names, in the wanted order; that of a section stands for all settings in it.
    parent : QWidget, optional

    Attributes
    ----------
    changed : Signal(str, object)
        Dotted name and value that a person entered. A section that may be left out gives {} or None.
    """

    changed = Signal(str, object)

    def __init__(self, names: Sequence[str] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._editors = {field.name: FieldEditor(field, self) for field in fields(names)}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, editor in self._editors.items():
            layout.addRow(editor.label, editor.editor)
            layout.addRow(editor.problem)
            editor.edited.connect(lambda value, name=name: self.changed.emit(name, value))
        self.show_recipe(Recipe())

    @property
    def names(self) -> tuple[str, ...]:
        """Dotted names of the settings."""
        return tuple(self._editors)

    def editor(self, name: str) -> FieldEditor:
        """The editor of a setting."""
        return self._editors[name]

    def show_recipe(self, recipe: Recipe, *, except_for: Collection[str] = ()) -> None:
        """Show a recipe's values, without telling anybody.

        Parameters
        ----------
        recipe : Recipe
        except_for : collection of str
            Settings whose editor keeps what it shows.
        """
        for name, editor in self._editors.items():
            if name not in except_for:
                value = value_of(recipe, name)
                # Nothing to show for the settings of a section that is left out.
                if value is not None or editor.field.optional:
                    editor.show_value(value)
            editor.set_shown(editor.field.counts(recipe))

    def mark(self, names: Collection[str]) -> None:
        """Print the titles of these settings bold and those of all others not."""
        for name, editor in self._editors.items():
            editor.set_marked(name in names)

    def set_problem(self, name: str, sentence: str) -> None:
        """Say below an editor what is wrong with its value; nothing for an empty sentence."""
        self._editors[name].set_problem(sentence)


class FormBinding:
    """Forms that show the recipe of a session, and change it.

    What a person enters goes into the session at once. What the recipe refuses stays in its editor, with the
    reason below it, and is tried again with the next entry: some settings can only change together.

    Parameters
    ----------
    session : Session
    forms : RecipeForm
        They may show the same setting.
    complete : callable, optional
        Given name and value that were entered, the settings to change, where one implies another.
    """

    def __init__(
        self,
        session: Session,
        *forms: RecipeForm,
        complete: Callable[[str, Any], Mapping[str, Any]] = lambda name, value: {name: value},
    ) -> None:
        self._session = session
        self._forms = forms
        self._complete = complete
        self._refused: dict[str, Any] = {}
        show = self._show
        session.recipe_changed.connect(show)
        for form in forms:
            form.changed.connect(self.enter)
            form.destroyed.connect(lambda: session.recipe_changed.disconnect(show, missing_ok=True))
        show(session.recipe)

    def enter(self, name: str, value: Any) -> None:
        """Change a setting as if a person had entered the value."""
        problem = ""
        entered = self._complete(name, value)
        for settings in ({**self._refused, **entered}, entered):
            refused, self._refused = self._refused, self._without(settings)
            try:
                self._session.change(settings)
            except RecipeError as error:
                self._refused, problem = refused, str(error)
            else:
                return
        self._refused[name] = value
        for form in self._forms:
            if name in form.names:
                form.editor(name).show_value(value)
                form.set_problem(name, problem)

    def forget(self) -> None:
        """Show the recipe, and forget what it refused."""
        self._refused = {}
        self._show(self._session.recipe)

    def _without(self, settings: Collection[str]) -> dict[str, Any]:
        return {name: value for name, value in self._refused.items() if name not in settings}

    def _show(self, recipe: Recipe) -> None:
        changed = self._session.changes
        for form in self._forms:
            form.show_recipe(recipe, except_for=self._refused)
            form.mark(changed)
