"""OME-Zarr 0.4 and 0.5: axes, grid, names, collections, laziness, and what is refused."""

from __future__ import annotations

import json
import pickle
import struct
import warnings
from pathlib import Path
from typing import Any

import dask.array as da
import numcodecs
import numpy as np
import pytest
import zarr

from unetscope.errors import InputError, ReadError
from unetscope.io import _limits, read
from unetscope.io.pictures.zarr import read_zarr

VALUES = np.random.default_rng(0).integers(1, 60_000, (2, 3, 4, 6, 5), dtype=np.uint16)
TYPES = {"t": "time", "c": "channel"}


def describe(axes: str, scale: list[float], unit: str | None = None, paths: str = "0") -> dict[str, Any]:
    space = {"unit": unit} if unit else {}
    return {
        "axes": [{"name": a, "type": TYPES.get(a, "space")} | (space if a in "zyx" else {}) for a in axes],
        "datasets": [
            {
                "path": path,
                "coordinateTransformations": [{"type": "scale", "scale": [s * 2**i for s in scale]}],
            }
            for i, path in enumerate(paths)
        ],
    }


def write_store(
    path: Path, values: Any, described: dict[str, Any], version: str = "0.4", **more: Any
) -> Path:
    """Write a group with one array a dataset, all of `values` or what it has for each."""
    form = 2 if version == "0.4" else 3
    group = zarr.open_group(path, mode="w", zarr_format=form)
    arrays = values if isinstance(values, list) else [values]
    for dataset, array in zip(described["datasets"], arrays, strict=True):
        group.create_array(dataset["path"], data=np.ascontiguousarray(array))
    if version == "0.4":
        group.attrs.update({"multiscales": [described | {"version": version}]} | more)
    else:
        group.attrs.update({"ome": {"version": version, "multiscales": [described]} | more})
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["tczyx", "czyx", "tzyx", "zyx", "cyx", "tyx", "yx", "tcxyz", "xy"])
def test_axes_come_into_order(tmp_path, version, axes):
    index = tuple(slice(None) if a in axes else 0 for a in "tczyx")
    kept = [a for a in "tczyx" if a in axes]
    values = VALUES[index].transpose([kept.index(a) for a in axes])
    scale = [{"z": 3.0, "y": 2.0, "x": 0.5}.get(a, 1.0) for a in axes]
    image = read(write_store(tmp_path / "a.zarr", values, describe(axes, scale, "micrometer"), version))
    assert image.axes == "".join(kept).upper()
    np.testing.assert_array_equal(image.data, VALUES[index])
    assert image.data.flags.c_contiguous
    assert (image.spacing, image.units) == ((3.0, 2.0, 0.5)[5 - len(image.spacing) - 2 :], "µm")
    assert image.source.format == "zarr"


def test_transformations_of_both_levels(tmp_path):
    described = describe("zyx", [2, 0.5, 0.5], "nanometer")
    described["datasets"][0]["coordinateTransformations"].append(
        {"type": "translation", "translation": [10, 20, 30]}
    )
    described["coordinateTransformations"] = [
        {"type": "scale", "scale": [100, 10, 10]},
        {"type": "translation", "translation": [1, 2, 3]},
    ]
    image = read(write_store(tmp_path / "a.zarr", VALUES[0, 0], described))
    assert image.spacing == pytest.approx((0.2, 0.005, 0.005))
    assert image.origin == pytest.approx((1.001, 0.202, 0.303))
    assert image.units == "µm"


@pytest.mark.parametrize(
    ("units", "spacing", "unit"),
    [
        (["millimeter"] * 3, (2, 1, 1), "mm"),
        (["millimeter", "micrometer", "micrometer"], (2000, 1, 1), "µm"),
        (["micrometer", "micrometer", None], (2, 1, 1), "pixel"),
        ([None] * 3, (2, 1, 1), "pixel"),
        (["parsec"] * 3, (2, 1, 1), "pixel"),
    ],
)
def test_units(tmp_path, units, spacing, unit):
    described = describe("zyx", [2, 1, 1])
    for axis, name in zip(described["axes"], units, strict=True):
        axis.update({"unit": name} if name else {})
    image = read(write_store(tmp_path / "a.zarr", VALUES[0, 0], described))
    assert (image.spacing, image.units) == (pytest.approx(spacing), unit)
    assert bool(image.source.notes) == ("parsec" in units or units[1] != units[2])


