"""Files made to harm: bounded time and memory, one clear sentence, and nothing done outside."""

from __future__ import annotations

import gzip
import io
import os
import re
import socket
import struct
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import PIL.Image
import pytest
import tifffile
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

import unetscope
from fuzz.seeds import SEEDS, Case, make_seed
from unetscope.errors import InputError, ReadError, UNetScopeError
from unetscope.io import Image, find_pairs, find_series, list_images, read, read_mask
from unetscope.io.write import write_csv, write_json

MakeDicom = Callable[..., Path]
ZEROS = np.zeros((4, 4), np.uint8)
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs files that Windows has not")


@contextmanager
def bounded_memory(megabytes: float) -> Iterator[None]:
    """Fail if NumPy and Python take more than this at any time."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < megabytes * 2**20


def write(case: Case, folder: Path) -> Path:
    """Write the files of a case of the fuzzer; return the one to read."""
    for name, content in case.items():
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(content)
    return folder / next(iter(case))


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
    path = write(make_seed(seed), tmp_path)
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
            read(write(case | {name: cut}, folder))


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


@pytest.mark.parametrize("compression", ["zlib", "zstd", "lzw", "packbits"])
def test_a_tiff_that_promises_more_than_it_has(compression: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ZEROS, compression=compression)
    with tifffile.TiffFile(path, mode="r+") as file:
        for tag in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages[0].tags[tag].overwrite(60_000, dtype="I")
    with bounded_memory(50), pytest.raises(ReadError, match=r"^a\.tif "):
        read(path)


def test_a_deflated_dicom_file_cannot_fill_the_memory(tmp_path: Path) -> None:
    content = make_seed("dicom-deflated")["a.dcm"]
    start = content.index(DeflatedExplicitVRLittleEndian.encode()) + len(DeflatedExplicitVRLittleEndian)
    [length] = struct.unpack_from("<I", content, 140)
    start = 144 + length
    packer = zlib.compressobj(9, wbits=-15)
    plain = zlib.decompress(content[start:], wbits=-15)
    # A private element of 2 GB behind the image.
    bomb = packer.compress(plain + struct.pack("<HH2sHI", 0x7FE1, 0x1001, b"OB", 0, 2**31))
    zeros = bytes(2**20)
    bomb += b"".join(packer.compress(zeros) for _ in range(2048)) + packer.flush()
    path = tmp_path / "a.dcm"
    path.write_bytes(content[:start] + bomb)
    with bounded_memory(300):
        image = read_or_refuse(path)
    assert image is None or image.data.shape == (8, 6)


def test_rle_that_promises_more_than_it_has(make_dicom: MakeDicom) -> None:
    attributes: dict[str, Any] = {"Rows": 60_000, "Columns": 60_000}
    path = make_dicom("a.dcm", ZEROS)
    import pydicom

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
    import pydicom

    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = encapsulate([b"\1\0\0\0" + bytes(60)])[:-9] + b"\xff\xff\xff\x7f"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with bounded_memory(50), pytest.raises(ReadError, match=r"^a\.dcm "):
        read(path)


def test_a_gzip_bomb(tmp_path: Path) -> None:
    buffer = io.BytesIO(nibabel.Nifti1Image(ZEROS[..., None], np.eye(4)).to_bytes())
    path = tmp_path / "a.nii.gz"
    with gzip.open(path, "wb", 9) as file:
        file.write(buffer.getvalue())
        for _ in range(1000):
            file.write(bytes(2**20))
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
    tifffile.imwrite(path, np.zeros((2, 4, 4), np.uint8), ome=True, metadata={"axes": "CYX"})
    with tifffile.TiffFile(path) as file:
        described = file.ome_metadata
    assert described is not None
    prolog, rest = described.split("?>", 1)
    rest = rest.replace('ID="Channel:0:0"', 'ID="Channel:0:0" Name="&i;"')
    path.unlink()
    tifffile.imwrite(
        path, np.zeros((2, 4, 4), np.uint8), description=f"{prolog}?>{doctype}{rest}".encode(), metadata=None
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


# --- folders ---


@pytest.fixture
def strange(tmp_path: Path) -> Iterator[Path]:
    """A folder with a pipe, a socket, a device and links in circles beside one image."""
    folder = tmp_path / "strange"
    folder.mkdir()
    PIL.Image.fromarray(ZEROS).save(folder / "good.png")
    for suffix in ("", ".dcm", ".png", "_mask.png"):
        os.mkfifo(folder / f"pipe{suffix}")
        (folder / f"null{suffix}").symlink_to("/dev/zero")
        (folder / f"loop{suffix}").symlink_to(f"loop{suffix}")
        (folder / f"gone{suffix}").symlink_to("nowhere")
    (folder / "inside").symlink_to(folder)
    (folder / "masks").symlink_to(folder)
    listener = socket.socket(socket.AF_UNIX)
    before = Path.cwd()
    os.chdir(folder)
    listener.bind("socket.dcm")
    os.chdir(before)
    yield folder
    listener.close()


@posix
@pytest.mark.parametrize(
    "name", ["pipe", "null", "loop", "gone", "pipe.dcm", "null.png", "socket.dcm", "pipe.png"]
)
def test_what_is_no_file_is_not_opened(name: str, strange: Path) -> None:
    for reader in (read, read_mask):
        with pytest.raises(ReadError, match=f"{name} (is no file|does not exist)"):
            reader(strange / name)


@posix
def test_pipes_and_circles_among_dicom_files(strange: Path, make_dicom: MakeDicom) -> None:
    make_dicom("strange/slice.dcm", ZEROS)
    [series] = find_series(strange)
    assert [file.name for file in series.files] == ["slice.dcm"]


@posix
def test_pipes_and_circles_among_pairs(strange: Path) -> None:
    assert [path.name for path in list_images(strange)] == ["good.png"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may read all")
def test_files_and_folders_without_permission(make_dicom: MakeDicom, tmp_path: Path) -> None:
    path = make_dicom("a/a.dcm", ZEROS)
    path.chmod(0)
    with pytest.raises(ReadError, match=r"a\.dcm cannot be read"):
        read(path)
    path.parent.chmod(0)
    with pytest.raises(ReadError, match="cannot be"):
        find_series(path.parent)
    path.parent.chmod(0o700)


NAMES = [
    "größe 見 🫀",
    "cafe\u0301",
    "two\nlines",
    "\u202egnp.exe",
    "\x1b[31mred\x1b[0m",
    "-rf",
    "%s{0}$HOME`ls`",
    "quote'\"",
    " space ",
    "dots...",
    "x" * 240,
    os.fsdecode(b"latin-\xe4\xff"),
]


@posix
@pytest.mark.parametrize("name", NAMES)
def test_any_name(name: str, tmp_path: Path, make_dicom: MakeDicom) -> None:
    for folder, values in (("images", ZEROS), ("masks", np.eye(4, dtype=np.uint8))):
        (tmp_path / folder).mkdir()
        PIL.Image.fromarray(values).save(tmp_path / folder / f"{name}.png")
    image, mask = (tmp_path / folder / f"{name}.png" for folder in ("images", "masks"))
    assert read(image).data.shape == read_mask(mask).data.shape == (4, 4)
    [pair] = find_pairs(tmp_path).usable()
    assert (pair.image, pair.mask) == (image, mask)
    assert read(make_dicom(f"{name}.dcm", ZEROS)).data.shape == (4, 4)
    assert [file.name for file in find_series(tmp_path)[0].files] == [f"{name}.dcm"]
    image.write_bytes(b"")
    with pytest.raises(ReadError, match="is empty") as caught:
        read(image)
    assert str(caught.value).isprintable()
    str(caught.value).encode()


@posix
@pytest.mark.parametrize("name", NAMES)
def test_any_name_in_a_table(name: str, tmp_path: Path) -> None:
    for folder, values in (("images", ZEROS), ("masks", np.eye(4, dtype=np.uint8))):
        (tmp_path / folder).mkdir()
        PIL.Image.fromarray(values).save(tmp_path / folder / f"{name}.png")
    pairing = find_pairs(tmp_path)
    again = find_pairs(pairing.to_csv(tmp_path / "pairs.csv"))
    assert [(pair.image.name, pair.problems) for pair in again.pairs] == [(f"{name}.png", ())]
    write_json(tmp_path / "a.json", {"image": image_name(pairing)})
    write_csv(tmp_path / "a.csv", [{"image": image_name(pairing)}], ["image"])


def image_name(pairing: Any) -> str:
    return str(pairing.pairs[0].image)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b.png", "a" * 5000])
def test_names_that_no_system_has(name: str, tmp_path: Path) -> None:
    for reader in (read, read_mask, find_pairs, find_series):
        with pytest.raises(InputError):
            reader(tmp_path / name)


# --- what the sources must not do ---

_FORBIDDEN = re.compile(
    r"(?<![.\w])(eval|exec|compile|__import__)\(|pickle\.(load|Unpickler)|\bmarshal\b|\bshelve\b"
    r"|yaml\.(load|unsafe_load|full_load)\(|allow_pickle|torch\.load\((?!.*weights_only=True)"
    r"|os\.system\(|shell=True|extractall\("
)


def test_no_code_is_run_from_files() -> None:
    top = Path(unetscope.__file__).parent
    found = [
        f"{path.relative_to(top)}: {line.strip()}"
        for path in sorted(top.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if _FORBIDDEN.search(line)
    ]
    assert found == []
