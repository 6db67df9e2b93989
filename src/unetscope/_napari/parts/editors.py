"""Editors for single settings. Each tells what a person entered, and nothing when a program shows a value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import QSignalBlocker, QSize, Signal
from qtpy.QtGui import QValidator, QWheelEvent
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QHBoxLayout, QLineEdit, QWidget

from unetscope._napari.parts.fields import RecipeField

__all__ = ["ChoiceBox", "Editor", "editor_for"]

# Beyond what any setting needs; whole numbers are exact up to there.
_LARGEST = 1e15
_DECIMALS = 15
_TYPED = frozenset("0123456789+-.,eE ")


def editor_for(field: RecipeField) -> Editor:
    """The editor that suits a setting's type."""
    kinds = field.kinds
    types = {kind["type"] for kind in kinds}
    if types == {"object"}:
        return _SectionEditor()
    if "array" in types:
        return _FlagsEditor(kinds[0]["items"]["enum"]) if _is_flags(kinds[0]) else _ListEditor(field)
    if field.optional or any("const" in kind for kind in kinds):
        return _OptionalEditor(field)
    if "enum" in kinds[0]:
        return _ChoiceEditor(kinds[0]["enum"])
    if types == {"boolean"}:
        return _SwitchEditor()
    return _TextEditor() if types == {"string"} else _NumberEditor(kinds[0], field.words)


class Editor(QWidget):
    """Base of the editors.

    `edited` carries a new value as soon as it is complete, `refused` a sentence about one that cannot be
    understood. Both come from a person's action alone.
    """

    edited = Signal(object)
    refused = Signal(str)
    has_unit = False
    """Whether it shows the unit itself."""

    def __init__(self, *parts: QWidget) -> None:
        super().__init__()
        self.parts = parts
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for part in parts:
            row.addWidget(part, stretch=0 if isinstance(part, QCheckBox) else 1)
        if all(isinstance(part, QCheckBox) for part in parts):
            row.addStretch()
        self.setFocusProxy(parts[0])
        # A number with its unit, or "one per image", beside a check box.
        self.setMinimumWidth(22 * self.fontMetrics().averageCharWidth())

    def value(self) -> Any:
        """What is shown; a text that cannot be understood counts as what was shown before."""
        raise NotImplementedError

    def show_value(self, value: Any) -> None:
        """Show a value, without telling anybody."""
        raise NotImplementedError

    def suggest(self, value: Any) -> None:
        """Begin with this value when the setting is no longer left out; for numbers that may be."""


class _SwitchEditor(Editor):
    def __init__(self) -> None:
        self.box = QCheckBox()
        super().__init__(self.box)
        self.box.clicked.connect(lambda: self.edited.emit(self.value()))

    def value(self) -> Any:
        return self.box.isChecked()

    def show_value(self, value: Any) -> None:
        self.box.setChecked(value)


class _SectionEditor(_SwitchEditor):
    """A section that may be left out: on with its defaults, or off."""

    def value(self) -> Any:
        return {} if self.box.isChecked() else None

    def show_value(self, value: Any) -> None:
        self.box.setChecked(value is not None)


class ChoiceBox(QComboBox):
    """A combo box that the wheel does not change."""

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802 - Qt's name
        # Whoever scrolls the panel must not change what happens to lie below the pointer.
        if event is not None:
            event.ignore()


class _ChoiceEditor(Editor):
    def __init__(self, choices: Sequence[Any]) -> None:
        self.box = ChoiceBox()
        self.choices = list(choices)
        super().__init__(self.box)
        self.box.addItems([str(choice) for choice in choices])
        # Unlike currentIndexChanged, this comes from a person alone.
        self.box.activated.connect(lambda index: self.edited.emit(self.choices[index]))

    def value(self) -> Any:
        return self.choices[self.box.currentIndex()]

    def show_value(self, value: Any) -> None:
        self.box.setCurrentIndex(self.choices.index(value))


