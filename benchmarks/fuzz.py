"""Read thousands of damaged files and count what happens: read, refused with a sentence, or wrong.

Wrong is any other exception, a warning, a crash, a call of more than 10 seconds, more than 1 GB of memory
where 2 GB are free, a sentence that is not plain or names the patient, and a file that was written.

    python benchmarks/fuzz.py --files 20000 --out benchmarks/results/fuzz.json
    python benchmarks/fuzz.py --only 1234 --keep /tmp/case    # one case again, kept to look at

A finding is reported by the number of its case, which stays the same but for dates and fresh UIDs in a few
of the files that the cases begin as.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import pydicom

from fuzz.mutators import mutate
from fuzz.seeds import SECRET, SEEDS, Case, make_seed, write_case
from unetscope.errors import ReadError, UNetScopeError
from unetscope.io import Image, _limits, find_pairs, find_series, read, read_mask
from unetscope.io._files import kind_of

MOST_SECONDS = 10.0
MOST_BYTES = 2**30
MOST_SEED_BYTES = 2**16
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL_SUFFIXES = {"dicom": ".dcm", "png": ".png", "nrrd": ".nrrd"}
_ADDRESS_SPACE = 8 * 2**30
_LOOKED_AT = 2**30


@dataclass(frozen=True)
class Outcome:
    """What a case did: ``"read"``, ``"refused"`` or ``"wrong"``, and why."""

    number: int
    seed: str
    verdict: str
    reason: str = ""
    seconds: float = 0.0
    peak: int = 0


# --- one case ---


@cache
def found_seeds() -> dict[str, Path]:
    """Small real files by name: of pydicom, and of the odd files beside the project if they are there."""
    folders = [Path(pydicom.__file__).parent, DATA / "dicom-odd", DATA / "png-odd"]
    seeds = {}
    for path in sorted(path for folder in folders for path in folder.rglob("*")):
        if path.is_file() and path.suffix != ".py" and 0 < path.stat().st_size < MOST_SEED_BYTES:
            try:
                kind = kind_of(path)
            except ReadError:
                continue
            if kind in REAL_SUFFIXES:
                seeds[f"{kind}-{path.name}"] = path
    return seeds


def make_case(number: int, seed: int) -> tuple[str, Case]:
    """Make a case: the name of the seed that it began as, and its files. Every other one is a real file."""
    real = list(found_seeds().items())
    if number % 2 and real:
        name, path = real[number // 2 % len(real)]
        case = {f"a{REAL_SUFFIXES[name.partition('-')[0]]}": path.read_bytes()}
    else:
        name = list(SEEDS)[number // 2 % len(SEEDS)]
        case = make_seed(name)
    return name, mutate(case, Random(f"{seed}-{number}"))  # noqa: S311  not for secrets


def actions_of(path: Path, seed: str) -> list[Callable[[], Any]]:
    """List what users do with a file of this kind."""
    if seed in {"coco", "geojson", "contour", "csv"}:
        return [lambda: find_pairs(path)]
    actions: list[Callable[[], Any]] = [
        lambda: read(path),
        lambda: read(path, lazy=True),
        lambda: read_mask(path),
    ]
    if seed in {"dicom-series", "dicomdir"}:
        actions.append(lambda: find_series(path))
    return actions


def try_case(path: Path, seed: str, folder: Path) -> tuple[str, str, float]:
    """Run all actions; return verdict, reason, and the seconds of the longest one."""
    before = _listing(folder)
    tried = [_timed(action) for action in actions_of(path, seed)]
    verdict, reason = min((verdict, reason) for verdict, reason, _ in tried)
    for bad, why, _ in tried:
        if bad == "wrong":
            verdict, reason = bad, why
    if _listing(folder) != before:
        verdict, reason = "wrong", "wrote a file"
    return verdict, reason, max(seconds for _, _, seconds in tried)


def _timed(action: Callable[[], Any]) -> tuple[str, str, float]:
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        verdict, reason = _try(action)
    seconds = time.perf_counter() - start
    if caught:
        verdict, reason = "wrong", f"{caught[0].category.__name__}: {caught[0].message}"
    if seconds > MOST_SECONDS:
        verdict, reason = "wrong", f"took {seconds:.1f} s"
    return verdict, reason, seconds


def _try(action: Callable[[], Any]) -> tuple[str, str]:
    try:
        result = action()
        if isinstance(result, Image):
            _look_at(result)
    except UNetScopeError as error:
        return _judge(error)
    except Exception as error:  # noqa: BLE001  any other exception is a finding
        return "wrong", _where(error)
    return "read", ""


def _look_at(image: Image) -> None:
    # A store may leave out what is empty, and be larger than any memory: nobody looks at all of it at once.
    data = image.data if image.data.nbytes < _LOOKED_AT else image.data[(slice(64),) * image.data.ndim]
    values = np.asarray(data)
    if values.shape != data.shape or values.dtype.kind not in "buif" or not values.dtype.isnative:
        raise TypeError(f"an image of {values.dtype}, {values.shape}")
    if SECRET in repr(image.source):
        raise ValueError("the patient's name is in the source")


def _judge(error: UNetScopeError) -> tuple[str, str]:
    sentence = str(error)
    if SECRET in sentence:
        return "wrong", f"names the patient: {sentence}"
    if isinstance(error.__cause__, MemoryError):
        return "wrong", f"ran out of memory: {_where(error.__cause__)}"
    if "\n" in sentence or not sentence.isprintable() or len(sentence) > 1000:
        return "wrong", f"no plain sentence: {sentence!r}"
    return "refused", sentence


def _where(error: BaseException) -> str:
    """Name the exception and the last line of our own that it passed through."""
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "unetscope" in code.co_filename:
            place = f" at {Path(code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}: {str(error)[:200]}{place}"


def _listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((path.as_posix(), path.stat().st_size) for path in folder.rglob("*") if path.is_file())


# --- workers ---


def work(connection: Connection, seed: int) -> None:
    """Try cases as their numbers come, until the connection is closed."""
    faulthandler.disable()
    # What decoders in C print is not what users see as a message; crashes are seen by the exit code.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    # Warnings while the seeds are made are none of the readers'.
    for name in SEEDS:
        make_seed(name)
    gc.collect()
    # As on a machine with little memory, of which a reader may take half.
    _limits.available_memory = lambda: 2 * MOST_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            number = connection.recv()
        except EOFError:
            return
        connection.send(_measured(number, seed))


def _measured(number: int, seed: int) -> Outcome:
    name, case = make_case(number, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = write_case(case, Path(folder))
        before = _resident()
        _forget_peak()
        verdict, reason, seconds = try_case(path, name, Path(folder))
        peak = max(0, _status("VmHWM") - before)
    if verdict != "wrong" and peak > MOST_BYTES:
        verdict, reason = "wrong", f"took {peak / 2**20:.0f} MB; {reason}"
    return Outcome(number, name, verdict, reason, seconds, peak)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _resident() -> int:
    return _status("VmRSS")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


class Workers:
    """Processes that try cases; one that hangs or crashes is replaced."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.context = multiprocessing.get_context("spawn")

    def start(self) -> tuple[Any, Connection]:
        """Start a worker; return it and our end of the line to it."""
        ours, theirs = self.context.Pipe()
        process = self.context.Process(target=work, args=(theirs, self.seed), daemon=True)
        process.start()
        theirs.close()
        # The first case of a worker must not pay for its imports.
        ours.send(0)
        ours.recv()
        return process, ours

    def run(self, numbers: Iterator[int], outcomes: list[Outcome]) -> None:
        """Try cases one after the other in one worker at a time."""
        process, connection = self.start()
        for number in numbers:
            connection.send(number)
            try:
                if connection.poll(4 * MOST_SECONDS):
                    outcomes.append(connection.recv())
                    continue
                reason = "does not come to an end"
            except EOFError:
                process.join()
                reason = f"crashed with exit code {process.exitcode}"
            process.kill()
            outcomes.append(
                Outcome(number, make_case(number, self.seed)[0], "wrong", reason, 4 * MOST_SECONDS)
            )
            process, connection = self.start()
        connection.close()
        process.join()


