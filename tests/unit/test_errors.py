from __future__ import annotations

import inspect
import pickle

import pytest

from unetscope import errors
from unetscope.errors import InputError, ReadError, UNetScopeError, explain

ALL = [item for name in errors.__all__ if inspect.isclass(item := getattr(errors, name))]


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({}, "a.png is empty."),
        ({"expected": "a PNG image"}, "a.png is empty; expected a PNG image."),
        ({"fix": "export it again"}, "a.png is empty: export it again."),
        (
            {"expected": "a PNG image", "fix": "export it again"},
            "a.png is empty; expected a PNG image: export it again.",
        ),
    ],
)
@pytest.mark.parametrize("error", ALL)
def test_an_error_is_one_sentence(error, parts, sentence):
    assert str(error("a.png is empty", **parts)) == sentence
    assert error("a.png is empty").found == "a.png is empty"


def test_words_of_others_are_made_one_line_without_a_second_stop():
    assert str(UNetScopeError("truncated\n  file.", fix="copy it again")) == "truncated file: copy it again."


def test_what_a_terminal_would_obey_is_escaped():
    name = "\x1b[2Jgrün\x07 \u202egnp.\udcff"
    assert str(ReadError(f"{name} is empty")) == r"\x1b[2Jgrün\x07 \u202egnp.\udcff is empty."


def test_the_parts_stay_apart():
    error = ReadError("a", expected="b", fix="c")
    assert (error.found, error.expected, error.fix) == ("a", "b", "c")


@pytest.mark.parametrize("error", ALL)
def test_the_exit_codes(error):
    codes = {
        "UNetScopeError": 1,
        "InputError": 3,
        "ReadError": 3,
        "RecipeError": 4,
        "ModelError": 5,
        "TrainingError": 6,
        "OutputError": 7,
    }
    assert error.exit_code == codes[error.__name__]


def test_the_tree():
    assert all(issubclass(error, UNetScopeError) for error in ALL)
    assert issubclass(ReadError, InputError)
    assert {e for _, e in inspect.getmembers(errors, inspect.isclass)} == set(ALL)
    tree = inspect.getdoc(errors)
    assert tree is not None
    for error in ALL:
        assert any(
            line.split()[-1] == str(error.exit_code) for line in tree.splitlines() if error.__name__ in line
        )


@pytest.mark.parametrize("error", ALL)
def test_an_error_crosses_process_boundaries(error):
    before = error("a", expected="b", fix="c")
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is error
    assert str(after) == str(before)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), True),
        (RuntimeError("size mismatch"), False),
    ],
)
def test_out_of_memory_is_recognized(error, expected):
    assert errors.is_out_of_memory(error) is expected


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ReadError("a.png is empty", expected="a PNG image"), "a.png is empty; expected a PNG image."),
        (MemoryError(), "there is too little memory (MemoryError);"),
        (RuntimeError("CUDA out of memory.\nmore"), "(RuntimeError: CUDA out of memory.)"),
        (KeyError("b"), "unexpected KeyError: 'b' ("),
        (ValueError("\x1b[2J"), "unexpected ValueError: \\x1b[2J ("),
        (StopIteration(), "unexpected StopIteration ("),
    ],
)
def test_any_error_is_one_sentence(error: Exception, sentence: str) -> None:
    told = explain(error)
    assert sentence in told
    assert "\n" not in told
    assert told.endswith(".")