class _FlagsEditor(Editor):
    """Several of a few words."""

    def __init__(self, choices: Sequence[str]) -> None:
        self.boxes = {choice: QCheckBox(choice) for choice in reversed(choices)}
        super().__init__(*self.boxes.values())
        self.choices = choices
        for box in self.boxes.values():
            box.clicked.connect(lambda: self.edited.emit(self.value()))

    def value(self) -> Any:
        return tuple(choice for choice in self.choices if self.boxes[choice].isChecked())

    def show_value(self, value: Any) -> None:
        for choice, box in self.boxes.items():
            box.setChecked(choice in value)


class _TextEditor(Editor):
    def __init__(self) -> None:
        self.line = QLineEdit()
        super().__init__(self.line)
        self.line.editingFinished.connect(self._finish)
        self._shown = ""

    def value(self) -> Any:
        return self.line.text()

    def show_value(self, value: Any) -> None:
        self._shown = value
        self.line.setText(value)

    def _finish(self) -> None:
        # Leaving the line finishes editing too, even where nothing was changed.
        if self.line.text() != self._shown:
            self._shown = self.line.text()
            self.edited.emit(self._shown)


class _ListEditor(Editor):
    """Numbers in a row, such as a size: "128, 128". Nothing stands for left out."""

    def __init__(self, field: RecipeField) -> None:
        self.line = QLineEdit()
        super().__init__(self.line)
        self.line.setPlaceholderText(field.words.get("none", ""))
        self.line.editingFinished.connect(self._finish)
        self._field = field
        self._value: Any = None
        items = [_item(kind) for kind in field.kinds]
        self._number = int if items[0]["type"] == "integer" else float
        self._may_be_single = any(kind["type"] != "array" for kind in field.kinds)

    def value(self) -> Any:
        return self._value

    def show_value(self, value: Any) -> None:
        self._value = value
        numbers = () if value is None else value if isinstance(value, tuple) else (value,)
        self.line.setText(", ".join(f"{number:.10g}" for number in numbers))

    def _finish(self) -> None:
        try:
            value = self._read(self.line.text())
        except ValueError:
            kind = "whole numbers" if self._number is int else "numbers"
            example = ", ".join(map(str, self._field.example))
            self.refused.emit(f"{self.line.text()!r} is no list of {kind}, such as {example}.")
            return
        if value != self._value:
            self._value = value
            self.edited.emit(value)

    def _read(self, text: str) -> Any:
        for separator in "×x;[]()":
            text = text.replace(separator, ",")
        numbers = tuple(self._number(part) for part in text.split(",") if part.strip())
        if self._may_be_single and len(numbers) == 1:
            return numbers[0]
        if not numbers and not self._field.optional:
            raise ValueError
        return numbers or None


