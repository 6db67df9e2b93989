from __future__ import annotations

import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from unetscope.errors import OutputError, ReadError
from unetscope.io import archive as module
from unetscope.io.archive import unpack

MakeZip = Callable[..., Path]


@pytest.fixture
def make_zip(tmp_path: Path) -> MakeZip:
    """Write an archive of the given names, or of pairs of name (or ZipInfo) and content."""

    def make(*entries: str | tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
        path = tmp_path / "data.zip"
        with zipfile.ZipFile(path, "w", method) as file:
            for entry in entries:
                name, content = (entry, b"content") if isinstance(entry, str) else entry
                file.writestr(name, content)
        return path

    return make


def refuse(archive: Path, sentence: str) -> None:
    """Expect a refusal that leaves nothing behind."""
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(ReadError, match=sentence) as caught:
        unpack(archive, archive.parent / "out")
    assert "data.zip" in str(caught.value)
    assert sorted(archive.parent.rglob("*")) == before


def test_an_archive_becomes_a_folder(make_zip: MakeZip, tmp_path: Path) -> None:
    archive = make_zip(("images/a.png", b"image"), "empty/", ("masks/a.png", b""), "Grüße 見.txt")
    out = tmp_path / "new" / "out"
    files = unpack(archive, out)
    assert files == [out / "images/a.png", out / "masks/a.png", out / "Grüße 見.txt"]
    assert [file.read_bytes() for file in files] == [b"image", b"", b"content"]
    assert (out / "empty").is_dir()
    assert list(out.parent.iterdir()) == [out]


def test_the_folder_has_the_rights_of_the_one_around_it(make_zip: MakeZip, tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    unpack(make_zip("a"), tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750


def test_an_empty_folder_may_be_there(make_zip: MakeZip, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert [file.name for file in unpack(make_zip("a.txt"), tmp_path / "out")] == ["a.txt"]


def test_a_filled_folder_is_left_alone(make_zip: MakeZip, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "a.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(OutputError, match="exists already and is not empty"):
        unpack(make_zip("a.txt"), mine.parent)
    assert mine.read_text() == "mine"
    assert list(mine.parent.iterdir()) == [mine]


def test_a_link_is_no_new_folder(make_zip: MakeZip, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to("elsewhere")
    with pytest.raises(OutputError, match="exists already"):
        unpack(make_zip("a.txt"), tmp_path / "out")
    assert not any((tmp_path / "elsewhere").iterdir())


def test_a_file_in_the_way(make_zip: MakeZip, tmp_path: Path) -> None:
    archive = make_zip("a.txt")
    with pytest.raises(OutputError, match="cannot be written"):
        unpack(archive, archive / "out")


def test_names_longer_than_the_system_allows(make_zip: MakeZip, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        unpack(make_zip("a" * 300), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["data.zip"]


# --- names ---


@pytest.mark.parametrize(
    "name",
    [
        "../a.txt",
        "images/../../a.txt",
        "/etc/a.txt",
        "//server/share/a.txt",
        "C:/a.txt",
        "C:a.txt",
        "..\\a.txt",
        "\\\\server\\share\\a.txt",
        "C:\\a.txt",
        "a.txt:stream",
        "a//b.txt",
        "... /b.txt",
        "./a.txt",
        "a\nb.txt",
        "a\x7fb.txt",
        "a/" * 32 + "b.txt",
    ],
)
def test_names_that_leave_the_folder_or_are_not_plain(name: str, make_zip: MakeZip) -> None:
    refuse(make_zip("first.txt", name), "holds a file named .*names that stay inside the folder")


@pytest.mark.parametrize(
    "names",
    [
        ("a.txt", "a.txt"),
        ("a.txt", "A.TXT"),
        ("caf\u00e9.txt", "cafe\u0301.txt"),
        ("stra\u00dfe.txt", "STRASSE.txt"),
        ("a.txt", "a.txt. ."),
        ("images/a.txt", "IMAGES/a.txt"),
        ("a", "a/b.txt"),
        ("a/b.txt", "a"),
        ("a/b.txt", "A"),
        ("a/", "A"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_are_one_file_on_some_system(names: tuple[str, str], make_zip: MakeZip) -> None:
    refuse(make_zip(*names), "names that differ on every system")


def test_folders_may_be_named_in_any_order(make_zip: MakeZip, tmp_path: Path) -> None:
    files = unpack(make_zip("a/b/c.txt", "a/b/", "a/", "a/d.txt"), tmp_path / "out")
    assert [file.name for file in files] == ["c.txt", "d.txt"]


def test_separators_of_windows(make_zip: MakeZip, tmp_path: Path) -> None:
    files = unpack(make_zip(("images\\", b""), "images\\a.png"), tmp_path / "out")
    assert files == [tmp_path / "out" / "images" / "a.png"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices(kind: int, make_zip: MakeZip) -> None:
    entry = zipfile.ZipInfo("link")
    entry.external_attr = (kind | 0o777) << 16
    refuse(make_zip((entry, b"/etc/passwd")), "'link', a link or device")


# --- sizes ---


def test_a_bomb(make_zip: MakeZip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_HARMLESS_BYTES", 10**6)
    refuse(make_zip(("zeros", bytes(2 * 10**6))), r"unpacks to 0\.0 GB; expected at most 200 times its size")


def test_masks_compress_well_and_are_no_bomb(make_zip: MakeZip, tmp_path: Path) -> None:
    [file] = unpack(make_zip(("mask.tif", bytes(10**6))), tmp_path / "out")
    assert file.stat().st_size == 10**6


def test_more_than_the_disk_has(make_zip: MakeZip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=100))
    refuse(make_zip(("a", bytes(51))), "half of the free space")


def test_too_many_files(make_zip: MakeZip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_FILES", 2)
    refuse(make_zip("a", "b", "c"), "holds 3 files; expected at most 2")


def directory_entry(archive: bytes, number: int) -> int:
    """Where an entry of the central directory begins."""
    at = -1
    for _ in range(number + 1):
        at = archive.index(b"PK\x01\x02", at + 1)
    return at


def patched(path: Path, offset: int, layout: str, value: int) -> Path:
    content = bytearray(path.read_bytes())
    struct.pack_into(layout, content, offset, value)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("size", [500, 2000])
def test_sizes_that_are_not_those_of_the_data(size: int, make_zip: MakeZip) -> None:
    path = make_zip(("a", bytes(1000)))
    refuse(patched(path, directory_entry(path.read_bytes(), 0) + 24, "<I", size), "CRC|another size")


def test_files_that_share_their_data(make_zip: MakeZip) -> None:
    path = make_zip(("a", bytes(range(256)) * 4), ("b", b"b"), method=zipfile.ZIP_STORED)
    content = path.read_bytes()
    start = directory_entry(content, 1)
    patched(path, start + 20, "<I", 1024)
    patched(path, start + 24, "<I", 1024)
    refuse(patched(path, start + 42, "<I", 0), "share their data")


# --- damage ---


def test_an_encrypted_archive(make_zip: MakeZip) -> None:
    path = make_zip("a")
    refuse(patched(path, directory_entry(path.read_bytes(), 0) + 8, "<H", 1), "is encrypted.*password")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_without_a_bound(method: int, make_zip: MakeZip) -> None:
    refuse(make_zip("a", method=method), f"compressed by method {method}; expected deflate")


def test_an_archive_inside_stays_packed(make_zip: MakeZip, tmp_path: Path) -> None:
    inner = make_zip("a").read_bytes()
    [file] = unpack(make_zip(("inner.zip", inner)), tmp_path / "out")
    assert file.read_bytes() == inner


def test_an_archive_without_files(make_zip: MakeZip) -> None:
    refuse(make_zip("empty/"), "holds no files")


def test_truncated_at_every_sixteenth(make_zip: MakeZip) -> None:
    content = make_zip(("a", bytes(range(256))), ("b", b"b")).read_bytes()
    for part in range(16):
        path = make_zip("a")
        path.write_bytes(content[: len(content) * part // 16])
        refuse(path, "cannot be read as a ZIP archive")


def test_flipped_data(make_zip: MakeZip) -> None:
    path = make_zip(("a", b"content" * 20), method=zipfile.ZIP_STORED)
    refuse(patched(path, 60, "<B", 0), "Bad CRC-32")


def test_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="is no file"):
        unpack(tmp_path / "data.zip", tmp_path / "out")
    with pytest.raises(ReadError, match="is no file"):
        unpack(tmp_path, tmp_path / "out")
