from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from unetscope import api
from unetscope.errors import InputError, ModelError, OutputError, RecipeError
from unetscope.io import Image, Source, read, read_mask
from unetscope.recipe import change, to_yaml
from unetscope.recipe.presets import preset
from unetscope.recipe.recipe import Normalize, Target


def test_importing_the_api_loads_no_heavy_library() -> None:
    code = (
        "import sys, unetscope.api; "
        "print([name for name in ('torch', 'matplotlib', 'napari', 'qtpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- normalize ---


def test_normalize_maps_the_5th_and_95th_percentile_to_0_and_1(heart: SimpleNamespace) -> None:
    image = read(heart.test / "SAMPLE-B_0001.dcm")
    low, high = np.percentile(image.data, [5, 95])
    expected = np.clip((image.data - low) / (high - low), 0, 1)

    normalized = api.normalize(image)

    np.testing.assert_allclose(normalized.data, expected, atol=1e-6)
    assert normalized.data.dtype == np.float32
    assert (normalized.axes, normalized.spacing, normalized.units) == ("YX", image.spacing, "mm")


def test_normalize_keeps_channels() -> None:
    image = Image(np.arange(48.0).reshape(3, 4, 4), "CYX", channels=("red", "green", "blue"))
    normalized = api.normalize(image, Normalize(method="minmax", scope="channel"))
    assert normalized.channels == image.channels
    np.testing.assert_allclose(normalized.data.min(axis=(1, 2)), 0)
    np.testing.assert_allclose(normalized.data.max(axis=(1, 2)), 1)


def test_time_points_are_normalized_one_by_one() -> None:
    points = np.random.default_rng(0).normal(size=(2, 3, 4, 5)) * np.array([1, 10]).reshape(2, 1, 1, 1)
    whole = api.normalize(Image(points, "TZYX"))
    assert whole.axes == "TZYX"
    for point, normalized in zip(points, whole.data, strict=True):
        np.testing.assert_array_equal(api.normalize(Image(point, "ZYX")).data, normalized)


def test_one_image_has_no_statistics_of_a_dataset() -> None:
    with pytest.raises(InputError, match=r"set normalize\.scope=image"):
        api.normalize(Image(np.eye(4), "YX"), Normalize(scope="dataset"))


def test_nan_is_refused() -> None:
    with pytest.raises(InputError, match="NaN"):
        api.normalize(Image(np.full((4, 4), np.nan), "YX"))


# --- fingerprint and plan ---


def arrays(folder: Path) -> list[tuple[Image, Image]]:
    return [(read(path), read_mask(path.with_suffix(".png"))) for path in sorted(folder.glob("*.dcm"))]


def test_files_and_arrays_have_the_same_fingerprint(heart: SimpleNamespace) -> None:
    facts = api.fingerprint(heart.training)
    assert facts == api.fingerprint(arrays(heart.training))
    assert (facts.images, facts.groups, facts.labels) == (4, 2, (0, 255))


def test_the_plan_keeps_to_the_minutes(heart: SimpleNamespace) -> None:
    planned = api.plan(heart.training, minutes=3, device="cpu")
    assert planned.recipe.training.minutes == 3
    assert planned.recipe.training.epochs is None
    assert planned.reasons


# --- train ---


def test_training_leaves_model_metrics_and_curves(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert {"recipe.yaml", "data.json", "model.safetensors", "metrics.json", "curves.png"} <= names
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["over"] == "validation images"
    assert metrics["n"] == 2


def test_validation_is_a_patient_of_its_own(trained: Path) -> None:
    roles: dict[str, set[str]] = {}
    for entry in json.loads((trained / "data.json").read_text()):
        roles.setdefault(entry["group"], set()).add(entry["role"])
    assert sorted(map(sorted, roles.values())) == [["training"], ["validation"]]


@pytest.mark.parametrize("kind", ["object", "name", "file"])
def test_a_recipe_comes_as_object_name_or_file(
    kind: str, heart: SimpleNamespace, tiny: dict[str, int], tmp_path: Path
) -> None:
    expected = change(preset("left-ventricle"), tiny)
    file = tmp_path / "recipe.yaml"
    file.write_text(to_yaml(expected))
    recipe, settings = {
        "object": (expected, {}),
        "name": ("left-ventricle", [f"{key}={value}" for key, value in tiny.items()]),
        "file": (file, {}),
    }[kind]
    training = api.prepare_training(heart.training, tmp_path / "run", recipe=recipe, settings=settings)
    assert training.recipe == expected


def test_every_epoch_is_reported(heart: SimpleNamespace, tiny: dict[str, Any], tmp_path: Path) -> None:
    epochs: list[int] = []
    run = api.train(
        heart.training,
        tmp_path / "run",
        settings=tiny | {"training.epochs": 2},
        on_epoch=lambda record: epochs.append(record.epoch),
    )
    assert epochs == [1, 2]
    assert [record["epoch"] for record in run.history()] == epochs


def test_arrays_train_like_files(heart: SimpleNamespace, tiny: dict[str, Any], tmp_path: Path) -> None:
    settings = tiny | {"split.choose": "last"}
    files = api.train(heart.training, tmp_path / "files", settings=settings, device="cpu")
    memory = api.train(arrays(heart.training), tmp_path / "arrays", settings=settings, device="cpu")
    assert files.history()[0]["val_loss"] == memory.history()[0]["val_loss"]


def test_unusable_pairs_are_left_out_and_named(
    heart: SimpleNamespace, tiny: dict[str, int], tmp_path: Path
) -> None:
    data = shutil.copytree(heart.training, tmp_path / "data")
    (data / "SAMPLE-A_0003.dcm").write_bytes((data / "SAMPLE-A_0003.dcm").read_bytes()[:2000])
    (data / "SAMPLE-A_0004.png").unlink()
    (data / "notes.txt").write_text("no image")
    training = api.prepare_training(data, tmp_path / "run", settings=tiny)
    named = [sentence.split(":")[0] for sentence in training.left_out]
    assert named == ["SAMPLE-A_0003.dcm", "SAMPLE-A_0004.dcm"]


def test_slices_of_a_patient_on_both_sides_are_warned_about(
    heart: SimpleNamespace, tiny: dict[str, Any], tmp_path: Path
) -> None:
    honest = api.prepare_training(heart.training, tmp_path / "a", settings=tiny)
    flattering = api.prepare_training(heart.training, tmp_path / "b", settings=tiny | {"split.group": "file"})
    assert honest.warnings == ()
    assert "split.group=patient" in flattering.warnings[0]


def test_without_validation_nothing_is_scored(
    heart: SimpleNamespace, tiny: dict[str, Any], tmp_path: Path
) -> None:
    training = api.prepare_training(
        heart.training, tmp_path / "run", settings=tiny | {"split.validation": 0.0}
    )
    assert [record.val_dice for record in training] == [None]
    assert training.finish() is None
    assert training.run.model_path.exists()


def test_finishing_before_the_first_epoch_is_no_error(
    heart: SimpleNamespace, tiny: dict[str, int], tmp_path: Path
) -> None:
    training = api.prepare_training(heart.training, tmp_path / "run", settings=tiny)
    assert training.finish() is None


def test_an_earlier_run_is_replaced_on_request_only(
    heart: SimpleNamespace, trained: Path, tiny: dict[str, int], tmp_path: Path
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    before = (run / "model.safetensors").read_bytes()
    with pytest.raises(OutputError, match="holds files already"):
        api.prepare_training(heart.training, run, settings=tiny)
    assert (run / "model.safetensors").read_bytes() == before
    api.prepare_training(heart.training, run, settings=tiny, overwrite=True)
    assert not (run / "model.safetensors").exists()


def test_a_bad_recipe_is_noticed_before_anything_is_written(heart: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"network\.depth"):
        api.prepare_training(heart.training, tmp_path / "run", settings=["network.dept=2"])
    assert not (tmp_path / "run").exists()


# --- masks of other kinds ---


def test_color_coded_masks_are_trained_on_and_resumed(tiny: dict[str, int], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for i in range(4):
        truth = np.zeros((32, 32, 3), np.uint8)
        truth[4:20, 4 + i : 20 + i] = 255, 0, 0
        truth[24:30] = 0, 0, 255
        image = rng.normal(0, 9, (32, 32)) + 100 + 60 * (truth[..., 0] > 0) - 60 * (truth[..., 2] > 0)
        Pillow.fromarray(image.astype(np.uint8)).save(tmp_path / f"data/images/{i}.png")
        Pillow.fromarray(truth).save(tmp_path / f"data/masks/{i}.png")
    examples, left_out = api.load_examples(tmp_path / "data")
    assert left_out == ()
    assert [np.unique(example.mask.data).tolist() for example in examples] == [[0, 1, 2]] * 4
    run = api.train(tmp_path / "data", tmp_path / "run", settings=tiny, device="cpu")
    assert api.load_model(run.path).values == (0, 1, 2)
    assert run.data[0].reading == {"colors": {"#000000": 0, "#0000ff": 1, "#ff0000": 2}}
    api.prepare_resume(run.path, device="cpu")
    again = [read_mask(entry.mask, **entry.reading) for entry in run.data]
    for before, after in zip(examples, again, strict=True):
        np.testing.assert_array_equal(after.data, before.mask.data)


def test_outlines_are_objects_where_the_recipe_numbers_them(tiny: dict[str, int], tmp_path: Path) -> None:
    square = [2.0, 2, 10, 2, 10, 10, 2, 10]
    entries, annotations = [], []
    for i in range(4):
        Pillow.fromarray(np.full((32, 32), i, np.uint8)).save(tmp_path / f"{i}.png")
        entries.append({"id": i, "file_name": f"{i}.png", "height": 32, "width": 32})
        for shift in (0, 8 + i):
            outline = [[value + shift for value in square]]
            annotations.append({"id": 1, "image_id": i, "category_id": 3, "segmentation": outline})
    content = {"images": entries, "annotations": annotations, "categories": [{"id": 3, "name": "cell"}]}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    labels = {}
    for kind in ("binary", "instances"):
        settings = tiny | {"target.kind": kind, "loss.kind": "bce"}
        training = api.prepare_training(tmp_path, tmp_path / "runs" / kind, settings=settings, device="cpu")
        api.prepare_resume(training.run.path, device="cpu")
        entry = training.run.data[0]
        mask = read_mask(entry.mask, on=read(entry.image), **entry.reading)
        labels[kind] = np.unique(mask.data).tolist()
    assert labels == {"binary": [0, 3], "instances": [0, 1, 2]}


def test_images_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for case in ("p1", "p2"):
        (tmp_path / case).mkdir()
        for name in ("image.tif", "label.tif"):
            tifffile.imwrite(tmp_path / case / name, np.eye(8, dtype=np.uint8))
    examples, _ = api.load_examples(tmp_path)
    assert [(example.name, example.group) for example in examples] == [
        ("p1/image.tif", "p1"),
        ("p2/image.tif", "p2"),
    ]


def test_a_time_series_is_described_frame_by_frame() -> None:
    labels = np.zeros((5, 32, 32), np.uint8)
    labels[:, 4:12, 4:12] = 1
    series = (Image(labels * 100.0, "TYX"), Image(labels, "TYX"))
    facts = api.fingerprint([series, series])
    frame = api.fingerprint([(Image(labels[0] * 100.0, "YX"), Image(labels[0], "YX"))] * 2)
    assert facts.reach == frame.reach
    assert facts.object_diameter == frame.object_diameter
    assert facts.foreground == frame.foreground


# --- resume ---


def test_changed_data_cannot_be_resumed(heart: SimpleNamespace, tiny: dict[str, int], tmp_path: Path) -> None:
    data = shutil.copytree(heart.training, tmp_path / "data")
    run = api.train(data, tmp_path / "run", settings=tiny)
    shutil.copy(data / "SAMPLE-A_0003.png", data / "SAMPLE-A_0004.png")
    with pytest.raises(InputError, match=r"SAMPLE-A_0004\.png is missing or has changed"):
        api.prepare_resume(run.path)


def test_resuming_goes_on_after_the_last_epoch(
    heart: SimpleNamespace, tiny: dict[str, Any], tmp_path: Path
) -> None:
    training = api.prepare_training(heart.training, tmp_path / "run", settings=tiny | {"training.epochs": 3})
    epochs = iter(training)
    next(epochs)
    epochs.close()
    run = api.resume(tmp_path / "run")
    assert [record["epoch"] for record in run.history()] == [1, 2, 3]


# --- predict ---


def test_file_folder_and_model_predict_the_same(heart: SimpleNamespace, trained: Path) -> None:
    path = heart.test / "SAMPLE-B_0001.dcm"
    image = read(path)
    model = api.load_model(trained, device="cpu")
    predictions = [
        api.predict(model, image),
        api.predict(trained, path),
        api.predict(trained / "model.safetensors", str(path)),
        api.predict(model, image.data),
    ]
    for prediction in predictions[1:]:
        np.testing.assert_array_equal(prediction.labels.data, predictions[0].labels.data)
    first = predictions[0].labels
    assert (first.spacing, first.units, first.data.shape) == (image.spacing, "mm", image.data.shape)
    assert set(np.unique(first.data)) <= {0, 255}


def test_a_higher_threshold_finds_less(heart: SimpleNamespace, trained: Path) -> None:
    model = api.load_model(trained, device="cpu")
    image = read(heart.test / "SAMPLE-B_0001.dcm")
    middle = float(np.median(api.predict(model, image).probabilities.data))
    low, high = (
        np.count_nonzero(api.predict(model, image, threshold=threshold).labels.data)
        for threshold in (middle / 2, (1 + middle) / 2)
    )
    assert low > high


@pytest.mark.parametrize("threshold", [-0.1, 0.0, 1.0, 3.0, float("nan")])
def test_a_threshold_is_a_probability(trained: Path, threshold: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        api.predict(trained, np.zeros((32, 32)), threshold=threshold)


def test_classes_have_no_threshold(trained_classes: Path) -> None:
    with pytest.raises(InputError, match="leave it out"):
        api.predict(trained_classes, np.zeros((32, 32)), threshold=0.5)


def test_a_folder_without_a_run_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a run folder"):
        api.load_model(tmp_path)


# --- evaluate ---


def labels(values: list[list[int]], spacing: tuple[float, float] = (1.0, 1.0)) -> Image:
    return Image(np.array(values), "YX", spacing=spacing, units="mm", source=Source(path=Path("a.png")))


def test_objects_are_compared_as_foreground() -> None:
    truth = labels([[1, 1, 0, 2], [1, 1, 0, 2]])
    predicted = labels([[7, 7, 0, 7], [7, 0, 0, 7]])
    report = api.evaluate([predicted], [truth], target=Target(kind="instances"))
    assert report.mean["dice"] == pytest.approx(2 * 5 / (5 + 6))


def test_every_value_is_a_class_unless_told_otherwise() -> None:
    truth = labels([[1, 1, 0, 2], [1, 1, 0, 2]])
    predicted = labels([[1, 1, 0, 1], [1, 1, 0, 1]])
    report = api.evaluate([predicted], [truth])
    assert set(report.per_class) == {0, 1, 2}
    assert report.per_class[2].pooled["recall"] == 0


def test_a_class_is_scored_in_images_that_hold_it_alone() -> None:
    both, one = labels([[1, 2], [0, 0]]), labels([[2, 2], [0, 0]])
    mistaken = labels([[1, 1], [0, 0]])
    report = api.evaluate([both, mistaken], [both, one])
    assert report.scores[1].dice == 0


def test_ignored_pixels_count_nowhere() -> None:
    truth = labels([[1, 1, 0, 9], [1, 1, 0, 9]])
    predicted = labels([[1, 1, 0, 1], [1, 1, 0, 0]])
    report = api.evaluate([predicted], [truth], target=Target(kind="binary", ignore=9))
    assert report.mean["dice"] == 1


def test_distances_are_in_the_units_of_the_prediction() -> None:
    predicted = labels([[1, 0, 0, 0]] * 4, spacing=(1.0, 2.5))
    truth = Image(np.array([[0, 1, 0, 0]] * 4), "YX")
    report = api.evaluate([predicted], [truth])
    assert report.units == "mm"
    assert report.mean["hausdorff95"] == pytest.approx(2.5)


def test_names_are_those_of_the_truth_or_given() -> None:
    mask = labels([[0, 1], [0, 0]])
    assert api.evaluate([mask], [mask]).scores[0].name == "a.png"
    assert api.evaluate([mask], [mask], names=["mine"]).scores[0].name == "mine"


def test_as_many_predictions_as_masks() -> None:
    mask = labels([[0, 1], [0, 0]])
    with pytest.raises(InputError, match="2 predictions and 1 masks"):
        api.evaluate([mask, mask], [mask])


def test_time_series_are_scored_point_by_point() -> None:
    labels = np.zeros((2, 4, 4), np.uint8)
    labels[:, 1:3, 1:3] = 1
    report = api.evaluate([Image(labels, "TYX")], [Image(labels, "TYX")], names=["a"])
    assert [score.name for score in report.scores] == ["a, time 1", "a, time 2"]
    assert report.mean["dice"] == 1


def test_time_series_of_different_lengths_are_refused() -> None:
    labels = np.ones((3, 4, 4), np.uint8)
    with pytest.raises(InputError, match="a has 3 time points and its prediction 2; expected equally many"):
        api.evaluate([Image(labels[:2], "TYX")], [Image(labels, "TYX")], names=["a"])
