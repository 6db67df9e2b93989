"""The wheel and the sdist: what is in them, and that they work where nothing else of the project is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import unetscope

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = {"cells", "fundus", "heart", "xray"}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and in wheel/ a wheel made from the working tree."""
    pytest.importorskip("build")
    out = tmp_path_factory.mktemp("packages")
    run(sys.executable, "-m", "build", "--sdist", "--outdir", out, ROOT, cwd=out)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", out / "wheel", ROOT, cwd=out)
    return out


@pytest.fixture(scope="module")
def wheel(packages: Path) -> Path:
    (path,) = (packages / "wheel").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist(packages: Path) -> Path:
    (path,) = packages.glob("*.tar.gz")
    return path


def content(wheel: Path) -> dict[str, int]:
    """Name → checksum of everything but the list of files, which repeats them."""
    with zipfile.ZipFile(wheel) as archive:
        files = [info for info in archive.infolist() if not info.filename.endswith("/RECORD")]
    return {info.filename: info.CRC for info in files}


def test_the_wheel_holds_the_package_and_all_sample_data(wheel: Path) -> None:
    names = set(content(wheel))
    modules = {path.relative_to(ROOT / "src").as_posix() for path in (ROOT / "src").rglob("*.py")}
    data = {
        f"unetscope/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "sample_data").rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    models = {f"unetscope/models/{path.name}" for path in (ROOT / "src/unetscope/models").iterdir()}
    assert "unetscope/models/README.md" in models
    modules -= {name for name in modules if "/sample_data/" in name}
    assert len(data) > 100
    packed = {name for name in names if name.startswith("unetscope/")}
    assert packed == modules | data | models | {"unetscope/py.typed", "unetscope/napari.yaml"}
    assert all(name.startswith(f"unetscope-{unetscope.__version__}.dist-info/") for name in names - packed)


def test_the_wheel_holds_no_links(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        kinds = {(info.external_attr >> 16) & 0o170000 for info in archive.infolist()}
    assert kinds <= {0, 0o100000}


def test_the_sdist_holds_what_is_needed_to_build_and_test(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    names = {member.name.partition("/")[2] for member in members}
    top = {"pyproject.toml", "napari.yaml", "README.md", "LICENSE"}
    assert top | {"tests/conftest.py", "sample_data/make.py"} <= names
    links = ("src/unetscope/sample_data", "src/unetscope/napari.yaml")
    assert not any(name.startswith((*links, ".ci/")) for name in names)
    assert all(member.isfile() or member.isdir() for member in members)


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "out", source, cwd=tmp_path)
    (again,) = (tmp_path / "out").glob("*.whl")
    assert content(again) == content(wheel)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a fresh environment with the wheel.

    The libraries come from the environment that runs the tests. They are put on the path as a folder, so
    that its own .pth files, and with them an editable install of this project, are not read.
    """
    top = tmp_path_factory.mktemp("installed")
    venv.create(top, with_pip=False)
    paths = sysconfig.get_paths("venv", {"base": str(top), "platbase": str(top)})
    site = Path(paths["purelib"])
    (site / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    command = ("-m", "pip", "--python", top, "install", "--no-deps", "--no-index", "--force-reinstall", wheel)
    run(sys.executable, *command, cwd=top)
    return Path(paths["scripts"])


def test_the_installed_program_runs(installed: Path, tmp_path: Path) -> None:
    program = installed / ("unetscope.exe" if os.name == "nt" else "unetscope")
    assert run(program, "--version", cwd=tmp_path).strip() == unetscope.__version__
    assert "left-ventricle" in run(program, "presets", cwd=tmp_path)
    shipped = {path.stem for path in (ROOT / "src/unetscope/models").glob("*.safetensors")}
    assert {each["name"] for each in json.loads(run(program, "models", "--json", cwd=tmp_path))} == shipped


def test_the_installed_plugin_is_found_with_all_that_it_names(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("npe2")
    code = (
        "from importlib import import_module; from npe2 import PluginManifest; "
        "manifest = PluginManifest.from_distribution('unetscope'); "
        "print(import_module('unetscope').__file__); "
        "print(*[c.python_name for c in manifest.contributions.commands]); "
        "print(*[w.display_name.split()[-1] for w in manifest.contributions.widgets])"
    )
    place, names, widgets = run(installed / "python", "-c", code, cwd=tmp_path).splitlines()
    assert Path(place).is_relative_to(installed.parent)
    package = Path(place).parents[1]
    for name in names.split():
        module, _, function = name.partition(":")
        source = (package / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
        assert re.search(rf"^(def|class) {function}\b", source, re.MULTILINE), name
    assert widgets.split() == ["Dataset", "Normalize", "Train", "Predict", "Metrics", "Experiments"]


def test_the_installed_package_is_its_own_and_has_its_data(installed: Path, tmp_path: Path) -> None:
    code = (
        "import importlib.resources as r, unetscope; "
        "from unetscope.io import read; from unetscope.samples import SAMPLES, sample_folder; "
        "print(unetscope.__file__); "
        "print(*sorted(e.name for e in (r.files('unetscope') / 'sample_data').iterdir() if e.is_dir())); "
        "print(*SAMPLES); "
        "print(read(sample_folder('heart') / 'test' / 'SAMPLE-B_0001.dcm').data.shape)"
    )
    place, found, known, shape = run(installed / "python", "-c", code, cwd=tmp_path).splitlines()
    assert Path(place).is_relative_to(installed.parent)
    assert set(found.split()) == set(known.split()) == SAMPLES
    assert shape == "(128, 128)"