def fuzz(files: int, seed: int, processes: int) -> list[Outcome]:
    """Try `files` cases and return what each did, in their order."""
    outcomes: list[Outcome] = []
    workers = Workers(seed)
    threads = [
        threading.Thread(target=workers.run, args=(iter(range(i, files, processes)), outcomes))
        for i in range(processes)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(20)
            wrong = sum(outcome.verdict == "wrong" for outcome in outcomes)
            print(f"{len(outcomes):>6} of {files}, {wrong} wrong", file=sys.stderr)
    return sorted(outcomes, key=lambda outcome: outcome.number)


# --- report ---


def summarize(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """One row per format: how many were read, refused and wrong, and the longest and largest."""
    rows = []
    for kind in dict.fromkeys(outcome.seed.partition("-")[0] for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.seed.partition("-")[0] == kind]
        counts = Counter(outcome.verdict for outcome in mine)
        seconds = [outcome.seconds for outcome in mine]
        rows.append(
            {"format": kind, "files": len(mine)}
            | {verdict: counts[verdict] for verdict in ("read", "refused", "wrong")}
            | {
                "median ms": round(1000 * float(np.median(seconds)), 1),
                "longest s": round(max(seconds), 2),
                "peak MB": round(max(outcome.peak for outcome in mine) / 2**20),
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Lay the rows out as Markdown."""
    lines = [
        list(rows[0]),
        ["---"] + ["---:"] * (len(rows[0]) - 1),
        *(map(str, row.values()) for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    """Run the command line; exit with 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="JSON file for the table and all that was wrong")
    parser.add_argument("--only", type=int, help="number of one case to try again in this process")
    parser.add_argument("--keep", type=Path, help="new folder for the files of that case")
    arguments = parser.parse_args()
    if arguments.only is not None:
        name, case = make_case(arguments.only, arguments.seed)
        folder = arguments.keep or Path(tempfile.mkdtemp())
        path = write_case(case, folder)
        print(name, path)
        for action in actions_of(path, name):
            print(_try(action))
        return 0
    start = time.perf_counter()
    outcomes = fuzz(arguments.files, arguments.seed, arguments.processes)
    rows = summarize(outcomes)
    wrong = [asdict(outcome) for outcome in outcomes if outcome.verdict == "wrong"]
    print(table(rows))
    for finding in wrong[:100]:
        print(f"{finding['number']:>6} {finding['seed']:16} {finding['reason'][:150]}")
    if arguments.out is not None:
        minutes = round((time.perf_counter() - start) / 60, 1)
        result = {
            "files": len(outcomes),
            "seed": arguments.seed,
            "minutes": minutes,
            "formats": rows,
            "wrong": wrong,
        }
        arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
