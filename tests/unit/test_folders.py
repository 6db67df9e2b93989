from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image as Picture

from unetscope import api
from unetscope.errors import InputError, OutputError
from unetscope.folders import compare_folders, predict_files, report, write_report
from unetscope.folders.predict import FORMATS
from unetscope.io import Image, read, read_mask, write_mask


def predict_all(model: Path, source: Path, out: Path, **options: Any) -> list[dict[str, Any]]:
    """Predict, and return the index that was written."""
    for _ in predict_files(model, source, out, device="cpu", **options):
        pass
    return json.loads((out / "predictions.json").read_text())


def save(path: Path, labels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_mask(path, labels)


@pytest.fixture
def gray(tmp_path: Path) -> Path:
    """A folder with a gray PNG and a gray TIFF of one stem."""
    folder = tmp_path / "gray"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (32, 40), dtype=np.uint8)
    Picture.fromarray(pixels).save(folder / "a.png")
    tifffile.imwrite(folder / "a.tif", pixels)
    return folder


# --- predict_files ---


def test_the_index_tells_origin_grid_and_content(
    heart: SimpleNamespace, trained: Path, tmp_path: Path
) -> None:
    index = predict_all(trained, heart.test, tmp_path / "out")
    assert [entry["labels"] for entry in index] == ["SAMPLE-B_0001.png", "SAMPLE-B_0003.png"]
    for entry in index:
        labels = read_mask(tmp_path / "out" / entry["labels"]).data
        image = read(Path(entry["image"]))
        assert labels.shape == image.data.shape
        assert (tuple(entry["spacing"]), entry["units"]) == (image.spacing, "mm")
        assert entry["pixels"] == {str(v): np.count_nonzero(labels == v) for v in np.unique(labels)}
        assert not entry["objects"]
        assert entry["probabilities"] == ""
        assert entry["seconds"] > 0


def test_every_result_is_announced_with_their_number(
    heart: SimpleNamespace, trained: Path, tmp_path: Path
) -> None:
    results = list(predict_files(trained, heart.test, tmp_path / "out"))
    assert [(result.labels, total) for result, total in results] == [
        ("SAMPLE-B_0001.png", 2),
        ("SAMPLE-B_0003.png", 2),
    ]


def test_progress_is_that_of_each_image_and_may_stop_the_rest(
    heart: SimpleNamespace, trained: Path, tmp_path: Path
) -> None:
    told: list[float] = []

    def stop_in_the_second(part: float) -> None:
        if told and part < told[-1]:
            raise KeyboardInterrupt
        told.append(part)

    with pytest.raises(KeyboardInterrupt):
        predict_all(trained, heart.test, tmp_path / "out", progress=stop_in_the_second)
    assert told[0] == 0 < told[-1] < 1
    assert len(json.loads((tmp_path / "out" / "predictions.json").read_text())) == 1


def test_probabilities_agree_with_labels(heart: SimpleNamespace, trained: Path, tmp_path: Path) -> None:
    index = predict_all(trained, heart.test, tmp_path / "out", probabilities=True, threshold=0.4)
    for entry in index:
        maps = read(tmp_path / "out" / entry["probabilities"])
        labels = read_mask(tmp_path / "out" / entry["labels"]).data
        assert maps.data.dtype == np.float32
        assert (maps.spacing, maps.units) == (pytest.approx((1.4, 1.4)), "mm")
        np.testing.assert_array_equal(maps.data >= 0.4, labels > 0)


def test_a_single_file_is_predicted_like_its_folder(
    heart: SimpleNamespace, trained: Path, tmp_path: Path
) -> None:
    predict_all(trained, heart.test, tmp_path / "all")
    predict_all(trained, heart.test / "SAMPLE-B_0003.dcm", tmp_path / "one")
    name = "SAMPLE-B_0003.png"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()
    assert len(list((tmp_path / "one").iterdir())) == 2


def test_masks_beside_images_are_left_alone(heart: SimpleNamespace, trained: Path, tmp_path: Path) -> None:
    index = predict_all(trained, heart.training, tmp_path / "out")
    assert len(index) == 4
    assert all(entry["image"].endswith(".dcm") for entry in index)


def test_images_of_one_stem_get_results_of_their_own(trained: Path, gray: Path, tmp_path: Path) -> None:
    index = predict_all(trained, gray, tmp_path / "out")
    assert [entry["labels"] for entry in index] == ["a_png.png", "a_tif.png"]


