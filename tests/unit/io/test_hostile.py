"""Files made to harm: bounded time and memory, one clear sentence, and nothing done outside."""

from __future__ import annotations

import gzip
import os
import re
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import imagecodecs
import nibabel
import numpy as np
import PIL.Image
import pydicom
import pytest
import tifffile
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGLosslessSV1, RLELossless

from fuzz.seeds import SECRET, SEEDS, make_seed, write_case
from unetscope.errors import InputError, ReadError, UNetScopeError
from unetscope.io import Image, _limits, find_pairs, find_series, read
from unetscope.io.dicom import decode

MakeDicom = Callable[..., Path]
ZEROS = np.zeros((4, 4), np.uint8)


@contextmanager
def bounded_memory(megabytes: float) -> Iterator[None]:
    """Fail if NumPy and Python take more than this at any time, where twice as much is free."""
    with patch.object(_limits, "available_memory", lambda: int(megabytes * 2**21)):
        tracemalloc.start()
        try:
            yield
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < megabytes * 2**20


def read_or_refuse(path: Path) -> Image | None:
    """Read an image, or expect one sentence that names the file."""
    try:
        return read(path)
    except UNetScopeError as error:
        sentence = str(error)
    assert path.name in sentence
    assert sentence.isprintable()
    return None


# --- every format, cut off anywhere ---


@pytest.mark.parametrize("seed", SEEDS)
def test_the_valid_files_are_read(seed: str, tmp_path: Path) -> None:
    path = write_case(make_seed(seed), tmp_path)
    if seed in {"coco", "geojson", "csv", "contour"}:
        assert find_pairs(path)
    else:
        assert read(path).data.size


@pytest.mark.parametrize("seed", SEEDS)
def test_cut_off_at_every_sixteenth(seed: str, tmp_path: Path) -> None:
    case = make_seed(seed)
    name = max(case, key=lambda name: len(case[name]))
    if seed in {"coco", "geojson", "csv", "contour"}:
        pytest.skip("cut-off text is another text")
    for part in range(16):
        cut = case[name][: len(case[name]) * part // 16]
        folder = tmp_path / str(part)
        with suppress(UNetScopeError):
            read(write_case(case | {name: cut}, folder))


# --- bombs: little in the file, much in memory ---


def png_of(width: int, height: int, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (60_000, 60_000), (0, 5), (2**31, 1)])
def test_a_png_that_promises_more_than_it_has(width: int, height: int, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_of(width, height, zlib.compress(bytes(1000))))
    with bounded_memory(50), pytest.raises(ReadError, match=r"^a\.png "):
        read(path)


def test_a_png_text_that_unpacks_to_a_gigabyte(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(10**8), 9)
    body = b"zTXt" + b"comment\0\0" + bomb
    whole = png_of(4, 4, zlib.compress(bytes(20)))
    path = tmp_path / "a.png"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(whole[:33] + chunk + whole[33:])
    with bounded_memory(50):
        image = read_or_refuse(path)
    assert image is None or image.data.shape == (4, 4)


def test_a_gif_of_absurd_size(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    PIL.Image.fromarray(ZEROS).save(path)
    content = bytearray(path.read_bytes())
    struct.pack_into("<HH", content, 6, 65535, 65535)
    path.write_bytes(content)
    with bounded_memory(50), pytest.raises(ReadError, match=r"^a\.gif "):
        read(path)


def test_a_frame_outside_of_its_gif(tmp_path: Path) -> None:
    path = write_case(make_seed("gif"), tmp_path)
    content = bytearray(path.read_bytes())
    last = content.rindex(b"\x2c\x00\x00\x00\x00")
    struct.pack_into("<H", content, last + 1, 65535)
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"^a\.gif has frames of different kinds"):
        read(path)


