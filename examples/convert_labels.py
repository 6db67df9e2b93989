"""Put labels on the grid of their image, and write them in every format that keeps their place.

python examples/convert_labels.py LABELS --image IMAGE --out results

LABELS is whatever `unetscope.read_mask` reads: a picture, NIfTI, NRRD, a DICOM segmentation, GeoJSON, …
"""

from __future__ import annotations

import argparse
from pathlib import Path

import unetscope
from unetscope.io import output_folder, write_mask
from unetscope.samples import sample_folder


def main() -> None:
    sample = sample_folder("heart") / "test"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path, nargs="?", default=sample / "GT" / "SAMPLE-B_0003.png")
    parser.add_argument("--image", type=Path, default=sample / "SAMPLE-B_0003.dcm", help="a file or a series")
    parser.add_argument("--out", type=Path, default=Path("results"), help="a new or empty folder")
    arguments = parser.parse_args()

    image = unetscope.read(arguments.image)
    mask = unetscope.read_mask(arguments.labels, on=image)
    # The values of the one, and everything else of the other.
    labels = image.with_data(mask.data, axes=mask.axes)
    out = output_folder(arguments.out)
    endings = [".tif", ".ome.zarr", ".nii.gz", ".seg.nrrd"]
    if image.source.format == "dicom":
        endings.append(".dcm")
    for ending in endings:
        path = write_mask(out / f"labels{ending}", labels)
        again = unetscope.read_mask(path, on=image)
        same = "the same" if (again.data == labels.data).all() else "OTHER"
        print(f"wrote {path}, read again: {same} labels on {' × '.join(map(str, again.grid))} pixels")


if __name__ == "__main__":
    main()
