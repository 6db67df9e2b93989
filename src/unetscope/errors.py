"""One tree of errors; every message says what was found, what was expected, what to do.

```
UNetScopeError            anything this package refuses to do            exit 1
├── InputError            a file, folder, array or pair is not usable     exit 3
│   └── ReadError         a file cannot be read                           exit 3
├── RecipeError           a recipe has an unknown key or a wrong value    exit 4
├── ModelError            a model file or run folder cannot be used       exit 5
├── TrainingError         training cannot start or go on                  exit 6
└── OutputError           a result cannot be written                      exit 7
```

The command line prints the sentence and leaves with the exit code; a usage mistake leaves with 2.
"""

from __future__ import annotations

__all__ = [
    "InputError",
    "ModelError",
    "OutputError",
    "ReadError",
    "RecipeError",
    "TrainingError",
    "UNetScopeError",
    "explain",
    "is_out_of_memory",
]


class UNetScopeError(Exception):
    """Base of all errors that a user can do something about.

    Parameters
    ----------
    found : str
        What was found, naming the file, layer or key.
    expected : str, optional
        What would have been right, as a noun phrase.
    fix : str, optional
        What to do now, as an imperative.

    Examples
    --------
    >>> print(ReadError("a.png is empty", expected="a PNG image", fix="export it again"))
    a.png is empty; expected a PNG image: export it again.
    """

    exit_code = 1

    def __init__(self, found: str, *, expected: str = "", fix: str = "") -> None:
        # Only this in args: an exception is copied and pickled by calling its class with them.
        super().__init__(found)
        self.found = found
        self.expected = expected
        self.fix = fix

    def __str__(self) -> str:
        sentence = " ".join(self.found.split()).rstrip(".")
        if self.expected:
            sentence += f"; expected {self.expected}"
        if self.fix:
            sentence += f": {self.fix}"
        return _printable(sentence) + "."


def _printable(text: str) -> str:
    """Escape what a terminal would obey or cannot show: names and contents of files come from strangers."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


class InputError(UNetScopeError):
    """A file, folder, array or pair is not usable as it is."""

    exit_code = 3


class ReadError(InputError):
    """A file cannot be read: missing, truncated, of an unknown kind, or damaged."""


class RecipeError(UNetScopeError):
    """A recipe has an unknown key or a value outside its range."""

    exit_code = 4


class ModelError(UNetScopeError):
    """A model file or run folder is damaged, foreign, or from a newer version."""

    exit_code = 5


class TrainingError(UNetScopeError):
    """Training cannot start, or had to stop; what was learned before is kept."""

    exit_code = 6


class OutputError(UNetScopeError):
    """A result cannot be written; whatever was there before is untouched."""

    exit_code = 7


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of Python, NumPy or torch says that there was not enough memory."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def explain(error: BaseException) -> str:
    """One sentence about any error, for the user.

    Parameters
    ----------
    error : BaseException
        One of ours says what to do; of any other, what kind it is and the first line of what it says.
    """
    if isinstance(error, UNetScopeError):
        return str(error)
    kind, said = type(error).__name__, str(error).strip().splitlines()
    reason = f"{kind}: {_printable(said[0])}" if said else kind
    if is_out_of_memory(error):
        return str(
            UNetScopeError(
                f"there is too little memory ({reason})",
                expected="more of it",
                fix="close other programs, or use smaller images, patches or batches",
            )
        )
    return f"unexpected {reason} (a mistake in the program, which should be reported)."
