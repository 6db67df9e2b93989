"""U-Net segmentation from files to measurements: read, normalize, train, predict, evaluate.

The public names live in `unetscope.api` and are loaded on first use, so that importing this package
loads neither torch nor Qt nor napari.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_API = (
    "evaluate",
    "find_pairs",
    "fingerprint",
    "load_model",
    "normalize",
    "plan",
    "predict",
    "read",
    "read_mask",
    "resume",
    "train",
)
__all__ = ["__version__", *_API]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _API:
        return getattr(import_module("unetscope.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
