"""Where an image came from, and what a person should know about it: no names, no identifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydicom import Dataset

from unetscope.io.dicom.decode import patient_group
from unetscope.io.dicom.header import code, items, macro, number, numbers
from unetscope.io.dicom.layout import layout_of
from unetscope.io.dicom.mapping import mapping_of
from unetscope.io.dicom.values import padding_of, window_of
from unetscope.io.image import Source

__all__ = ["source_of"]

_WINDOW_FUNCTIONS = ("LINEAR_EXACT", "SIGMOID")


def source_of(dataset: Dataset, path: Path) -> Source:
    """Describe the source of an image.

    Tags, where the file says so: ``modality``, ``photometric``, ``bits_stored``; ``value_units``;
    ``window_function`` (``"LINEAR_EXACT"`` or ``"SIGMOID"``; without it a window is LINEAR, PS3.3
    C.11.2.1.2); ``padding``, the lowest and highest of the values that stand for "no image here".
    """
    tags: dict[str, Any] = {
        "modality": code(dataset, "Modality") or None,
        "photometric": layout_of(dataset).photometric,
        "bits_stored": dataset.get("BitsStored"),
    }
    window = window_of(dataset)
    function = code(macro(dataset, "FrameVOILUTSequence"), "VOILUTFunction")
    optional = {
        "value_units": None if layout_of(dataset).is_color else mapping_of(dataset).units,
        "window_function": function if window and function in _WINDOW_FUNCTIONS else None,
        "padding": padding_of(dataset),
    }
    tags |= {name: value for name, value in optional.items() if value}
    return Source(path, "dicom", patient_group(dataset), window, tags, notes=_notes(dataset))


def _notes(dataset: Dataset) -> tuple[str, ...]:
    notes = (_detector_note(dataset), _aspect_note(dataset), _values_note(dataset))
    return tuple(note for note in notes if note)


def _detector_note(dataset: Dataset) -> str:
    at_patient = numbers(macro(dataset, "PixelMeasuresSequence"), "PixelSpacing")
    if at_patient or not numbers(dataset, "ImagerPixelSpacing"):
        return ""
    factor = number(dataset, "EstimatedRadiographicMagnificationFactor")
    known = f", where the file estimates it to be {factor:g} times smaller" if factor else ""
    return f"The distance between pixels is the one at the detector, not in the patient{known}"


def _aspect_note(dataset: Dataset) -> str:
    aspect = numbers(dataset, "PixelAspectRatio")
    if len(aspect) != 2 or aspect[0] == aspect[1]:
        return ""
    return f"The pixels are not square: height to width is {aspect[0]:g}:{aspect[1]:g}"


def _values_note(dataset: Dataset) -> str:
    count = 0 if layout_of(dataset).is_color else len(items(dataset, "RealWorldValueMappingSequence"))
    if not count or not mapping_of(dataset).is_rescale:
        return ""
    return f"Not applied: {count} real-world value mapping{'s' * (count > 1)} beside the stored values"
