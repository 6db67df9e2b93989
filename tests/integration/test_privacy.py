"""Whoever is in the headers of the images must not be in anything that this package writes or says."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest

from unetscope.cli import main
from unetscope.errors import UNetScopeError
from unetscope.io import find_pairs, find_series, read, read_series

SAMPLES = Path(__file__).resolve().parents[2] / "sample_data" / "heart"
UID = "1.2.826.0.1.3680043.73519"
SECRETS = {
    "PatientName": "Qwertzinger^Xaverine",
    "PatientID": "PID-735190-XK",
    "IssuerOfPatientID": "Ixissuerix",
    "OtherPatientIDs": "OTHER-4711-ZZ",
    "PatientBirthDate": "19471103",
    "PatientAddress": "Yperngasse",
    "PatientComments": "Zwiebelallergie",
    "AccessionNumber": "ACC88213377",
    "InstitutionName": "Sanktvalburgspital",
    "InstitutionAddress": "Wurzelhofplatz",
    "ReferringPhysicianName": "Drbrinkmannova^Zoefriederike",
    "OperatorsName": "Opkowalska",
    "StudyDescription": "Studyofqx",
    "SeriesDescription": "Seriesofqx",
    "ProtocolName": "Protocolofqx",
    "ImageComments": "Commentofqx",
    "StudyID": "STUDY5150Q",
    "DeviceSerialNumber": "SERIAL99817",
    "StationName": "STATIONQX7",
    "StudyInstanceUID": f"{UID}.1",
    "FrameOfReferenceUID": f"{UID}.2",
}
WORDS = sorted({part for value in SECRETS.values() for part in value.split("^")} | {UID})
TINY = ["--set", "training.epochs=1", "training.samples=4", "network.width=2", "network.depth=1"]
Call = Callable[..., int]


def named(source: Path, target: Path, series: int, **changes: Any) -> Path:
    """Copy a DICOM file with an unmistakable patient in its header."""
    dataset = pydicom.dcmread(source)
    dataset.update(dict.fromkeys(()))
    for keyword, value in SECRETS.items():
        setattr(dataset, keyword, value)
    dataset.SeriesInstanceUID = f"{UID}.3.{series}"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{UID}.4.{int(target.stem[-4:])}"
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    target.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(target)
    return target


@pytest.fixture
def data(tmp_path: Path) -> SimpleNamespace:
    """Images of named patients with neutral file names: to train on, and to predict with their truth."""
    folders = SimpleNamespace(
        training=tmp_path / "training", test=tmp_path / "test", truth=tmp_path / "truth"
    )
    folders.truth.mkdir()
    for name in ("SAMPLE-A_0003", "SAMPLE-A_0004", "SAMPLE-C_0003", "SAMPLE-C_0004"):
        patient = {"PatientID": f"{SECRETS['PatientID']}{name[7]}"}
        named(SAMPLES / "training" / f"{name}.dcm", folders.training / f"{name}.dcm", 1, **patient)
        shutil.copy(SAMPLES / "training" / f"{name}.png", folders.training)
    for name in ("SAMPLE-B_0001", "SAMPLE-B_0003"):
        named(SAMPLES / "test" / f"{name}.dcm", folders.test / f"{name}.dcm", 2)
        shutil.copy(SAMPLES / "test" / "GT" / f"{name}.png", folders.truth)
    return folders


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All texts that matplotlib puts into figures, where they are pixels afterwards."""
    from matplotlib.text import Text

    texts: list[str] = []
    original = Text.set_text

    def set_text(self: Text, text: Any) -> None:
        texts.append(str(text))
        original(self, text)

    monkeypatch.setattr(Text, "set_text", set_text)
    return texts


def traces(content: bytes) -> list[str]:
    """Words that occur in bytes: as ASCII, UTF-16, UTF-32 or base64, whatever the case."""
    lower = content.lower()
    found = []
    for word in WORDS:
        forms = [word.lower().encode(encoding) for encoding in ("ascii", "utf-16-le", "utf-32-le")]
        # Within base64 a word looks different at each of three places; its ends mix with its neighbors.
        coded = [base64.b64encode(bytes(shift) + word.encode())[4:-4] for shift in range(3)]
        if any(form in lower for form in forms) or any(form in content for form in coded):
            found.append(word)
    return found


def layers(content: bytes) -> Iterator[bytes]:
    """Give the content of a file, and what is packed inside it."""
    yield content
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    for name in (b"zTXt", b"iTXt", b"iCCP"):
        for match in re.finditer(name, content):
            [length] = struct.unpack(">I", content[match.start() - 4 : match.start()])
            chunk = content[match.end() : match.end() + length]
            for start in range(len(chunk)):
                try:
                    yield zlib.decompress(chunk[start:])
                except zlib.error:
                    continue


def files_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.name, path.name.encode()
            yield path.name, path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    yield from ((path.name, archive.read(name)) for name in archive.namelist())


def leaks(folder: Path) -> list[tuple[str, list[str]]]:
    """List files below a folder that hold any of the words, with the words."""
    return [
        (name, found)
        for name, content in files_of(folder)
        for layer in layers(content)
        if (found := traces(layer))
    ]


