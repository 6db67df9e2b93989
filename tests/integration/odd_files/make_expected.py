"""Compute what is expected of each odd file, from other libraries alone.

    python -m tests.integration.odd_files.make_expected

writes ``expected.json`` beside this script. It needs the extras ``test`` and ``oracles``.

An image is written down when two ways of reading agree on every value (see `oracles`), or when `SETTLED` and
`ALONE` say why one of them is to be believed; `SAME` then names files of other encodings that must come out
alike. What is to be refused stands in `REFUSED`, with the reason. Anything else stops the script.
"""

from __future__ import annotations

import json
import re
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import png
import pydicom
import SimpleITK
from pydicom import Dataset

from . import oracles, table

Line = dict[str, Any]

NO_IMAGE = "does not begin like any known kind of image"
NO_PIXELS = "a DICOM file without pixels"

# In all of these the keys are patterns of the whole name.
REFUSED = {
    r".*\.(txt|json|dump|md|icc)|.*/README": (NO_IMAGE, "is no image"),
    r".*\.zip": ("is a ZIP archive", "is an archive of files"),
    r".*/zipMR\.gz": (NO_IMAGE, "is compressed, and not NIfTI"),
    r".*/no_meta\.dcm": (NO_IMAGE, "has a stray byte before the first element"),
    r".*/(meta_missing_tsyntax|nested_priv_SQ)\.dcm": ("", "has 2 bytes of pixels, and no rows and columns"),
    r".*/MR_truncated\.dcm": ("8130 vs 8192 bytes", "lacks the last 62 bytes of pixels"),
    r".*/badVR\.dcm": ("number of frames", "states the number of frames as 1A"),
    r".*/JPEG2000-embedded-sequence-delimiter\.dcm": ("JPEG 2000", "has 4 damaged bytes in its JPEG 2000"),
    r".*/liver_deflate\.dcm": (r"1\.2\.840\.10008\.1\.2\.8\.1", "has frames deflated one by one"),
    r".*/liver_nonbyte_aligned_rle\.dcm": ("RLE", "has single bits compressed as RLE"),
    r".*/TINY_ALPHA/DICOMDIR": (
        "holds no DICOM images|ends before its pixels",
        "lists 50 files without pixels",
    ),
    r".*/DICOMDIR-empty\.dcm": ("lists no images", "lists no files"),
}

SETTLED = {
    r".*/frame_rgb\.jpeg": "color at half resolution, which the standard leaves open how to spread",
    r".*/SC_rgb_rle_(16|32)bit(_2frame)?\.dcm": "SimpleITK mixes up the bytes of a sample",
    r".*/rtdose_expb\.dcm": "SimpleITK swaps bytes in words of 16 bits, and the file was written in 32",
}

ALONE = {
    r".*/seg_image_sm_.*\.dcm": "GDCM stops where there is no orientation in the patient",
    r".*/JLSL_08_07_0_1F\.dcm": "GDCM stops at the header",
    r".*/liver_j2k\.dcm": "GDCM does not decode compressed bits",
    r".*/parametric_map_double_float\.dcm": "GDCM does not know Double Float Pixel Data",
    r".*/rtdose(_expb|_rle)?_1frame\.dcm": "GDCM stops at 15 offsets for 1 frame",
}

SAME = {
    "pydicom/test_files/SC_rgb_rle_16bit.dcm": "dicom-odd/pydicom-data/SC_rgb_expb_16bit.dcm",
    "pydicom/test_files/SC_rgb_rle_16bit_2frame.dcm": "dicom-odd/pydicom-data/SC_rgb_16bit_2frame.dcm",
    "pydicom/test_files/SC_rgb_rle_32bit.dcm": "dicom-odd/pydicom-data/SC_rgb_32bit.dcm",
    "pydicom/test_files/SC_rgb_rle_32bit_2frame.dcm": "dicom-odd/pydicom-data/SC_rgb_32bit_2frame.dcm",
    "pydicom/test_files/SC_rgb_jpeg.dcm": "pydicom/test_files/SC_rgb_jpeg_dcmd.dcm",
    "pydicom/test_files/rtdose_expb.dcm": "pydicom/test_files/rtdose.dcm",
    "pydicom/test_files/rtdose_expb_1frame.dcm": "pydicom/test_files/rtdose_1frame.dcm",
    "pydicom/test_files/rtdose_rle_1frame.dcm": "pydicom/test_files/rtdose_1frame.dcm",
}


