"""Time reading beside SimpleITK, plain pydicom and imageio, on the same files.

    python benchmarks/reading.py
    python benchmarks/reading.py --repetitions 9 --files 500

writes ``benchmarks/results/reading.json`` and prints a table. All contenders take turns, so that whatever
else the machine does slows each of them down; ratios are medians over the turns. What they return is compared
first. The real data lie beside the project, in ``../shared/data``, or where ``--data`` says; cases whose data
are missing are left out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pydicom
import SimpleITK
from pydicom.pixels import apply_rescale

from machine import this_machine
from unetscope.io import find_series, read

HERE = Path(__file__).resolve().parent
Contender = Callable[[], np.ndarray | list[np.ndarray]]
OURS = "unetscope"


def main() -> None:
    """Run all cases whose data are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--files", type=int, default=2000, help="number of slices to generate")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("runs/reading"))
    parser.add_argument("--results", type=Path, default=HERE / "results")
    arguments = parser.parse_args()
    SimpleITK.ProcessObject.GlobalWarningDisplayOff()
    rows = [measure(*case, arguments.repetitions) for case in cases(arguments)]
    result = {
        "machine": this_machine(),
        "repetitions": arguments.repetitions,
        "cases": rows,
    }
    arguments.results.mkdir(parents=True, exist_ok=True)
    path = arguments.results / "reading.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(rows))
    shutil.rmtree(arguments.work, ignore_errors=True)


def cases(arguments: argparse.Namespace) -> Iterator[tuple[str, int, dict[str, Contender]]]:
    """Name, number of files and contenders of each case."""
    series = arguments.data / "dicom-series"
    if series.is_dir():
        count = len(list(series.glob("*.dcm")))
        yield (
            "series of 20 × 10 slices, 256 × 256",
            count,
            {
                OURS: lambda: read(series).data,
                "pydicom": lambda: with_pydicom(series, by_time=True),
                "SimpleITK": lambda: time_points_with_simpleitk(series),
            },
        )
        generated = generate(next(series.glob("*.dcm")), arguments.work / "generated", arguments.files)
        yield (
            f"{arguments.files} generated slices, 512 × 512",
            arguments.files,
            {
                OURS: lambda: read(generated).data,
                "pydicom": lambda: with_pydicom(generated),
                "SimpleITK": lambda: with_simpleitk(generated),
            },
        )
        yield (
            f"first picture of {arguments.files} slices",
            arguments.files,
            {
                OURS: lambda: np.asarray(find_series(generated)[0].read(lazy=True).data[0]),
                "SimpleITK": lambda: first_with_simpleitk(generated),
            },
        )
    for case, pattern in [
        ("PNG, RGBA", "nuclei/train/images/*.png"),
        ("TIFF, 16 bits", "battery/train/images/*.tif*"),
    ]:
        if paths := sorted(arguments.data.glob(pattern)):
            yield case, len(paths), pictures(paths)


def pictures(paths: list[Path]) -> dict[str, Contender]:
    """Read all pictures one by one; colors without the alpha channel, last axis first."""
    return {
        OURS: lambda: [read(path).data for path in paths],
        "imageio": lambda: [channels_first(imageio.imread(path)) for path in paths],
    }


def channels_first(array: np.ndarray) -> np.ndarray:
    """Put the colors of a picture in front."""
    return np.ascontiguousarray(np.moveaxis(array[..., :3], -1, 0)) if array.ndim > 2 else array


def with_pydicom(folder: Path, *, by_time: bool = False) -> np.ndarray:
    """What one writes with pydicom alone: all files in a loop, sorted by position, rescaled, stacked."""
    datasets = [pydicom.dcmread(path) for path in folder.iterdir()]
    normal = np.cross(*np.reshape(datasets[0].ImageOrientationPatient, (2, 3)).astype(float))
    datasets.sort(key=lambda dataset: float(np.dot(np.array(dataset.ImagePositionPatient, float), normal)))
    if by_time:
        datasets.sort(key=lambda dataset: float(dataset.TriggerTime))
    stack = np.stack([apply_rescale(dataset.pixel_array, dataset) for dataset in datasets])
    times = len({dataset.TriggerTime for dataset in datasets}) if by_time else 1
    return stack.reshape(times, -1, *stack.shape[1:]).squeeze()


def with_simpleitk(folder: Path) -> np.ndarray:
    """One stack, as SimpleITK's examples read it."""
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(names))


def time_points_with_simpleitk(folder: Path) -> np.ndarray:
    """Several stacks in a folder, which SimpleITK would put on top of each other."""
    points = defaultdict(list)
    for path in folder.iterdir():
        reader = SimpleITK.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        depth = np.dot(reader.GetOrigin(), reader.GetDirection()[2::3])
        points[float(reader.GetMetaData("0018|1060"))].append((depth, str(path)))
    stacks = [[name for _, name in sorted(points[time])] for time in sorted(points)]
    return np.stack([SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(names)) for names in stacks])


def first_with_simpleitk(folder: Path) -> np.ndarray:
    """Sort the files, then read the first."""
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(names[0])).squeeze()


def generate(template: Path, folder: Path, count: int) -> Path:
    """Write slices with the header of a real one, in an order of names that is not theirs in space."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = pydicom.dcmread(template)
    dataset.Rows = dataset.Columns = 512
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    noise = np.random.default_rng(0).normal(500, 100, (600, 600)).astype(np.int16)
    for i in range(count):
        dataset.InstanceNumber = i + 1
        dataset.ImagePositionPatient = [-100, -100, i / 2]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{i}"
        down, across = i % 88, i * 7 % 88
        dataset.PixelData = noise[down : down + 512, across : across + 512].tobytes()
        dataset.save_as(folder / f"IM{i * 733 % count:05}")
    return folder


def measure(case: str, files: int, contenders: dict[str, Contender], repetitions: int) -> dict:
    """Let the contenders take turns; seconds and ratios are medians over the turns."""
    expected = contenders[OURS]()
    for name, contender in contenders.items():
        for one, other in zip(expected, contender(), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=f"{case}: {name}")
    del expected
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for _ in range(repetitions):
        for name in order:
            started = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - started)
        order = order[1:] + order[:1]
    others = [name for name in contenders if name != OURS]
    ratios = {name: [a / b for a, b in zip(seconds[OURS], seconds[name], strict=True)] for name in others}
    return {
        "case": case,
        "files": files,
        "seconds": {name: round(statistics.median(times), 4) for name, times in seconds.items()},
        "ratio": {name: round(statistics.median(values), 2) for name, values in ratios.items()},
        "ratio, least and most": {name: [round(min(v), 2), round(max(v), 2)] for name, v in ratios.items()},
    }


def table(rows: list[dict]) -> str:
    """Markdown: one row per case and rival."""
    lines = [
        "| case | files | unetscope, s | rival | s | ratio (least to most) |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        for name, ratio in row["ratio"].items():
            least, most = row["ratio, least and most"][name]
            own, other = row["seconds"][OURS], row["seconds"][name]
            spread = f"{ratio:.2f} ({least:.2f} to {most:.2f})"
            lines.append(f"| {row['case']} | {row['files']} | {own:.3f} | {name} | {other:.3f} | {spread} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
