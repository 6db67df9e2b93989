"""Whatever an archive says: files appear inside the folder, or nothing appears."""

from __future__ import annotations

import io
import tempfile
import warnings
import zipfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from unetscope.errors import UNetScopeError
from unetscope.io.archive import unpack

NAMES = st.text("aA.é/\\: \n…\u0301", max_size=12) | st.sampled_from(
    ["..", "a/../b", "/a", "C:a", "a/", "CON"]
)
ENTRIES = st.dictionaries(NAMES.filter(bool), st.binary(max_size=20), max_size=5)


def unpacked(content: bytes) -> dict[str, bytes] | None:
    """Unpack bytes; give the files by name, or None where they are refused and nothing is left."""
    with tempfile.TemporaryDirectory() as top:
        archive, out = Path(top, "a.zip"), Path(top, "inner", "out")
        archive.write_bytes(content)
        out.parent.mkdir()
        try:
            files = unpack(archive, out)
        except UNetScopeError:
            assert not any(out.parent.iterdir())
            return None
        finally:
            assert sorted(path.name for path in Path(top).iterdir()) == ["a.zip", "inner"]
        assert sorted(files) == sorted(path for path in out.rglob("*") if path.is_file())
        return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def packed(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in entries.items():
            file.writestr(name, content)
    return buffer.getvalue()


@given(ENTRIES)
def test_any_names(entries: dict[str, bytes]) -> None:
    found = unpacked(packed(entries))
    if found is not None:
        names = {name.replace("\\", "/"): content for name, content in entries.items()}
        assert found == {name: content for name, content in names.items() if not name.endswith("/")}


@given(ENTRIES, st.data())
def test_any_damage(entries: dict[str, bytes], data: st.DataObject) -> None:
    content = bytearray(packed(entries))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    unpacked(bytes(content))