class Reader:
    """SimpleITK in another process, which GDCM may abort."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1)

    def __call__(self, path: Path, image_io: str) -> oracles.Volume | None:
        try:
            return self._pool.submit(oracles.simple_itk, path, image_io).result()
        except BrokenProcessPool:
            self._pool = ProcessPoolExecutor(1)
        except RuntimeError:
            pass
        return None

    def close(self) -> None:
        self._pool.shutdown()


def expect(key: str, path: Path, read: Reader) -> Line:
    """Find what `unetscope.io.read` should make of a file."""
    if refused := _matching(REFUSED, key):
        return {"oracle": None, "error": "ReadError", "match": refused[0], "why": refused[1]}
    if path.name.startswith("DICOMDIR"):
        return _directory(path)
    if path.suffix == ".png":
        return {"oracle": "pypng"} | _described(values := oracles.png_values(path), "YXC"[: values.ndim])
    if path.suffix == ".jpeg":
        return _jpeg(key, path, read)
    if path.suffix == ".nrrd":
        volume = _required(read(path, "NrrdImageIO"))
        return {"oracle": "SimpleITK"} | _described(volume.data, "ZYX") | {"affine": _rounded(volume.affine)}
    return _dicom(key, path, read)


def _matching(entries: dict[str, Any], key: str) -> Any:
    return next((value for pattern, value in entries.items() if re.fullmatch(pattern, key)), None)


def _reason(entries: dict[str, str], key: str) -> str:
    reason = _matching(entries, key)
    if reason is None:
        raise ValueError("SimpleITK reads it otherwise or not at all: find out why")
    return str(reason)


def _required(volume: oracles.Volume | None) -> oracles.Volume:
    if volume is None:
        raise ValueError("SimpleITK cannot read it")
    return volume


def _directory(path: Path) -> Line:
    """Expect to be told the number of stacks: files of one series and one orientation."""
    stacks = {oracles.stack_of(file) for file in path.parent.glob("[0-9]*/*/*")}
    return {
        "oracle": "SimpleITK",
        "error": "InputError",
        "match": rf"\b{len(stacks)} DICOM series",
        "why": f"lists {len(stacks)} series, counting orientations apart",
    }


def _jpeg(key: str, path: Path, read: Reader) -> Line:
    values = imagecodecs.jpeg_decode(path.read_bytes())
    same = np.array_equal(values, _required(read(path, "JPEGImageIO")).data)
    line = {"oracle": "SimpleITK, imagecodecs"} if same else _settled(key, "imagecodecs")
    return line | _described(values, "YXC"[: values.ndim])


def _settled(key: str, ours: str) -> Line:
    return {"oracle": ours, "why": _reason(SETTLED, key)}


def _dicom(key: str, path: Path, read: Reader) -> Line:
    header = pydicom.dcmread(path, force=True)
    if path.name == "label.seg":
        # The labels that dcmqi made it from, on the same grid.
        theirs = read(path.parents[1] / "nrrd" / "label.nrrd", "NrrdImageIO")
    else:
        theirs = read(path, "GDCMImageIO")
    if not any(name in header for name in oracles.PIXELS):
        if theirs is not None:
            raise ValueError("no pixels for pydicom, but for SimpleITK")
        return {"oracle": "SimpleITK", "error": "ReadError", "match": NO_PIXELS, "why": "has no pixels"}
    if "SegmentedRedPaletteColorLookupTableData" in header:
        return {"oracle": "SimpleITK"} | _described(_required(theirs).data, "YXC")
    frames = oracles.as_promised(oracles.pixels_of(header), header)
    line = _judged(key, frames, header, theirs)
    if "SegmentSequence" in header:
        values = oracles.segments(frames, header)
        axes = "CZYX" if values.ndim == 4 else "CYX"
        return line | _described(values, axes) | _where(header, len(frames), None)
    if "TotalPixelMatrixColumns" in header:
        return line | _described(oracles.slide(frames, header), "YXC") | _where(header, 1, None)
    axes = ("T" if _is_timed(header) else "Z") + "YX" + "C" * (frames.ndim - 3)
    values = oracles.by_position(frames, header)
    if len(frames) == 1:
        values, axes = values[0], axes[1:]
    return line | _described(values, axes) | _where(header, len(frames), theirs)


def _is_timed(header: Dataset) -> bool:
    return "FrameTime" in header or "FrameTimeVector" in header


def _judged(key: str, frames: oracles.Array, header: Dataset, theirs: oracles.Volume | None) -> Line:
    """Hold the frames decoded here against those of SimpleITK."""
    ours = "imagecodecs" if header.file_meta.TransferSyntaxUID.is_encapsulated else "NumPy"
    if theirs is None:
        return {"oracle": ours, "why": _reason(ALONE, key)}
    given = theirs.data.reshape(frames.shape)
    note = {}
    if header.BitsAllocated == 1:
        given = given > 0
    if "DoseGridScaling" in header:
        given = given * float(header.DoseGridScaling)
        note = {"why": "times Dose Grid Scaling (PS3.3 C.8.8.3), which SimpleITK leaves out"}
    if given.dtype == np.uint8 and frames.dtype == np.uint16:
        frames = (frames >> 8).astype(np.uint8)
        note = {"why": "palette of 16 bits, of which SimpleITK keeps the upper 8"}
    if np.array_equal(given.astype(frames.dtype), frames):
        return {"oracle": f"SimpleITK, {ours}"} | note
    return _settled(key, ours)


def _where(header: Dataset, count: int, theirs: oracles.Volume | None) -> Line:
    """Place or spacing by the header, which SimpleITK must not contradict."""
    affine = oracles.place(header, count)
    if affine is not None:
        _require_agreement(affine, theirs, count)
        return {"affine": _rounded(affine)}
    if count > 1 and not _is_timed(header):
        return {}
    spacing = oracles.spacing(header)
    if theirs is not None and theirs.spacing[-2:] not in {(1.0, 1.0), spacing}:
        raise ValueError(f"spacing {spacing}, for SimpleITK {theirs.spacing}")
    return {"spacing": spacing}


def _require_agreement(affine: oracles.Array, theirs: oracles.Volume | None, count: int) -> None:
    if theirs is None:
        return
    other = theirs.affine.copy()
    if count == 1:
        other[:, 0] = affine[:, 0]
    elif other[:, 0] @ affine[:, 0] < 0:
        # In the order of the file, that is from the last slice to the first.
        other[:, 3] += (count - 1) * other[:, 0]
        other[:, 0] *= -1
    if not np.allclose(other, affine, atol=1e-3):
        raise ValueError(f"place {affine}, for SimpleITK {other}")


def _described(values: oracles.Array, axes: str) -> Line:
    order = sorted(range(len(axes)), key=lambda i: "TCZYX".index(axes[i]))
    data = values.transpose(order)
    return {
        "axes": "".join(axes[i] for i in order),
        "shape": list(data.shape),
        "dtype": data.dtype.name,
        "values": table.fingerprint(data),
    }


def _rounded(affine: oracles.Array) -> list[list[float]]:
    # + 0.0: no negative zeros.
    return (affine[:3].round(5) + 0.0).tolist()


def all_lines() -> dict[str, Line]:
    """Find the expectations of all files, by name."""
    read = Reader()
    lines = {}
    for key, path in sorted(table.odd_files().items()):
        try:
            lines[key] = expect(key, path, read)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from error
    read.close()
    for one, other in SAME.items():
        if lines[one]["values"] != lines[other]["values"]:
            raise ValueError(f"{one} and {other} differ")
    return lines


def main() -> None:
    """Write the table."""
    # On odd headers, by pydicom.
    warnings.simplefilter("ignore")
    versions = {
        "SimpleITK": SimpleITK.Version_VersionString(),
        "imagecodecs": imagecodecs.__version__,
        "pypng": png.__version__,
        "pydicom": pydicom.__version__,
    }
    # One line per file, so that a change of the table can be read.
    rows = ",\n".join(
        f"{json.dumps(key)}: {json.dumps(line, ensure_ascii=False)}" for key, line in all_lines().items()
    )
    text = f'{{"versions": {json.dumps(versions)},\n"files": {{\n{rows}\n}}}}\n'
    table.TABLE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