class _SpinBox(QDoubleSpinBox):
    """A number that may span many powers of ten; its arrows take steps of a sensible size.

    What is typed may lie out of bounds: the recipe then says so, where a spin box would silently undo it.
    """

    def __init__(self, schema: Mapping[str, Any], words: Mapping[str, Any]) -> None:
        super().__init__()
        self.schema = schema
        self.is_whole = schema["type"] == "integer"
        self.step = words.get("step")
        unit = words.get("unit", "")
        self.setSuffix(unit if unit in ("", "%", "°") else f" {unit}")
        self.setDecimals(0 if self.is_whole else _DECIMALS)
        self.setRange(-_LARGEST, _LARGEST)
        # Half a number is nobody's business.
        self.setKeyboardTracking(False)

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        return f"{value:.15g}" if self.is_whole else f"{value:.10g}"

    def valueFromText(self, text: str | None) -> float:  # noqa: N802 - Qt's name
        number = self._read(text or "")
        return self.value() if number is None else number

    def validate(self, text: str | None, position: int) -> tuple[QValidator.State, str, int]:
        text = text or ""
        if self._read(text) is not None:
            return QValidator.State.Acceptable, text, position
        # What is not yet a number may become one: "-", "1e".
        typed = text.removesuffix(self.suffix())
        state = QValidator.State.Intermediate if set(typed) <= _TYPED else QValidator.State.Invalid
        return state, text, position

    def stepBy(self, steps: int) -> None:  # noqa: N802 - Qt's name
        number = self.value()
        for _ in range(abs(steps)):
            number = self._next(number, 1 if steps > 0 else -1)
        if self._allows(number):
            self.setValue(number)
        self.selectAll()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        # Qt would make room for the largest number.
        return QSize(12 * self.fontMetrics().averageCharWidth(), super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return self.sizeHint()

    def wheelEvent(self, event: QWheelEvent | None) -> None:  # noqa: N802 - Qt's name
        if event is not None:
            event.ignore()

    def _allows(self, number: float) -> bool:
        bounds = self.schema
        return bool(
            bounds.get("minimum", -math.inf) <= number <= bounds.get("maximum", math.inf)
            and bounds.get("exclusiveMinimum", -math.inf) < number < bounds.get("exclusiveMaximum", math.inf)
        )

    def _next(self, number: float, sign: int) -> float:
        if self.step == "log":
            return _next_of_1_2_5(number, sign)
        step = self.step
        if step is None and self.is_whole:
            step = 1
        elif step is None:
            largest = min(self.schema.get(key, math.inf) for key in ("maximum", "exclusiveMaximum"))
            step = 0.01 if largest <= 1 else 10 ** max(-1, math.floor(math.log10(abs(number) or 1)) - 1)
        # Without what additions leave in the last digits.
        return round(number + sign * step, 10)

    def _read(self, text: str) -> float | None:
        try:
            number = float(text.removesuffix(self.suffix()).strip().replace(",", "."))
        except ValueError:
            return None
        return number if math.isfinite(number) and (not self.is_whole or number.is_integer()) else None


def _next_of_1_2_5(number: float, sign: int) -> float:
    """The neighbor in …, 0.1, 0.2, 0.5, 1, 2, 5, …; from 0, the way up begins at a millionth."""
    if number <= 0:
        return 1e-6 if sign > 0 else number
    exponent = math.floor(math.log10(number) + 1e-9)
    ladder = [float(f"{digit}e{exponent + power}") for power in (-1, 0, 1) for digit in (1, 2, 5)]
    if sign > 0:
        return min(step for step in ladder if step > number * (1 + 1e-9))
    return max(step for step in ladder if step < number * (1 - 1e-9))


class _NumberEditor(Editor):
    has_unit = True

    def __init__(self, schema: Mapping[str, Any], words: Mapping[str, Any]) -> None:
        self.spin = _SpinBox(schema, words)
        super().__init__(self.spin)
        self.spin.valueChanged.connect(lambda: self.edited.emit(self.value()))

    def value(self) -> Any:
        return round(self.spin.value()) if self.spin.is_whole else self.spin.value()

    def show_value(self, value: Any) -> None:
        with QSignalBlocker(self.spin):
            self.spin.setValue(value)


class _OptionalEditor(Editor):
    """A number that may be left out, or to a rule of its own."""

    has_unit = True

    def __init__(self, field: RecipeField) -> None:
        rules = [kind["const"] for kind in field.kinds if "const" in kind]
        self._absent = rules[0] if rules else None
        self.box = QCheckBox()
        self.number = _NumberEditor(next(kind for kind in field.kinds if "const" not in kind), field.words)
        self.number.setMinimumWidth(0)
        self.absent = QLineEdit(field.words.get("none", ""))
        self.absent.setEnabled(False)
        self.absent.setCursorPosition(0)
        super().__init__(self.box, self.number, self.absent)
        if field.example is not None:
            self.number.show_value(field.example)
        self.show_value(self._absent)
        self.box.clicked.connect(self._switch)
        self.number.edited.connect(self.edited)

    def value(self) -> Any:
        return self.number.value() if self.box.isChecked() else self._absent

    def show_value(self, value: Any) -> None:
        self.box.setChecked(value != self._absent)
        self.number.setVisible(value != self._absent)
        self.absent.setVisible(value == self._absent)
        if value != self._absent:
            self.number.show_value(value)

    def suggest(self, value: Any) -> None:
        if not self.box.isChecked():
            self.number.show_value(value)

    def _switch(self) -> None:
        self.show_value(self.value())
        self.edited.emit(self.value())


def _is_flags(kind: Mapping[str, Any]) -> bool:
    return "enum" in kind.get("items", {})


def _item(kind: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of one number in a list, or of the number that may stand for a list."""
    if "prefixItems" in kind:
        kind = {"items": kind["prefixItems"][0]}
    item: Mapping[str, Any] = kind.get("items", kind)
    return item
