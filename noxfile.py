"""All tasks of the project; ``nox --list`` names them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from ctypes.util import find_library

import nox

nox.options.sessions = ["tests", "lint"]
# uv does not find the CPU build of torch everywhere that pip does.
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True

# What Qt needs on a bare Debian or Ubuntu to draw on a screen that is not there.
SCREEN_PACKAGES = (
    "xvfb",
    "xauth",
    "libegl1",
    "libglib2.0-0",
    "libdbus-1-3",
    "libfontconfig1",
    "libxkbcommon-x11-0",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-keysyms1",
    "libxcb-shape0",
)


def install(session: nox.Session, *extras: str) -> None:
    """Install the project, with torch as constraints.txt pins it."""
    session.install("-c", "constraints.txt", "torch")
    session.install("-c", "constraints.txt", "-e", f".[{','.join(extras)}]" if extras else ".")


def screen(session: nox.Session) -> list[str]:
    """The beginning of a command that shows windows, on a screen in memory where that is possible.

    On Linux that is xvfb; its Debian packages are installed if they are missing and we may.
    """
    if sys.platform != "linux":
        return []
    if not _has_screen_packages():
        command = ["apt-get", "install", "-y", "--no-install-recommends", *SCREEN_PACKAGES]
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            session.error(f"the tests of the viewer need these packages: sudo {' '.join(command)}")
        subprocess.run(["apt-get", "update"], check=False)
        subprocess.run(command, check=True)
    return ["xvfb-run", "-a", "-s", "-screen 0 1366x768x24"]


def _has_screen_packages() -> bool:
    libraries = ("EGL", "glib-2.0", "fontconfig", "xkbcommon-x11", "xcb-cursor", "xcb-icccm", "xcb-keysyms")
    programs = ("xvfb-run", "xauth")
    return all(map(find_library, libraries)) and all(map(shutil.which, programs))


@nox.session
def demo(session: nox.Session) -> None:
    """Train on the sample heart images, predict an unseen patient, and write a report."""
    install(session)
    session.run("unetscope", "demo", *(session.posargs or ["--overwrite"]))


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests, about six minutes; those of the viewer on a screen in memory."""
    install(session, "test")
    # Two threads of torch in each of two workers fight for two cores.
    env = {"OMP_NUM_THREADS": "1"}
    session.run(*screen(session), "pytest", "-n", "2", *session.posargs, env=env, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, the plugin's manifest, and that imports run one way."""
    install(session, "test", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.run("npe2", "validate", "napari.yaml")


@nox.session
def screenshots(session: nox.Session) -> None:
    """Make the pictures of the tutorial with a real viewer; writes docs/pictures."""
    install(session, "gui")
    session.run(*screen(session), "python", "docs/make_screenshots.py", *session.posargs, external=True)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Read thousands of damaged files in bounded time and memory; writes benchmarks/results/fuzz.json."""
    install(session, "test")
    arguments = session.posargs or ["--files", "20000", "--out", "benchmarks/results/fuzz.json"]
    session.run("python", "benchmarks/fuzz.py", *arguments)


@nox.session
def results(session: nox.Session) -> None:
    """Repeat the experiments of the five documents on real data; writes benchmarks/results and docs."""
    install(session)
    session.run("python", "benchmarks/results.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Time training, prediction and starting beside other ways; writes benchmarks/results/speed.json."""
    install(session)
    # The rival in predicting by tiles; with the constraints it keeps the torch that is there.
    session.install("-c", "constraints.txt", "monai>=1.4")
    session.run("python", "benchmarks/speed.py", *session.posargs)


@nox.session
def real(session: nox.Session) -> None:
    """Train and measure on real data; writes benchmarks/results. See benchmarks/real_data.py."""
    install(session)
    arguments = session.posargs or ["left-ventricle", "--minutes", "5"]
    session.run("python", "benchmarks/real_data.py", *arguments)