def test_a_stack_stays_a_stack(trained: Path, tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 255, (3, 32, 32), dtype=np.uint8)
    options: dict[str, Any] = {"metadata": {"axes": "ZYX", "spacing": 2.5, "unit": "mm"}}
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, resolution=(2, 2), **options)
    (entry,) = predict_all(trained, tmp_path / "stack.tif", tmp_path / "out")
    labels = read_mask(tmp_path / "out" / "stack.tif")
    assert labels.data.shape == stack.shape
    assert labels.spacing == tuple(entry["spacing"]) == (2.5, 0.5, 0.5)
    assert labels.units == entry["units"] == "mm"


def test_objects_are_marked_as_such(trained_objects: Path, samples: Path, tmp_path: Path) -> None:
    (entry,) = predict_all(trained_objects, samples / "cells" / "images" / "field_01.png", tmp_path / "out")
    assert entry["objects"]


def test_other_predictions_of_the_folder_stay_in_the_index(
    heart: SimpleNamespace, trained: Path, tmp_path: Path
) -> None:
    first = predict_all(trained, heart.test, tmp_path / "out")
    again = predict_all(trained, heart.test / "SAMPLE-B_0003.dcm", tmp_path / "out", overwrite=True)
    assert [entry["labels"] for entry in again] == [entry["labels"] for entry in first]


def test_results_before_a_damaged_image_are_kept_and_listed(
    heart: SimpleNamespace, trained: Path, tmp_path: Path
) -> None:
    images = shutil.copytree(heart.test, tmp_path / "images")
    (images / "SAMPLE-B_0003.dcm").write_bytes(b"no DICOM at all")
    with pytest.raises(InputError, match=r"SAMPLE-B_0003\.dcm"):
        predict_all(trained, images, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "SAMPLE-B_0001.png",
        "predictions.json",
    ]
    assert len(json.loads((tmp_path / "out" / "predictions.json").read_text())) == 1


def test_images_and_masks_are_never_overwritten(
    heart: SimpleNamespace, trained: Path, tmp_path: Path
) -> None:
    data = shutil.copytree(heart.training, tmp_path / "data")
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    with pytest.raises(OutputError, match="files that predict did not write"):
        predict_all(trained, data, data, overwrite=True)
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before


def test_earlier_predictions_are_replaced_on_request_only(
    heart: SimpleNamespace, trained: Path, tmp_path: Path
) -> None:
    predict_all(trained, heart.test, tmp_path / "out")
    with pytest.raises(OutputError, match="holds files already"):
        predict_all(trained, heart.test, tmp_path / "out")
    predict_all(trained, heart.test, tmp_path / "out", overwrite=True)