# --- the search itself ---


@pytest.mark.parametrize("word", WORDS)
def test_the_search_finds_what_is_hidden(word: str, tmp_path: Path) -> None:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    text = f"a patient: {word.upper()} "
    (tmp_path / "plain.txt").write_text(text)
    (tmp_path / "wide.txt").write_text(text, encoding="utf-16")
    (tmp_path / "coded.txt").write_bytes(base64.b64encode(f"name={word}; and more".encode()))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(tmp_path / "packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", text * 20)
    info = PngInfo()
    info.add_text("Comment", text, zip=True)
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "a.png", pnginfo=info)
    assert {name for name, found in leaks(tmp_path) if word in found} == {
        path.name for path in tmp_path.iterdir()
    }


# --- the three faces ---


def test_nothing_written_or_said_names_the_patient(
    data: SimpleNamespace,
    drawn: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "out"
    run, results = out / "run", out / "results"
    out.mkdir()

    def call(*arguments: object) -> None:
        assert main([str(argument) for argument in arguments]) == 0, capsys.readouterr().err

    assert leaks(data.training)
    call("plan", data.training)
    call("plan", data.training, "--json")
    call("pairs", data.training, "--out", out / "pairs.csv")
    call("pairs", data.training, "--json")
    call("info", data.test / "SAMPLE-B_0001.dcm", "--json")
    call("train", data.training, "--out", run, *TINY, "--device", "cpu", "--tensorboard")
    call("info", run, "--json")
    call("resume", run, "--device", "cpu", "--json")
    call("predict", run, data.test, "--out", results, "--probabilities", "--json")
    for file_format in ("tiff", "zarr", "nifti", "nrrd"):
        call("predict", run, data.test, "--out", out / file_format, "--format", file_format)
    call("evaluate", results, data.truth, "--out", out / "report", "--json", out / "scores.json")
    find_pairs(data.training).to_csv(out / "pairs2.csv")

    printed = capsys.readouterr()
    assert traces((printed.out + printed.err).encode()) == []
    assert traces(caplog.text.encode()) == []
    assert traces("\n".join(drawn).encode()) == []
    assert drawn
    assert len([path for path in out.rglob("*") if path.is_file()]) > 30
    assert leaks(out) == []
    # A model is given away; the run folder has to find its images again and is not.
    model = (run / "model.safetensors").read_bytes()
    assert str(tmp_path).encode() not in model
    assert b"SAMPLE-" not in model


def test_images_do_not_name_the_patient(data: SimpleNamespace) -> None:
    for image in (read(data.test / "SAMPLE-B_0001.dcm"), *read_series(data.test)):
        assert traces(repr(image).encode()) == []
        assert traces(json.dumps(dict(image.source.tags), default=str).encode()) == []
    for series in find_series(data.test):
        assert traces(f"{series!r} {series.label}".encode()) == []


def test_the_group_tells_patients_apart_and_does_not_name_them(data: SimpleNamespace) -> None:
    groups = {pair.group for pair in find_pairs(data.training).pairs}
    assert len(groups) == 2
    assert all(re.fullmatch(r"patient-[0-9a-f]{12}", group) for group in groups)


# --- what goes wrong ---

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    f"cut at {part}/32": lambda content, part=part: content[: len(content) * part // 32]  # type: ignore[misc]
    for part in range(1, 32)
} | {
    f"{keyword} as a number": lambda content, value=value: content.replace(
        value.encode(), b"\xff" * len(value)
    )  # type: ignore[misc]
    for keyword, value in SECRETS.items()
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_no_sentence_about_damage_names_the_patient(
    damage: str, data: SimpleNamespace, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    path = data.test / "SAMPLE-B_0001.dcm"
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    for action in (read, find_series, find_pairs):
        try:
            result = action(path if action is read else path.parent)
        except UNetScopeError as error:
            result = error
        assert traces(f"{result!r} {result}".encode()) == []
    printed = capfd.readouterr()
    assert traces((printed.out + printed.err + caplog.text).encode()) == []


@pytest.mark.parametrize(
    "keyword", ["Rows", "PixelSpacing", "ImagePositionPatient", "RescaleSlope", "NumberOfFrames"]
)
@pytest.mark.parametrize("value", ["Qwertzinger", "PID-735190-XK"])
def test_no_sentence_repeats_words_where_numbers_should_be(
    keyword: str, value: str, data: SimpleNamespace
) -> None:
    path = data.test / "SAMPLE-B_0001.dcm"
    content = path.read_bytes()
    tag = pydicom.datadict.tag_for_keyword(keyword)
    element = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    text = value.encode() + b" " * (len(value) % 2)
    at = content.find(element, 132)
    if at < 0:
        pytest.skip(f"the sample has no {keyword}")
    [length] = struct.unpack_from("<H", content, at + 6)
    changed = element + b"LO" + struct.pack("<H", len(text)) + text
    path.write_bytes(content[:at] + changed + content[at + 8 + length :])
    try:
        sentence = repr(read(path))
    except UNetScopeError as error:
        sentence = str(error)
    assert traces(sentence.encode()) == []