def test_bytes_after_the_end_of_the_pixels_of_a_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    PIL.Image.fromarray(ZEROS).convert("P").save(path)
    before, rest = path.read_bytes().split(b"IDAT")
    length = int.from_bytes(before[-4:], "big")
    pixels = b"IDAT" + zlib.compress(b"\0" * 5) + b"junk" * 5
    chunk = struct.pack(">I", len(pixels) - 4) + pixels + struct.pack(">I", zlib.crc32(pixels))
    path.write_bytes(before[:-4] + chunk + rest[length + 4 :])
    with pytest.raises(ReadError, match=r"^a\.png .*its pixels are not complete"):
        read(path)


@pytest.mark.parametrize("compression", ["zlib", "zstd", "lzw", "packbits"])
def test_a_tiff_that_promises_more_than_it_has(compression: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ZEROS, compression=compression)
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages[0].tags[tag].overwrite(60_000, dtype="I")
    with bounded_memory(50), pytest.raises(ReadError, match=r"^a\.tif "):
        read(path)


def test_a_deflated_dicom_file_cannot_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = make_seed("dicom-deflated")["a.dcm"]
    start = content.index(DeflatedExplicitVRLittleEndian.encode()) + len(DeflatedExplicitVRLittleEndian)
    [length] = struct.unpack_from("<I", content, 140)
    start = 144 + length
    packer = zlib.compressobj(9, wbits=-15)
    plain = zlib.decompress(content[start:], wbits=-15)
    # A private element of 100 MB behind the image.
    bomb = packer.compress(plain + struct.pack("<HH2sHI", 0x7FE1, 0x1001, b"OB", 0, 100 * 2**20))
    bomb += packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb += 100 * zeros + packer.flush()
    monkeypatch.setattr(decode, "_MOST_INFLATED", 20 * 2**20)
    path = tmp_path / "a.dcm"
    path.write_bytes(content[:start] + bomb)
    with bounded_memory(50), pytest.raises(ReadError, match=r"^a\.dcm "):
        read(path)


def test_rle_that_promises_more_than_it_has(make_dicom: MakeDicom) -> None:
    attributes: dict[str, Any] = {"Rows": 60_000, "Columns": 60_000}
    path = make_dicom("a.dcm", ZEROS)
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    with bounded_memory(50), pytest.raises(ReadError, match=r"^a\.dcm "):
        read(path)


@pytest.mark.parametrize(
    "attributes",
    [
        {"Rows": 65535, "Columns": 65535},
        {"NumberOfFrames": 2**31 - 1},
        {"NumberOfFrames": -1},
        {"NumberOfFrames": 10**30},
        {"Rows": 0},
        {"BitsAllocated": 64000},
        {"BitsAllocated": 0},
        {"SamplesPerPixel": 60000},
    ],
)
@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_dicom_of_absurd_size(attributes: dict[str, Any], make_dicom: MakeDicom) -> None:
    path = make_dicom("a.dcm", ZEROS, **attributes)
    with bounded_memory(50), pytest.raises(ReadError, match=r"^a\.dcm "):
        read(path)


def test_a_huge_private_element_is_not_an_obstacle(tmp_path: Path, make_dicom: MakeDicom) -> None:
    path = make_dicom("a.dcm", ZEROS)
    content = path.read_bytes()
    pixels = content.index(struct.pack("<HH", 0x7FE0, 0x0010))
    size = 200 * 2**20
    private = struct.pack("<HH2sHI", 0x7FDF, 0x1001, b"OB", 0, size)
    with path.open("wb") as file:
        file.write(content[:pixels] + private)
        file.seek(size, os.SEEK_CUR)
        file.write(content[pixels:])
    with bounded_memory(20):
        [series] = find_series(tmp_path)
    assert series.read().data.shape == (4, 4)


def test_fragments_without_end(make_dicom: MakeDicom) -> None:
    path = make_dicom("a.dcm", ZEROS)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = encapsulate([b"\1\0\0\0" + bytes(60)])[:-9] + b"\xff\xff\xff\x7f"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with bounded_memory(50), pytest.raises(ReadError, match=r"^a\.dcm "):
        read(path)


