"""What takes long the first time, done in a worker so that it does not hold up the event loop."""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

__all__ = ["import_torch", "make_layers"]

_LIBRARY = {"linux": "libtorch_python.so", "darwin": "libtorch_python.dylib"}


def import_torch() -> None:
    """Import torch; call it in a job, before anything else that needs torch.

    Notes
    -----
    Two things made the window stand still. Importing an extension module loads its shared libraries while
    Python holds its global lock; those of torch are hundreds of megabytes, which took 0.25 s when they were
    in the disk's cache and 0.7 s when they were not. A function that is called through ctypes lets the lock
    go, and a library that is loaded already is not loaded again. (On Windows torch does so itself.) And an
    import makes so many objects that the garbage collector looks through all of napari's, 0.15 s each time.
    """
    if "torch" in sys.modules:
        return
    _load_libraries()
    with _old_objects_left_alone():
        import torch  # noqa: F401


@cache
def make_layers() -> None:
    """Make the first layers of the program; call it in a job, before layers are added to an empty viewer.

    Notes
    -----
    With its first layer napari reads a registry of physical units and imports pandas, which took 0.6 s; with
    the first layer of labels vispy computes patterns of dashed lines, 0.1 s, and keeps them.
    """
    import numpy as np
    from napari.layers import Image, Labels

    Image(np.zeros((2, 2), np.float32))
    Labels(np.zeros((2, 2), np.uint8))
    with suppress(ImportError):
        from vispy.visuals.line.dash_atlas import DashAtlas  # type: ignore[import-untyped]

        DashAtlas()


def _load_libraries() -> None:
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None or sys.platform not in _LIBRARY:
        return
    load = ctypes.CDLL(None).dlopen
    load.restype, load.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    # Without it, the import loads the library itself, or says what is wrong.
    load(os.fsencode(Path(spec.origin).parent / "lib" / _LIBRARY[sys.platform]), os.RTLD_NOW)


@contextmanager
def _old_objects_left_alone() -> Iterator[None]:
    """Keep the garbage collector from looking at what exists already, for a while."""
    if gc.get_freeze_count():
        # Somebody else wants it so for longer.
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
