"""Read a DICOM file, or a folder with one series, tell its grid, and write it normalized.

python examples/read_dicom.py IMAGE.dcm --out results
"""

from __future__ import annotations

import argparse
from pathlib import Path

import unetscope
from unetscope.io import output_folder, write_float
from unetscope.samples import sample_folder


def main() -> None:
    sample = sample_folder("heart") / "test" / "SAMPLE-B_0001.dcm"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "image", type=Path, nargs="?", default=sample, help="a file, or the folder of a series"
    )
    parser.add_argument("--out", type=Path, default=Path("results"), help="a new or empty folder")
    arguments = parser.parse_args()

    image = unetscope.read(arguments.image)
    print(f"{image.name}: axes {image.axes}, shape {image.data.shape}, {image.data.dtype}")
    for axis, length, spacing in zip(image.spatial_axes, image.grid, image.spacing, strict=True):
        print(f"  {axis}: {length} pixels, {spacing:g} {image.units} apart")
    print(f"  values from {image.data.min():g} to {image.data.max():g}")

    # 5th to 95th percentile to [0, 1], as in training.
    normalized = unetscope.normalize(image)
    print(f"  normalized: from {normalized.data.min():g} to {normalized.data.max():g}")
    path = write_float(
        output_folder(arguments.out) / "normalized.tif",
        normalized.data,
        axes=normalized.axes,
        spacing=normalized.spacing,
        units=normalized.units,
    )
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