def test_a_gzip_bomb(tmp_path: Path) -> None:
    volume = nibabel.Nifti1Image(ZEROS[..., None], np.eye(4)).to_bytes()
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(volume) + 1000 * gzip.compress(bytes(2**20)))
    with bounded_memory(50):
        image = read_or_refuse(path)
    assert image is None or image.data.size == 16


@pytest.mark.parametrize("lengths", [(32767,) * 3, (-1, 4, 4), (0, 4, 4)])
def test_nifti_of_absurd_size(lengths: tuple[int, int, int], tmp_path: Path) -> None:
    content = bytearray(make_seed("nifti")["a.nii"])
    struct.pack_into("<3h", content, 42, *lengths)
    for name, data in (("a.nii", bytes(content)), ("a.nii.gz", gzip.compress(content))):
        (tmp_path / name).write_bytes(data)
        with bounded_memory(50), pytest.raises(ReadError, match=f"^{re.escape(name)} "):
            read(tmp_path / name)


def test_an_archive_is_named_as_such(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.png", "w") as file:
        file.writestr("b", "b")
    with pytest.raises(ReadError, match=r"a\.png is a ZIP archive.*unetscope unpack"):
        read(tmp_path / "a.png")


# --- texts that grow or reach out ---

_LAUGHS = '<!DOCTYPE OME [<!ENTITY a "{}">{}]>'.format(
    "ha" * 50,
    "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
)


@pytest.mark.parametrize("doctype", [_LAUGHS, '<!DOCTYPE OME [<!ENTITY i SYSTEM "file:///etc/passwd">]>'])
def test_entities_in_ome_xml_are_not_expanded(doctype: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(
        path, np.zeros((2, 4, 4), np.uint8), ome=True, photometric="minisblack", metadata={"axes": "CYX"}
    )
    with tifffile.TiffFile(path) as file:
        described = file.ome_metadata
    assert described is not None
    prolog, rest = described.split("?>", 1)
    rest = rest.replace('ID="Channel:0:0"', 'ID="Channel:0:0" Name="&i;"')
    path.unlink()
    tifffile.imwrite(
        path,
        np.zeros((2, 4, 4), np.uint8),
        photometric="minisblack",
        description=f"{prolog}?>{doctype}{rest}".encode(),
        metadata=None,
    )
    with bounded_memory(50):
        image = read_or_refuse(path)
    assert image is None or not any("root" in name or "haha" in name for name in image.channels)


def test_json_that_is_nested_without_end(tmp_path: Path) -> None:
    for name in ("annotations.json", "a.geojson"):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        PIL.Image.fromarray(ZEROS).save(folder / "a.png")
        (folder / name).write_bytes(b"[" * 10**6)
        try:
            pairing = find_pairs(folder)
        except InputError as error:
            assert name in str(error)  # noqa: PT017
        else:
            assert not pairing.usable()


# --- what the fuzzer found ---


def changed(seed: str, folder: Path, **attributes: Any) -> Path:
    """Write a DICOM seed with other values in its header."""
    path = write_case(make_seed(seed), folder)
    dataset = pydicom.dcmread(path)
    for name, value in attributes.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return path


@pytest.mark.parametrize("seed", ["dicom-jpeg", "dicom-jpeg2000", "dicom-jpegls", "dicom-rle"])
@pytest.mark.parametrize("attribute", ["Rows", "Columns", "SamplesPerPixel"])
@pytest.mark.parametrize("factor", [2, 3])
def test_frames_of_another_size_do_not_end_the_process(
    seed: str, attribute: str, factor: int, tmp_path: Path
) -> None:
    path = write_case(make_seed(seed), tmp_path)
    dataset = pydicom.dcmread(path)
    changed(seed, tmp_path, **{attribute: factor * dataset[attribute].value})
    with pytest.raises(ReadError, match=r"^a\.dcm "):
        read(path)


def test_lossless_jpeg_of_another_size_does_not_end_the_process(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(8, 6)
    frame = imagecodecs.ljpeg_encode(pixels)
    path = changed("dicom-jpeg", tmp_path, NumberOfFrames=1, RescaleSlope=1, RescaleIntercept=0)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.PixelData = encapsulate([frame])
    dataset.save_as(path)
    np.testing.assert_array_equal(read(path).data, pixels)
    for attribute in ("Rows", "Columns"):
        value = dataset[attribute].value
        dataset[attribute].value = 2 * value + 1
        dataset.save_as(path)
        with pytest.raises(ReadError, match=r"a frame of \[8, 6, 1\] and 8 bits in an image of"):
            read(path)
        dataset[attribute].value = value


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_a_header_of_which_one_element_swallows_the_next(tmp_path: Path) -> None:
    path = write_case(make_seed("dicom-palette"), tmp_path)
    content = path.read_bytes()
    modality = content.index(b"CS\x02\x00MR")
    name = content.index(SECRET.encode())
    swallowed = struct.pack("<H", name + 8 - modality - 4)
    path.write_bytes(content[: modality + 2] + swallowed + content[modality + 4 :])
    image = read_or_refuse(path)
    assert image is None or SECRET not in repr(image.source)
    with pytest.raises(ReadError) as caught:
        read(changed("dicom", tmp_path / "b", Modality=f"MR {SECRET.lower()}", PixelData=None))
    assert SECRET.lower() not in str(caught.value)


def test_fewer_frames_than_the_header_says(tmp_path: Path) -> None:
    path = changed("dicom-jpeg", tmp_path, NumberOfFrames=7)
    with pytest.raises(ReadError, match=r"^a\.dcm "):
        read(path)


def test_a_fragment_longer_than_the_file(tmp_path: Path) -> None:
    path = write_case(make_seed("dicom-jpeg"), tmp_path)
    content = bytearray(path.read_bytes())
    fragment = content.index(b"\xff\xd8\xff") - 4
    struct.pack_into("<I", content, fragment, 10**6)
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"^a\.dcm "):
        read(path)


def test_float_pixels_with_fewer_stored_bits(tmp_path: Path) -> None:
    path = changed("dicom-float", tmp_path, BitsStored=12, HighBit=11)
    assert read(path).data.dtype == np.float32


def test_a_strip_longer_than_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ZEROS, compression="packbits", bigtiff=True)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["StripByteCounts"].overwrite(2**48, dtype="Q")
    with bounded_memory(50), pytest.raises(ReadError, match="a strip or tile of 281474976710656 bytes"):
        read(path)


def test_a_tile_larger_than_any_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ZEROS, tile=(16, 16), bigtiff=True)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["TileLength"].overwrite(2**48, dtype="Q")
    with bounded_memory(50), pytest.raises(ReadError, match=r"a\.tif would take .* GB of memory"):
        read(path)


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_a_lazy_image_of_absurd_size(compression: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ZEROS, compression=compression, bigtiff=True)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags["ImageLength"].overwrite(2**48, dtype="Q")
    with bounded_memory(50), pytest.raises(ReadError, match=r"^a\.tif "):
        read(path, lazy=True)


def test_geojson_of_a_kind_that_is_no_word(tmp_path: Path) -> None:
    folder = write_case(make_seed("geojson"), tmp_path)
    path = folder / "a.geojson"
    path.write_text(path.read_text().replace('"MultiPolygon"', "[]"))
    assert [pair.image.name for pair in find_pairs(folder).pairs] == ["a.png"]


def test_nifti_scaled_beyond_all_numbers(tmp_path: Path) -> None:
    content = bytearray(make_seed("nifti-2")["a.nii"])
    struct.pack_into("<2d", content, 176, 1e300, 1e300)
    path = tmp_path / "a.nii"
    path.write_bytes(content)
    read_or_refuse(path)


@pytest.mark.filterwarnings("ignore:.*:UserWarning")
def test_a_dicomdir_with_a_name_that_no_system_has(tmp_path: Path) -> None:
    path = write_case(make_seed("dicomdir"), tmp_path)
    dataset = pydicom.dcmread(path)
    for record in dataset.DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            record.ReferencedFileID = ["X" * 300]
    dataset.save_as(path)
    with pytest.raises(ReadError, match="DICOMDIR"):
        read(path)
