"""Lookup tables, in all the ways in which files hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_palette_files
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut

from unetscope.io.dicom.luts import gray_table, palette, palette_dtype


def modality_lut(descriptor, data, vr="US"):
    item = Dataset()
    item.LUTDescriptor = descriptor
    item.add_new("LUTData", vr, data)
    return item


def color_luts(descriptor, red, green, blue, *, segmented=False, vr="OW"):
    dataset = Dataset()
    for name, data in (("Red", red), ("Green", green), ("Blue", blue)):
        dataset.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", descriptor)
        prefix = "Segmented" * segmented
        dataset.add_new(f"{prefix}{name}PaletteColorLookupTableData", vr, data)
    return dataset


def test_values_beyond_the_ends_get_the_entries_there():
    table = gray_table(modality_lut([3, 10, 12], [100, 200, 4000]), signed=False, little=True)
    stored = np.array([0, 9, 10, 11, 12, 13, 65535], np.uint16)
    assert table(stored).tolist() == [100, 100, 100, 200, 4000, 4000, 4000]


@pytest.mark.parametrize("first", [-2, 2**16 - 2])
def test_first_value_has_the_sign_of_the_pixels(first):
    table = gray_table(modality_lut([4, first, 16], [1, 2, 3, 4]), signed=True, little=True)
    assert table(np.array([-32768, -2, -1, 0, 1, 2], np.int16)).tolist() == [1, 1, 2, 3, 4, 4]
    unsigned = gray_table(modality_lut([2, -2, 16], [1, 2]), signed=False, little=True)
    assert unsigned.first == 2**16 - 2


def test_zero_stands_for_all_entries_of_16_bits():
    entries = np.arange(2**16, dtype="<u2")[::-1]
    table = gray_table(modality_lut([0, 0, 16], entries.tobytes(), "OW"), signed=False, little=True)
    assert table(np.array([0, 1, 65535], np.uint16)).tolist() == [65535, 65534, 0]


@pytest.mark.parametrize(("little", "order"), [(True, "<u2"), (False, ">u2")])
def test_byte_order_of_words(little, order):
    words = np.array([1, 256, 65535], order).tobytes()
    table = gray_table(modality_lut([3, 0, 16], words, "OW"), signed=False, little=little)
    assert table.entries.tolist() == [1, 256, 65535]


@pytest.mark.parametrize(
    ("data", "vr", "little"),
    [
        (bytes([7, 8, 9, 0]), "OW", True),
        (bytes([8, 7, 0, 9]), "OW", False),
        ([0x0807, 0x0009], "US", True),
        ([7, 8, 9], "US", True),
        (bytes([7, 0, 8, 0, 9, 0]), "OW", True),
        (bytes([0, 7, 0, 8, 0, 9]), "OW", False),
    ],
    ids=[
        "packed",
        "packed, big endian",
        "packed numbers",
        "numbers",
        "a word each",
        "a word each, big endian",
    ],
)
def test_entries_of_8_bits(data, vr, little):
    table = gray_table(modality_lut([3, 0, 8], data, vr), signed=False, little=little)
    assert (table.entries.tolist(), table.entries.dtype) == ([7, 8, 9], np.uint8)


@pytest.mark.parametrize(
    ("descriptor", "data", "words"),
    [
        ([4, 0, 16], [1, 2, 3], "3 entries and says that it has 4"),
        ([2, 0, 8], [1, 256], "longer than it says"),
        ([2, 0, 17], [1, 2], "17 bits"),
        ([2, 0, 0], [1, 2], "0 bits"),
    ],
)
def test_damaged_tables_are_refused(descriptor, data, words):
    with pytest.raises(ValueError, match=words):
        gray_table(modality_lut(descriptor, data), signed=False, little=True)


def test_palette_of_many_entries_of_8_bits():
    # pydicom 3.0 counts entries in the type of the entries, where 300 are 44.
    ramp = np.arange(300) % 256
    data = [bytes(np.roll(ramp, shift).astype(np.uint8)) for shift in (0, 1, 2)]
    dataset = color_luts([300, 0, 8], *data)
    colors = palette(dataset, signed=False, little=True)(np.array([[5, 299, 1000]], np.uint16))
    assert colors.tolist() == [[[5, 4, 3], [43, 42, 41], [43, 42, 41]]]
    assert colors.dtype == palette_dtype(dataset) == np.uint8


def test_palettes_of_different_length_are_refused():
    dataset = color_luts([2, 0, 16], *([b"\1\0\2\0"] * 3))
    dataset.GreenPaletteColorLookupTableDescriptor = [1, 0, 16]
    with pytest.raises(ValueError, match="same shape"):
        palette(dataset, signed=False, little=True)


def test_segments_discrete_linear_and_indirect():
    # Two entries; a line of four to 100; then the first segment, at byte 0, once more, then another line.
    words = [0, 2, 10, 20, 1, 4, 100, 2, 2, 0, 0, 1, 2, 90]
    expanded = [10, 20, 40, 60, 80, 100, 10, 20, 40, 60, 80, 100, 95, 90]
    data = np.array(words, "<u2").tobytes()
    table = palette(color_luts([14, 0, 16], data, data, data, segmented=True), signed=False, little=True)
    assert table.entries[:, 0].tolist() == expanded
    assert table.entries.dtype == np.uint16


def test_indirect_segments_are_found_by_their_byte():
    words = [0, 1, 7, 0, 2, 10, 20, 2, 1, 6, 0]
    data = np.array(words, ">u2").tobytes()
    table = palette(color_luts([5, 0, 16], data, data, data, segmented=True), signed=False, little=False)
    assert table.entries[:, 1].tolist() == [7, 10, 20, 10, 20]


def test_segments_of_bytes():
    data = bytes([0, 2, 10, 20, 1, 4, 100, 2, 2, 0, 0, 0, 0, 0])[:-1] + b"\0"
    table = palette(color_luts([12, 0, 8], data, data, data, segmented=True), signed=False, little=True)
    assert table.entries[:, 2].tolist() == [10, 20, 40, 60, 80, 100] * 2
    assert table.entries.dtype == np.uint8


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        ([9, 2, 1, 2], ValueError, "segment of kind 9"),
        ([1, 4, 100], IndexError, "list index out of range"),
        ([0, 2, 1, 2, 2, 1, 8, 0, 0, 0], ValueError, "kind 2"),
        ([0, 1, 5, 1, 60000, 9, 1, 60000, 9], ValueError, "more than 65536"),
        ([0, 2, 1, 2], ValueError, "2 entries and says that it has 5"),
    ],
)
def test_damaged_segments_end_soon(words, error, match):
    data = np.array(words, "<u2").tobytes()
    with pytest.raises(error, match=match):
        palette(color_luts([5, 0, 16], data, data, data, segmented=True), signed=False, little=True)


@pytest.mark.parametrize("file", get_palette_files("*.dcm"), ids=lambda file: Path(file).stem)
def test_palettes_of_the_standard(file):
    # Spring, summer, fall and winter are segmented.
    dataset, ramp = pydicom.dcmread(file), np.arange(256, dtype=np.uint8)
    found = palette(dataset, signed=False, little=True)(ramp)
    np.testing.assert_array_equal(found, apply_color_lut(ramp, dataset))
