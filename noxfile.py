"""All tasks of the project: ``nox -s demo``, ``tests``, ``lint``, ``bench``, ``fuzz``."""

from __future__ import annotations

import nox

nox.options.sessions = ["tests", "lint"]
# uv does not find the CPU build of torch everywhere that pip does.
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True


def install(session: nox.Session, *extras: str) -> None:
    """Install the project, with torch as constraints.txt pins it."""
    session.install("-c", "constraints.txt", "torch")
    session.install("-c", "constraints.txt", "-e", f".[{','.join(extras)}]" if extras else ".")


@nox.session
def demo(session: nox.Session) -> None:
    """Train on the sample heart images, predict an unseen patient, and write a report."""
    install(session)
    session.run("unetscope", "demo", *(session.posargs or ["--overwrite"]))


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests, about two minutes."""
    install(session, "test")
    # Two threads of torch in each of two workers fight for two cores.
    env = {"OMP_NUM_THREADS": "1"}
    session.run("pytest", "-n", "2", *session.posargs, env=env)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, types, and that imports run one way."""
    install(session, "test", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Read thousands of damaged files in bounded time and memory; writes benchmarks/results/fuzz.json."""
    install(session, "test")
    arguments = session.posargs or ["--files", "20000", "--out", "benchmarks/results/fuzz.json"]
    session.run("python", "benchmarks/fuzz.py", *arguments)


@nox.session
def bench(session: nox.Session) -> None:
    """Train and measure on real data; writes benchmarks/results. See benchmarks/real_data.py."""
    install(session)
    arguments = session.posargs or ["left-ventricle", "--minutes", "5"]
    session.run("python", "benchmarks/real_data.py", *arguments)
