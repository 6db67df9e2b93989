"""Damage files where it hurts: in the fields that say how much there is, of what, and where."""

from __future__ import annotations

import gzip
import json
import re
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

from pydicom.uid import DeflatedExplicitVRLittleEndian

from fuzz.seeds import Case

__all__ = ["mutate"]

_INTEGERS = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 127, 128, 255, 256, 1000, 32767, 32768, 65535, 65536, 10**6)
_LARGE = (2**24, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_FLOATS = (0.0, -0.0, -1.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"))


def mutate(case: Case, random: Random) -> Case:
    """Damage one file of a case once to three times, mostly where its format is sensitive."""
    names = [name for name, content in case.items() if content]
    name = random.choice(names)
    content = case[name]
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        change = _any_bytes if random.random() < 0.25 else _mutator_of(name, content)
        try:
            content = change(content, random)
        except (
            ArithmeticError,
            EOFError,
            IndexError,
            OSError,
            RecursionError,
            ValueError,
            struct.error,
            zlib.error,
        ):
            # An earlier change left nothing that the format's own mutator understands.
            content = _any_bytes(content, random)
    return case | {name: content}


def _mutator_of(name: str, content: bytes) -> Callable[[bytes, Random], bytes]:
    suffix = name.rpartition(".")[2]
    if suffix == "dcm" or content[128:132] == b"DICM":
        return _dicom
    if suffix == "gz":
        return _gzip
    if suffix == "json" or name.rpartition("/")[2].startswith(".z"):
        return _json
    return _BY_SUFFIX.get(suffix, _any_bytes)


def _number(random: Random, bits: int) -> int:
    """Give a number that programs tend to get wrong."""
    value = random.choice((*_INTEGERS, *_LARGE, random.getrandbits(bits), -random.choice(_INTEGERS)))
    return value % 2**bits


def _put(content: bytes, at: int, layout: str, random: Random) -> bytes:
    """Replace a number of `layout` by another; integers sometimes by one close to them."""
    size = struct.calcsize(layout)
    if layout[-1] in "fd":
        value = random.choice(_FLOATS)
        new = struct.pack(layout, value if layout[-1] == "d" or abs(value) < 1e38 else float("inf"))
    else:
        [old] = struct.unpack_from(layout, content, at)
        near = (old + random.choice((-2, -1, 1, 2))) % 2 ** (8 * size)
        value = near if random.random() < 0.3 else _number(random, 8 * size)
        new = struct.pack(layout.upper() if layout[-1].islower() else layout, value)
    return content[:at] + new + content[at + size :]


def _any_bytes(content: bytes, random: Random) -> bytes:
    """Flip bits, truncate, cut out, repeat, insert, or overwrite."""
    if not content:
        return bytes([random.getrandbits(8)])
    start = random.randrange(len(content))
    end = min(len(content), start + random.choice((1, 2, 4, 8, 64)))
    before, piece, after = content[:start], content[start:end], content[end:]
    match random.randrange(7):
        case 0:
            piece = bytes([piece[0] ^ (1 << random.randrange(8))]) + piece[1:]
        case 1:
            piece, after = b"", b""
        case 2:
            piece = b""
        case 3:
            piece *= 2
        case 4:
            piece = random.randbytes(len(piece)) + piece
        case 5:
            piece = random.choice((b"\0", b"\xff")) * len(piece)
        case _:
            layout = random.choice(("<H", "<I", ">H", ">I"))
            piece = _put(piece + bytes(4), 0, layout, random)[: len(piece)]
    return before + piece + after


# --- DICOM ---

_VRS = b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV".split()
_VRS += b"TM UC UI UL UN UR US UT UV".split()
_LONG_VRS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_ELEMENT = re.compile(b"(?s)(?=[\x00-\xff]{4}(" + b"|".join(_VRS) + b"))")
_ITEM = re.compile(b"(?s)(?=\xfe\xff[\x00\x0d\xdd]\xe0)")
# Numbers that are stored as text.
_TEXTS = (
    b"",
    b"0",
    b"-1",
    b"1e400",
    b"nan",
    b"inf",
    b"4294967296",
    b"9" * 40,
    b"x",
    b"\\",
    b"1\\2\\3\\4",
    b"\xff",
)
_PATHS = (b"..\\..\\ETC", b"\\ETC\\PASSWD", b"C:\\X", b".", b"..", b"")


def _dicom(content: bytes, random: Random) -> bytes:
    """Change the VR, length or value of an element, or the length of an item or fragment."""
    start = 132 if content[128:132] == b"DICM" else 0
    if DeflatedExplicitVRLittleEndian.encode() in content[:400]:
        [length] = struct.unpack_from("<I", content, 140)
        head, packed = content[: 144 + length], content[144 + length :]
        plain = _dicom(zlib.decompress(packed, wbits=-15), random)
        return head + zlib.compress(plain, wbits=-15)
    items = [match.start() for match in _ITEM.finditer(content, start)]
    if items and random.random() < 0.2:
        return _put(content, random.choice(items) + 4, "<I", random)
    at, vr = random.choice([(match.start(), match[1]) for match in _ELEMENT.finditer(content, start)])
    return _dicom_element(content, at, vr, random)


def _dicom_element(content: bytes, at: int, vr: bytes, random: Random) -> bytes:
    head, layout = (12, "<I") if vr in _LONG_VRS else (8, "<H")
    size = struct.calcsize(layout)
    value = at + head
    [length] = struct.unpack_from(layout, content, value - size)
    element, after = content[at : value + length], content[value + length :]
    match random.randrange(6):
        case 0:
            element = element[:4] + random.choice(_VRS) + element[6:]
        case 1:
            element = _put(element, head - size, layout, random)
        case 2:
            element = b""
        case 3:
            element *= 2
        case 4:
            text = random.choice(_PATHS if vr == b"CS" else _TEXTS)
            text += b" " * (len(text) % 2)
            element = element[: head - size] + struct.pack(layout, len(text)) + text
        case _:
            element = _put(element, head, {2: "<H", 4: "<I", 8: "<d"}.get(length, "<H"), random)
    return content[:at] + element + after


# --- pictures ---


def _png(content: bytes, random: Random) -> bytes:
    """Change chunks and give most of them a right checksum, so that a decoder looks inside."""
    chunks = _png_chunks(content)
    i = random.randrange(len(chunks))
    name, body = chunks[i]
    match random.randrange(8):
        case 0:
            fields = [(offset, ">I") for offset in (0, 4)] + [(offset, ">B") for offset in range(8, 13)]
            chunks[0] = (b"IHDR", _put(chunks[0][1], *random.choice(fields), random))
        case 1:
            chunks[i] = (name, _any_bytes(body, random))
        case 2:
            del chunks[i]
        case 3:
            chunks.insert(random.randrange(len(chunks) + 1), chunks[i])
        case 4:
            names = (b"PLTE", b"tRNS", b"pHYs", b"acTL", b"fcTL", b"fdAT", b"IDAT", b"eXIf", b"gAMA", b"sBIT")
            chunks.insert(1, (random.choice(names), random.randbytes(random.randrange(40))))
        case 5:
            bomb = zlib.compress(bytes(random.choice((10**4, 10**6, 10**7))), 9)
            kinds = ((b"iCCP", b"x\0\0"), (b"zTXt", b"x\0\0"), (b"iTXt", b"x\0\1\0\0\0"), (b"IDAT", b""))
            kind, prefix = random.choice(kinds)
            chunks.insert(1, (kind, prefix + bomb))
        case 6:
            chunks = [
                (n, zlib.compress(_any_bytes(zlib.decompress(b), random)) if n == b"IDAT" else b)
                for n, b in chunks
            ]
        case _:
            return _put(content, 8 + sum(12 + len(b) for _, b in chunks[:i]), ">I", random)
    return content[:8] + b"".join(_png_chunk(*chunk) for chunk in chunks)


def _png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    chunks, at = [], 8
    while at + 12 <= len(content):
        [length] = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _jpeg(content: bytes, random: Random) -> bytes:
    """Change the header of a segment: its length, size of the picture, sampling, tables."""
    segments = [match.start() for match in re.finditer(b"\xff[\xc0-\xfe]", content)]
    at = random.choice(segments)
    if random.random() < 0.3:
        return content[:at] + content[random.choice(segments) :]
    offset, layout = random.choice(
        ((2, ">H"), (5, ">H"), (7, ">H"), (4, ">B"), (9, ">B"), (11, ">B"), (12, ">B"))
    )
    return _put(content, at + offset, layout, random)


def _gif(content: bytes, random: Random) -> bytes:
    """Change sizes of the screen or of a frame, the first code size, or the length of a block."""
    frames = [match.start() for match in re.finditer(b",\0", content)]
    fields = [(6, "<H"), (8, "<H"), (10, "<B"), (11, "<B")]
    if frames:
        at = random.choice(frames)
        fields += [(at + offset, "<H") for offset in (1, 3, 5, 7)] + [
            (at + 9, "<B"),
            (at + 10, "<B"),
            (at + 11, "<B"),
        ]
    return _put(content, *random.choice(fields), random)


def _bmp(content: bytes, random: Random) -> bytes:
    """Change a field of the two headers."""
    fields = [(offset, "<I") for offset in (2, 10, 14, 18, 22, 30, 34, 46, 50)] + [(26, "<H"), (28, "<H")]
    return _put(content, *random.choice(fields), random)


# Tags that say where something lies or how it is stored.
_TIFF_TAGS = (254, 256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 330, 339)


def _tiff(content: bytes, random: Random) -> bytes:
    """Change an entry of an image file directory, its values, or where the next directory lies."""
    order = "<" if content.startswith(b"II") else ">"
    big = struct.unpack_from(f"{order}H", content, 2) == (43,)
    head, count_layout, entry_size, word = (8, "Q", 20, "Q") if big else (4, "H", 12, "I")
    word = order + word
    [first] = struct.unpack_from(word, content, head)
    directories, at = [], first
    while at and at not in directories and len(directories) < 10:
        directories.append(at)
        [count] = struct.unpack_from(order + count_layout, content, at)
        [at] = struct.unpack_from(word, content, _after(at, min(count, 100), count_layout, entry_size))
    at = random.choice(directories)
    [count] = struct.unpack_from(order + count_layout, content, at)
    following = _after(at, min(count, 100), count_layout, entry_size)
    entry = _after(at, random.randrange(max(1, count)), count_layout, entry_size)
    value = entry + 4 + struct.calcsize(word)
    # Of an entry: the number of its tag, the type, the count, the value or its place.
    layout = f"{order}H"
    fields = [(entry, layout), (entry + 4, word), (value, word), (value, layout), (at, order + count_layout)]
    choice = random.randrange(len(fields) + 3)
    if choice < len(fields):
        return _put(content, *fields[choice], random)
    if choice == len(fields):
        # A chain of directories that goes on for ever.
        where, new = random.choice((following, value)), struct.pack(word, random.choice(directories))
    elif choice == len(fields) + 1:
        where, new = entry + 2, struct.pack(layout, random.randrange(19))
    else:
        where, new = entry, struct.pack(layout, random.choice(_TIFF_TAGS))
    return content[:where] + new + content[where + len(new) :]


def _after(at: int, count: int, count_layout: str, entry_size: int) -> int:
    return at + struct.calcsize(f"={count_layout}") + count * entry_size


# --- volumes ---

_NIFTI_1 = [
    (0, "<I"),
    (39, "<B"),
    *((40 + 2 * i, "<H") for i in range(8)),
    (68, "<H"),
    (70, "<H"),
    (72, "<H"),
]
_NIFTI_1 += [(76 + 4 * i, "<f") for i in range(8)] + [(108, "<f"), (112, "<f"), (116, "<f"), (123, "<B")]
_NIFTI_1 += [(252, "<H"), (254, "<H"), *((256 + 4 * i, "<f") for i in range(18)), (344, "<I"), (348, "<I")]
_NIFTI_2 = [(0, "<I"), (4, "<I"), (12, "<H"), (14, "<H"), *((16 + 8 * i, "<Q") for i in range(8))]
_NIFTI_2 += [(104 + 8 * i, "<d") for i in range(8)] + [(168, "<Q"), (176, "<d"), (184, "<d"), (344, "<I")]


def _nifti(content: bytes, random: Random) -> bytes:
    """Change a field of the header: dimensions, type, scaling, place, offset of the data."""
    fields = _NIFTI_2 if content[4:8] == b"n+2\0" else _NIFTI_1
    return _put(content, *random.choice(fields), random)


def _gzip(content: bytes, random: Random) -> bytes:
    """Change what is inside, sometimes to a bomb."""
    plain = gzip.decompress(content)
    if random.random() < 0.1:
        return gzip.compress(plain + bytes(10**7), mtime=0)
    return gzip.compress(_nifti(plain, random), mtime=0)


# --- text ---

_WORDS = (
    "",
    "0",
    "-1",
    "1e400",
    "nan",
    "none",
    "9" * 30,
    "(1,0",
    "x" * 1000,
    "../../etc/passwd",
    "/etc/passwd",
)
_WORDS += (
    "LIST",
    "a%d.raw 1 3 1",
    "gzip",
    "bzip2",
    "hex",
    "raw",
    "ascii",
    "block",
    "double",
    "left-posterior-superior",
)


def _text(content: bytes, random: Random) -> bytes:
    """Change, drop, repeat or swap words and lines; of NRRD, only those of the header."""
    end = content.find(b"\n\n") if content.startswith(b"NRRD") else -1
    head, tail = (content[:end], content[end:]) if end > 0 else (content, b"")
    lines = head.decode("latin-1").split("\n")
    i, j = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(5):
        case 0:
            del lines[i]
        case 1:
            lines.insert(j, lines[i])
        case 2:
            lines[i], lines[j] = lines[j], lines[i]
        case _:
            words = re.split(r"([ ,:])", lines[i])
            words[random.randrange(len(words))] = random.choice(_WORDS)
            lines[i] = "".join(words)
    return "\n".join(lines).encode("latin-1") + tail


_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    1,
    -1,
    0.5,
    2**31,
    10**30,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "..",
)
_VALUES += (
    "../../../etc",
    "/etc/passwd",
    [],
    {},
    [0],
    [[]],
    [1e400] * 3,
    {"a": {}},
    "|O",
    "<U8",
    "<f8",
    "bytes",
)


def _json(content: bytes, random: Random) -> bytes:
    """Replace, drop or repeat a value anywhere in the tree, or nest deeply."""
    if random.random() < 0.03:
        return b"[" * 100_000 + b"]" * 100_000
    tree = json.loads(content)
    parents = [node for node in _nodes(tree) if isinstance(node, (dict, list)) and node]
    parent = random.choice(parents)
    keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    key = random.choice(keys)
    match random.randrange(4):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent.extend([parent[key]] * random.choice((1, 10, 10_000)))
        case _:
            parent[key] = random.choice(_VALUES)
    return json.dumps(tree).encode()


def _nodes(tree: Any) -> list[Any]:
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return [tree, *(node for child in children for node in _nodes(child))]


_BY_SUFFIX: dict[str, Callable[[bytes, Random], bytes]] = {
    "png": _png,
    "jpg": _jpeg,
    "gif": _gif,
    "bmp": _bmp,
    "tif": _tiff,
    "nii": _nifti,
    "nrrd": _text,
    "nhdr": _text,
    "csv": _text,
    "txt": _text,
    "geojson": _json,
}