@pytest.mark.parametrize(("name", "message"), [("empty", "holds no images"), ("missing", "does not exist")])
def test_there_must_be_images(name: str, message: str, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        predict_all(trained, tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file_format", ["png", "tiff", "zarr", "nifti", "nrrd", "dicom"])
def test_every_format_keeps_labels_and_grid(
    heart: SimpleNamespace, trained: Path, tmp_path: Path, file_format: str
) -> None:
    source = heart.test / "SAMPLE-B_0001.dcm"
    expected = api.predict(trained, source, threshold=0.1).labels
    (entry,) = predict_all(trained, source, tmp_path / "out", file_format=file_format, threshold=0.1)
    assert entry["labels"] == f"SAMPLE-B_0001{FORMATS[file_format]}"
    labels = read_mask(tmp_path / "out" / entry["labels"], on=read(source))
    # A segmentation object numbers its segments from 1.
    values = labels.data > 0 if file_format == "dicom" else labels.data
    np.testing.assert_array_equal(values, expected.data > 0 if file_format == "dicom" else expected.data)
    assert expected.data.any()
    in_mm = 1e-3 if labels.units == "µm" else 1.0
    np.testing.assert_allclose(np.multiply(labels.spacing, in_mm), expected.spacing, rtol=1e-4)


def test_segmentation_objects_are_compared_by_name(
    heart: SimpleNamespace, trained: Path, tmp_path: Path
) -> None:
    predict_all(trained, heart.test, tmp_path / "png", threshold=0.1)
    predict_all(trained, heart.test, tmp_path / "dicom", file_format="dicom", threshold=0.1)
    expected = compare_folders(tmp_path / "png", heart.truth)
    comparison = compare_folders(tmp_path / "dicom", heart.truth)
    assert comparison.names == ("SAMPLE-B_0001.dcm", "SAMPLE-B_0003.dcm")
    assert [score.dice for score in comparison.report.scores] == [
        score.dice for score in expected.report.scores
    ]
    assert all(image is not None for image in comparison.images)


def test_files_of_a_series_become_one_result(samples: Path, trained: Path, tmp_path: Path) -> None:
    (entry,) = predict_all(trained, samples / "heart" / "test", tmp_path / "out", series=True)
    assert entry["labels"] == "test.tif"
    labels = read_mask(tmp_path / "out" / "test.tif")
    assert (labels.axes, labels.data.shape) == ("TZYX", (2, 8, 128, 128))
    image = read(samples / "heart" / "test")
    expected = api.predict(trained, image.take("T", 1)).labels.data
    np.testing.assert_array_equal(labels.data[1], expected)


@pytest.mark.parametrize("file_format", ["nrrd", "dicom"])
def test_formats_of_one_time_point_get_a_file_for_each(
    samples: Path, trained: Path, tmp_path: Path, file_format: str
) -> None:
    source = samples / "heart" / "test"
    options = {"series": True, "file_format": file_format, "threshold": 0.1}
    index = predict_all(trained, source, tmp_path / "out", **options)
    assert [entry["labels"] for entry in index] == [f"test_t{i}{FORMATS[file_format]}" for i in (1, 2)]
    image = read(source)
    expected = api.predict(trained, image, threshold=0.1).labels.take("T", 1).data
    labels = read_mask(tmp_path / "out" / index[1]["labels"], on=image.take("T", 1))
    np.testing.assert_array_equal(labels.data, expected)
    mask = save(tmp_path / "truth.tif", expected)
    (row,) = compare_folders(tmp_path / "out" / index[1]["labels"], mask).report.scores
    assert row.dice == 1


def test_each_of_several_series_has_its_result(samples: Path, trained: Path, tmp_path: Path) -> None:
    index = predict_all(trained, samples / "heart" / "training", tmp_path / "out", series=True)
    assert [entry["labels"] for entry in index] == ["training_1.tif", "training_2.tif"]


def test_a_format_that_nobody_knows_is_refused(heart: SimpleNamespace, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the format is 'gif'; expected auto, png, tiff"):
        predict_all(trained, heart.test, tmp_path / "out", file_format="gif")
    assert not (tmp_path / "out").exists()


# --- compare_folders ---


def test_time_series_are_scored_point_by_point(tmp_path: Path) -> None:
    predicted, truth = np.zeros((2, 3, 8, 8), np.uint8), np.zeros((2, 3, 8, 8), np.uint8)
    truth[:, :, 2:6, 2:6] = 1
    predicted[0, :, 2:6, 2:6] = 1
    predicted[1, :, 2:6, 2:4] = 1
    mine = save(tmp_path / "mine.tif", predicted)
    comparison = compare_folders(mine, save(tmp_path / "truth.tif", truth))
    assert comparison.names == ("mine.tif, time 1", "mine.tif, time 2")
    assert [score.dice for score in comparison.report.scores] == pytest.approx([1, 2 / 3])


def test_png_predictions_of_dicom_are_measured_in_mm(
    heart: SimpleNamespace, trained: Path, tmp_path: Path
) -> None:
    predict_all(trained, heart.test, tmp_path / "out")
    in_mm = compare_folders(tmp_path / "out", heart.truth).report
    (tmp_path / "out" / "predictions.json").unlink()
    # The file itself only counts pixels per meter.
    in_um = compare_folders(tmp_path / "out", heart.truth).report
    assert (in_mm.units, in_um.units) == ("mm", "µm")
    for key in ("hausdorff95", "mean_surface_distance"):
        assert in_mm.mean[key] == pytest.approx(in_um.mean[key] / 1000, rel=1e-3)
    assert in_mm.mean["dice"] == in_um.mean["dice"]


def test_a_series_of_one_time_point_is_named_alike_everywhere(tmp_path: Path) -> None:
    labels = Image(np.eye(8, dtype=np.uint8)[np.newaxis, np.newaxis].repeat(3, axis=1), "TZYX")
    mine = write_mask(tmp_path / "mine.ome.tif", labels)
    assert read_mask(mine).axes == "TZYX"
    comparison = compare_folders(mine, mine)
    assert comparison.names == tuple(score.name for score in comparison.report.scores)
    write_report(comparison, tmp_path / "report")


def test_probability_maps_are_no_predictions(heart: SimpleNamespace, trained: Path, tmp_path: Path) -> None:
    predict_all(trained, heart.test, tmp_path / "out", probabilities=True)
    save(tmp_path / "out" / "stranger.png", np.eye(8, dtype=np.uint8))
    comparison = compare_folders(tmp_path / "out", heart.truth)
    assert comparison.names == ("SAMPLE-B_0001.png", "SAMPLE-B_0003.png")
    assert [sentence.split(":")[0] for sentence in comparison.left_out] == ["stranger.png"]


def test_images_are_found_again(heart: SimpleNamespace, trained: Path, tmp_path: Path) -> None:
    predict_all(trained, heart.test, tmp_path / "out")
    comparison = compare_folders(tmp_path / "out", heart.truth)
    for name, image in zip(comparison.names, comparison.images, strict=True):
        assert image is not None
        np.testing.assert_array_equal(image.data, read((heart.test / name).with_suffix(".dcm")).data)


def numbered(first: int) -> np.ndarray:
    """Two objects with numbers from `first`."""
    labels = np.zeros((8, 8), np.uint8)
    labels[1:4, 1:4] = first
    labels[5:7, 2:7] = first + 1
    return labels


def test_differently_numbered_objects_are_the_same_foreground(tmp_path: Path) -> None:
    save(tmp_path / "predicted" / "a.png", numbered(5))
    save(tmp_path / "truth" / "a.png", numbered(1))
    as_objects = compare_folders(tmp_path / "predicted", tmp_path / "truth", objects=True)
    as_classes = compare_folders(tmp_path / "predicted", tmp_path / "truth")
    assert as_objects.report.mean["dice"] == 1
    assert as_classes.report.mean["dice"] == 0


def test_predictions_of_objects_need_no_word_about_it(
    trained_objects: Path, samples: Path, tmp_path: Path
) -> None:
    predict_all(trained_objects, samples / "cells" / "images" / "field_01.png", tmp_path / "out")
    predicted = read_mask(tmp_path / "out" / "field_01.png").data > 0
    truth = read_mask(samples / "cells" / "masks" / "field_01.tif").data > 0
    comparison = compare_folders(tmp_path / "out", samples / "cells" / "masks")
    expected = 2 * np.count_nonzero(predicted & truth) / (predicted.sum() + truth.sum())
    assert comparison.target.kind == "instances"
    assert comparison.report.mean["dice"] == pytest.approx(expected)


def test_two_files_are_compared_whatever_their_names(tmp_path: Path) -> None:
    mine = save(tmp_path / "mine.png", numbered(1))
    truth = save(tmp_path / "truth.tif", numbered(1))
    assert compare_folders(mine, truth).report.mean["dice"] == 1


def test_a_file_is_not_compared_with_a_folder(tmp_path: Path) -> None:
    mine = save(tmp_path / "mine.png", numbered(1))
    for pair in ((mine, tmp_path), (tmp_path, mine)):
        with pytest.raises(InputError, match=r"mine\.png is a file and .* is not"):
            compare_folders(*pair)


def test_without_common_names_there_is_nothing_to_compare(tmp_path: Path) -> None:
    save(tmp_path / "predicted" / "a.png", numbered(1))
    save(tmp_path / "truth" / "b.png", numbered(1))
    with pytest.raises(InputError, match="has a mask of the same name"):
        compare_folders(tmp_path / "predicted", tmp_path / "truth")


@pytest.mark.parametrize("text", ["{", "[1]", '[{"labels": "a.png"}]', "\xff"])
def test_a_damaged_index_is_refused(text: str, tmp_path: Path) -> None:
    save(tmp_path / "predicted" / "a.png", numbered(1))
    (tmp_path / "predicted" / "predictions.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"predictions\.json is damaged"):
        compare_folders(tmp_path / "predicted", tmp_path / "predicted")


# --- write_report ---


def test_the_report_shows_what_was_segmented(heart: SimpleNamespace, trained: Path, tmp_path: Path) -> None:
    predict_all(trained, heart.test, tmp_path / "out")
    comparison = compare_folders(tmp_path / "out", heart.truth)
    path = write_report(comparison, tmp_path / "report", history=[{"epoch": 1, "train_loss": 1.0}])
    names = {file.name for file in path.parent.iterdir()}
    assert names == {"report.md", "scores.json", "scores.csv", "scores.png", "cases.png", "curves.png"}
    text = path.read_text(encoding="utf-8")
    assert all(f"]({name})" in text for name in names if name.endswith(".png"))
    scores = json.loads((path.parent / "scores.json").read_text())
    assert scores["mean"]["dice"] == comparison.report.mean["dice"]
    assert len((path.parent / "scores.csv").read_text().splitlines()) == 3


def test_the_figure_of_objects_shows_what_was_scored(
    trained_objects: Path, samples: Path, tmp_path: Path
) -> None:
    predict_all(trained_objects, samples / "cells" / "images" / "field_01.png", tmp_path / "out")
    (case,) = report._cases(compare_folders(tmp_path / "out", samples / "cells" / "masks"))
    comparison = compare_folders(tmp_path / "out", samples / "cells" / "masks")
    assert case.truth.max() == comparison.report.mean["true_objects"] > 1
    assert case.title.endswith(f"PQ {comparison.report.mean['panoptic_quality']:.3f}")
    expected = api.outcomes(comparison.truth[0], comparison.predicted[0], target=comparison.target)
    np.testing.assert_array_equal(case.outcomes, expected.data)


def test_the_figure_of_strokes_leaves_out_what_nobody_labeled(tmp_path: Path) -> None:
    truth, predicted = np.zeros((4, 4), np.uint8), np.full((4, 4), 2, np.uint8)
    truth[0], truth[2] = 1, 2
    files = save(tmp_path / "p.png", predicted), save(tmp_path / "t.png", truth)
    comparison = compare_folders(*files, ignore=0, background=1)
    shown = replace(comparison, images=(Image(np.eye(4), "YX"),))
    (case,) = report._cases(shown)
    np.testing.assert_array_equal(case.truth, np.where(truth == 2, 2, 0))
    np.testing.assert_array_equal(case.predicted, np.where(truth > 0, 2, 0))


def test_one_image_is_shown_once(heart: SimpleNamespace, trained: Path, tmp_path: Path) -> None:
    predict_all(trained, heart.test / "SAMPLE-B_0001.dcm", tmp_path / "out")
    (case,) = report._cases(compare_folders(tmp_path / "out", heart.truth))
    assert case.title.startswith("best, median, worst: SAMPLE-B_0001.png, Dice ")


def test_a_report_without_images_has_no_picture_of_them(tmp_path: Path) -> None:
    mine = save(tmp_path / "mine.png", numbered(1))
    path = write_report(compare_folders(mine, mine), tmp_path / "report")
    assert not (path.parent / "cases.png").exists()


def test_an_earlier_report_is_replaced_on_request_only(tmp_path: Path) -> None:
    mine = save(tmp_path / "mine.png", numbered(1))
    comparison = compare_folders(mine, mine)
    write_report(comparison, tmp_path / "report")
    with pytest.raises(OutputError, match="holds files already"):
        write_report(comparison, tmp_path / "report")
    write_report(comparison, tmp_path / "report", overwrite=True)


# --- privacy ---


def test_no_identity_of_a_patient_reaches_any_result(
    heart: SimpleNamespace, tiny: dict[str, int], tmp_path: Path
) -> None:
    from unetscope.api import train

    secrets = {"PatientID": "SECRET-ID-123", "PatientName": "Doe^Jane", "PatientBirthDate": "19471231"}
    data = tmp_path / "data"
    data.mkdir()
    for i, path in enumerate(sorted(heart.training.glob("*.dcm"))):
        dataset = pydicom.dcmread(path)
        for keyword, value in secrets.items():
            setattr(dataset, keyword, value)
        dataset.save_as(data / f"slice{i}.dcm")
        shutil.copy(path.with_suffix(".png"), data / f"slice{i}.png")
    out = tmp_path / "results"
    run = train(data, out / "run", settings=tiny | {"split.group": "file"})
    predict_all(run.path, data, out / "predictions", probabilities=True)
    masks = tmp_path / "masks"
    masks.mkdir()
    for path in data.glob("*.png"):
        shutil.copy(path, masks)
    write_report(compare_folders(out / "predictions", masks), out / "report", history=run.history())

    written = [path for path in out.rglob("*") if path.is_file()]
    assert len(written) > 15
    for path in written:
        content = path.read_bytes().lower()
        found = [value for value in secrets.values() if value.lower().encode() in content]
        assert not found, path.name
