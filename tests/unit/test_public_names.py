"""What ``import unetscope`` gives, and what it leaves alone until it is needed."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys

import pytest

import unetscope

HEAVY = ("torch", "qtpy", "napari", "magicgui", "matplotlib", "skimage", "scipy", "pydicom", "tifffile")
NAMES = [
    "__version__",
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
]
# What is left out is run, or is data.
MODULES = [
    module.name
    for module in pkgutil.walk_packages(unetscope.__path__, "unetscope.")
    if not module.name.endswith("__main__") and ".sample_data" not in module.name
]


def loaded(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert loaded("import unetscope").isdisjoint({*HEAVY, "numpy", "pydantic", "yaml"})


@pytest.mark.parametrize(
    "statement",
    [
        "import unetscope; unetscope.read; unetscope.normalize; unetscope.train",
        "from unetscope import *",
        "import unetscope.io, unetscope.preprocess, unetscope.recipe, unetscope.evaluation",
        "import unetscope.recipe.plan, unetscope.recipe.presets, unetscope.samples",
    ],
)
def test_naming_the_functions_loads_nothing_heavy(statement):
    assert loaded(statement).isdisjoint({"torch", "qtpy", "napari", "magicgui", "matplotlib"})


def test_layers_are_taken_where_there_is_no_qt():
    pytest.importorskip("napari")
    statement = "from unetscope.viewer import add_layer, image_of"
    assert loaded(statement).isdisjoint({"torch", "qtpy", "PyQt6", "matplotlib"})


def test_a_card_is_read_without_torch(trained):
    code = f"from unetscope import api; api.read_card({str(trained)!r})"
    assert "torch" not in loaded(code)


def test_the_public_names():
    assert sorted(unetscope.__all__) == NAMES
    assert dir(unetscope) == NAMES
    for name in NAMES:
        assert getattr(unetscope, name) is not None


def test_the_functions_are_those_of_the_api():
    api = importlib.import_module("unetscope.api")
    for name in NAMES[1:]:
        assert getattr(unetscope, name) is getattr(api, name)
        assert name in api.__all__
        assert getattr(unetscope, name).__doc__


def test_the_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", unetscope.__version__)


@pytest.mark.parametrize("name", ["nothing", "Recipe", "trian", "_API_"])
def test_an_unknown_attribute(name):
    assert not hasattr(unetscope, name)
    with pytest.raises(AttributeError, match=f"^module 'unetscope' has no attribute '{name}'$"):
        getattr(unetscope, name)


@pytest.mark.parametrize("name", MODULES)
def test_every_name_in_every_all_resolves(name):
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [])
    assert len(set(names)) == len(names)
    for public in names:
        assert hasattr(module, public), public