def test_names_of_channels_and_labels(tmp_path):
    omero = {"channels": [{"label": name, "color": "FFFFFF"} for name in ("DAPI", "GFP", "Cy5")]}
    path = write_store(tmp_path / "a.zarr", VALUES[0], describe("czyx", [1] * 4), omero=omero)
    assert read(path).channels == ("DAPI", "GFP", "Cy5")
    omero["channels"].pop()
    write_store(path, VALUES[0], describe("czyx", [1] * 4), omero=omero)
    assert read(path).channels == ("channel 0", "channel 1", "channel 2")
    label = {"properties": [{"label-value": 3, "name": "nucleus"}, {"label-value": 4}]}
    write_store(path, VALUES[0, 0], describe("zyx", [1] * 3), **{"image-label": label})
    assert read(path).source.tags == {"labels": {3: "nucleus"}}


def test_labels_of_an_image_lie_in_it(tmp_path):
    path = write_store(tmp_path / "a.zarr", VALUES[0], describe("czyx", [1] * 4))
    labels = write_store(path / "labels" / "nuclei", VALUES[0, 0] // 99, describe("zyx", [2, 1, 1]))
    zarr.open_group(path / "labels", mode="a", zarr_format=2).attrs["labels"] = ["nuclei"]
    for name in (labels, path / "labels"):
        np.testing.assert_array_equal(read(name).data, VALUES[0, 0] // 99)
    assert read(path).axes == "CZYX"


def test_axes_of_length_one_are_left_out(tmp_path):
    image = read(write_store(tmp_path / "a.zarr", VALUES[:1, :1, :1], describe("tczyx", [1, 1, 3, 2, 2])))
    assert (image.axes, image.spacing, image.data.shape) == ("YX", (2, 2), (6, 5))


def test_large_images_stay_on_disk_with_their_scales(tmp_path, monkeypatch):
    levels = [VALUES[0], VALUES[0, :, :, ::2, ::2], VALUES[0, :, ::2, ::4, ::4]]
    path = write_store(tmp_path / "a.zarr", levels, describe("czyx", [1] * 4, paths="012"))
    small = read(path, lazy=True)
    assert (type(small.data), small.levels) == (np.ndarray, ())
    monkeypatch.setattr(_limits, "LAZY_BYTES", 100)
    image = read(path, lazy=True)
    assert isinstance(image.data, da.Array)
    for stored, array in zip(levels, (image.data, *image.levels), strict=True):
        np.testing.assert_array_equal(array, stored)
    copy = pickle.loads(pickle.dumps(image.data))
    np.testing.assert_array_equal(copy[1, 2, 1:3], VALUES[0, 1, 2, 1:3])
    whole = read(path)
    assert (type(whole.data), whole.levels) == (np.ndarray, ())


def test_many_small_chunks_are_read_together(tmp_path, monkeypatch):
    monkeypatch.setattr(_limits, "LAZY_BYTES", 100)
    monkeypatch.setattr("unetscope.io.pictures.zarr_arrays._MOST_CHUNKS", 50)
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=np.arange(4096).reshape(64, 64), chunks=(1, 8))
    group.attrs["multiscales"] = [describe("yx", [1, 1])]
    image = read(tmp_path / "a.zarr", lazy=True)
    assert image.data.npartitions <= 50
    np.testing.assert_array_equal(image.data, np.arange(4096).reshape(64, 64))


def test_the_first_of_several_pyramids(tmp_path):
    path = write_store(tmp_path / "a.zarr", VALUES[0, 0, 0], describe("yx", [1, 1]))
    several = [describe("yx", [scale, scale], "micrometer") for scale in (2, 3)]
    zarr.open_group(path, mode="a").attrs["multiscales"] = several
    image = read(path)
    assert image.spacing == (2, 2)
    assert image.source.notes == ("It describes 2 pyramids, of which this is the first.",)


def test_consolidated_metadata_are_not_believed(tmp_path):
    path = write_store(tmp_path / "a.zarr", VALUES[0, 0, 0], describe("yx", [1, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(path)
    lie = json.loads((path / ".zmetadata").read_text())
    lie["metadata"]["0/.zarray"]["shape"] = [3, 5]
    (path / ".zmetadata").write_text(json.dumps(lie))
    np.testing.assert_array_equal(read(path).data, VALUES[0, 0, 0])


def test_bits_become_zero_and_one(tmp_path, monkeypatch):
    path = write_store(tmp_path / "a.zarr", np.eye(4, dtype=bool), describe("yx", [1, 1]))
    assert read(path).data.dtype == np.uint8
    monkeypatch.setattr(_limits, "LAZY_BYTES", 1)
    image = read(path, lazy=True)
    np.testing.assert_array_equal(image.data, np.eye(4))
    assert image.data.dtype == np.uint8


def test_big_endian_numbers_come_in_native_order(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", shape=(6, 5), dtype=">u2")[...] = VALUES[0, 0, 0]
    group.attrs["multiscales"] = [describe("yx", [1, 1])]
    image = read(tmp_path / "a.zarr")
    assert image.data.dtype.isnative
    np.testing.assert_array_equal(image.data, VALUES[0, 0, 0])


def test_a_plain_array_needs_names(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", data=VALUES[0, 0], dimension_names=["z", "y", "x"])
    image = read(tmp_path / "a.zarr")
    assert (image.axes, image.units) == ("ZYX", "pixel")
    np.testing.assert_array_equal(image.data, VALUES[0, 0])
    for names in (None, ["a", "y", "x"], ["z", None, "x"], ["t", "z", "y"]):
        zarr.create_array(tmp_path / "a.zarr", data=VALUES[0, 0], dimension_names=names, overwrite=True)
        with pytest.raises(ReadError, match=r"a\.zarr is a Zarr array without names of its axes"):
            read(tmp_path / "a.zarr")


def write_collection(path: Path, attributes: dict[str, Any], images: list[str]) -> Path:
    zarr.open_group(path, mode="w", zarr_format=2).attrs.update(attributes)
    for name in images:
        write_store(path / name, VALUES[0, 0], describe("zyx", [1] * 3))
    return path


def test_collections_of_one_image_are_that_image(tmp_path):
    layout = {"bioformats2raw.layout": 3}
    for attributes, name in ((layout, "0"), ({"well": {"images": [{"path": "0"}]}}, "0")):
        path = write_collection(tmp_path / "a.zarr", attributes, [name])
        np.testing.assert_array_equal(read(path).data, VALUES[0, 0])
    path = write_collection(tmp_path / "b.zarr", layout, ["0", "1"])
    zarr.open_group(path / "OME", mode="w", zarr_format=2).attrs["series"] = ["1"]
    np.testing.assert_array_equal(read(path).data, VALUES[0, 0])


def test_collections_of_several_are_refused_with_their_names(tmp_path):
    wells = [{"path": f"{row}/{column}"} for row in "AB" for column in (1, 2, 3)]
    path = write_collection(tmp_path / "p.zarr", {"plate": {"wells": wells}}, [])
    with pytest.raises(ReadError, match=r"p\.zarr is a plate with 6 wells \(A/1, A/2, A/3, B/1, B/2, …\)"):
        read(path)
    path = write_collection(tmp_path / "c.zarr", {"bioformats2raw.layout": 3}, ["0", "1"])
    with pytest.raises(ReadError, match=r"with 2 images \(0, 1\).*such as c\.zarr/0"):
        read(path)
    path = write_collection(tmp_path / "g.zarr", {}, ["x"])
    with pytest.raises(ReadError, match=r"a Zarr group without OME metadata with 1 groups \(x\)"):
        read(path)


@pytest.mark.parametrize("name", ["..", ".", "../other", "/etc", "labels/../.."])
def test_nothing_outside_of_the_store_is_read(tmp_path, name):
    write_store(tmp_path / "other", VALUES[0, 0], describe("zyx", [1] * 3))
    path = write_collection(tmp_path / "a.zarr", {"labels": [name]}, [])
    with pytest.raises(ReadError, match=r"^a\.zarr "):
        read(path)
    described = describe("zyx", [1] * 3)
    write_store(path, VALUES[0, 0], described)
    described["datasets"][0]["path"] = name
    zarr.open_group(path, mode="a").attrs["multiscales"] = [described]
    with pytest.raises(ReadError, match=r"^a\.zarr "):
        read(path)


class Trap:
    """What a pickle could do."""

    def __reduce__(self):
        return (Path.touch, (Path("/tmp/unetscope-trap"),))


@pytest.mark.parametrize("lazy", [False, True])
def test_pickles_are_never_opened(tmp_path, monkeypatch, lazy):
    monkeypatch.setattr(_limits, "LAZY_BYTES", 1)
    path = write_store(tmp_path / "a.zarr", VALUES[0, 0, 0], describe("yx", [1, 1]))
    header = json.loads((path / "0/.zarray").read_text())
    trap = Path("/tmp/unetscope-trap")
    for change in ({"filters": [{"id": "pickle"}]}, {"dtype": "|O", "filters": [{"id": "pickle"}]}):
        (path / "0/.zarray").write_text(json.dumps(header | {"compressor": None} | change))
        for chunk in (path / "0").glob("[0-9]*"):
            chunk.write_bytes(pickle.dumps(Trap()))
        with pytest.raises(ReadError, match=r"^a\.zarr "):
            read(path, lazy=lazy).load()
        assert not trap.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [2_000_000, 2_000_000]},
        {"shape": [6, 5], "chunks": [2_000_000, 2_000_000]},
        {"shape": [-6, 5]},
        {"shape": [0, 5]},
        {"shape": [6]},
        {"shape": 6},
        {"shape": [1e99, 5]},
        {"chunks": [0, 0]},
        {"dtype": "<c8"},
        {"dtype": "|S3"},
        {"dtype": [["a", "<u2"], ["b", "<u2"]]},
        {"dtype": "nonsense"},
        {"dtype": "|O"},
        {"compressor": {"id": "unheard-of"}},
        {"zarr_format": 9},
        {"fill_value": "much"},
    ],
)
def test_hostile_arrays(tmp_path, change):
    path = write_store(tmp_path / "a.zarr", VALUES[0, 0, 0], describe("yx", [1, 1]))
    header = json.loads((path / "0/.zarray").read_text())
    (path / "0/.zarray").write_text(json.dumps(header | change))
    with pytest.raises(ReadError, match=r"^a\.zarr "):
        read(path)


@pytest.mark.parametrize(
    "attributes",
    [
        {"multiscales": []},
        {"multiscales": 5},
        {"multiscales": [{}]},
        {"multiscales": [5]},
        {"ome": 5},
        {"ome": {"version": "0.5", "multiscales": [{"axes": [], "datasets": []}]}},
        {"ome": {"version": "9.9", "multiscales": [describe("yx", [1, 1])]}},
        {"multiscales": [describe("yx", [1, 1]) | {"version": "0.3"}]},
        {"multiscales": [describe("yx", [1, 1, 1])]},
        {"multiscales": [describe("zyx", [1, 1, 1])]},
        {"multiscales": [describe("yx", [1, 1], paths="9")]},
        {"multiscales": [describe("yx", [float("inf"), 1])]},
        {"multiscales": [describe("yx", [0, 1])]},
        {"multiscales": [describe("yx", [-1, 1])]},
        {"multiscales": [describe("qx", [1, 1])]},
        {"plate": {}},
        {"plate": {"wells": []}},
        {"well": {"images": "abc"}},
        {"labels": []},
    ],
)
def test_hostile_metadata(tmp_path, attributes):
    path = write_store(tmp_path / "a.zarr", VALUES[0, 0, 0], describe("yx", [1, 1]))
    (path / ".zattrs").write_text(json.dumps(attributes))
    with pytest.raises(InputError, match=r"^a\.zarr "):
        read(path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", "[]", '{"a": NaN', "\x00"])
@pytest.mark.parametrize("name", [".zattrs", ".zgroup", "0/.zarray"])
def test_damaged_json(tmp_path, text, name):
    path = write_store(tmp_path / "a.zarr", VALUES[0, 0, 0], describe("yx", [1, 1]))
    (path / name).write_text(text)
    with pytest.raises(ReadError, match=r"^a\.zarr "):
        read(path)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_damaged_chunks(tmp_path, version, monkeypatch):
    path = write_store(tmp_path / "a.zarr", VALUES[0, 0, 0], describe("yx", [1, 1]), version)
    [chunk] = [file for file in (path / "0").rglob("*") if file.is_file() and file.name[0] not in ".z"]
    whole = chunk.read_bytes()
    for content in (b"", whole[:-5], bytes(len(whole)), whole[len(whole) // 2 :]):
        chunk.write_bytes(content)
        with pytest.raises(ReadError, match=r"^a\.zarr cannot be read as an OME-Zarr image"):
            read(path)
    monkeypatch.setattr(_limits, "LAZY_BYTES", 1)
    image = read(path, lazy=True)
    with pytest.raises(ReadError, match=r"^a\.zarr cannot be read as an OME-Zarr image"):
        image.load()


def blosc_chunk(content: bytes, stated: int) -> bytes:
    """Stored as they are, and stating a length."""
    return struct.pack("<BBBBIII", 2, 1, 2, 2, stated, min(stated, 2**20), stated + 16) + content


@pytest.mark.parametrize("kind", ["2", "3", "sharded"])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_chunk_of_blosc_is_as_long_as_it_says(tmp_path, monkeypatch, kind, lazy):
    """Else numcodecs reads, or dies, beyond its end."""
    monkeypatch.setattr(_limits, "LAZY_BYTES", 1)
    path, values = tmp_path / "a.zarr", VALUES[0, 0, 0]
    options = {
        "2": {"compressors": numcodecs.Blosc()},
        "3": {"compressors": zarr.codecs.BloscCodec()},
        "sharded": {"compressors": zarr.codecs.BloscCodec(), "chunks": (3, 5), "shards": (6, 5)},
    }[kind]
    group = zarr.open_group(path, mode="w", zarr_format=2 if kind == "2" else 3)
    group.create_array("0", data=values, **options)
    described = describe("yx", [1, 1])
    v4, v5 = {"multiscales": [described]}, {"ome": {"version": "0.5", "multiscales": [described]}}
    group.attrs.update(v4 if kind == "2" else v5)
    np.testing.assert_array_equal(read(path, lazy=lazy).data, values)
    [chunk] = [file for file in (path / "0").rglob("*") if file.is_file() and file.name[0] not in ".z"]
    whole = chunk.read_bytes()
    stated = struct.pack("<I", len(whole) if kind != "sharded" else struct.unpack_from("<I", whole, 12)[0])
    for length in (10**6, 2**31 - 20):
        if kind == "sharded":
            chunk.write_bytes(whole.replace(stated, struct.pack("<I", length), 1))
        else:
            chunk.write_bytes(blosc_chunk(values.tobytes(), length))
        with pytest.raises(ReadError, match=r"a\.zarr .*a chunk is cut off"):
            read(path, lazy=lazy).load()


def test_missing_chunks_are_told(tmp_path):
    path = write_store(tmp_path / "a.zarr", VALUES[0, 0, 0], describe("yx", [1, 1]))
    assert read(path).source.notes == ()
    [chunk] = (path / "0").glob("[0-9]*")
    chunk.unlink()
    image = read(path)
    assert (image.data == 0).all()
    assert image.source.notes == ("Of its 1 chunks 1 are not stored and read as 0.",)


def test_the_network_is_never_asked(monkeypatch):
    with pytest.raises(ReadError, match="does not exist"):
        read("https://example.org/a.zarr")
    with pytest.raises(ReadError):
        read_zarr(Path("s3://bucket/a.zarr"))
