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
from unetscope.evaluation import InstanceCounts, ObjectCounts, read_report
from unetscope.evaluation.overlay import OUTCOMES
from unetscope.io import Image, Source, find_pairs, read, read_mask
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
    with pytest.raises(InputError, match=r"normalize\.scope=image"):
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


def test_images_in_memory_keep_names_that_tell_them_apart() -> None:
    def named(name: str) -> Image:
        return Image(np.zeros((2, 2)), "YX", source=Source(tags={"name": name}))

    data = [(named(name), named("labels")) for name in ("a", "b", "b")]
    examples, _ = api.load_examples(data)
    assert [example.name for example in examples] == ["a", "image 2", "image 3"]


def test_a_time_series_is_described_frame_by_frame() -> None:
    labels = np.zeros((5, 32, 32), np.uint8)
    labels[:, 4:12, 4:12] = 1
    series = (Image(labels * 100.0, "TYX"), Image(labels, "TYX"))
    facts = api.fingerprint([series, series])
    frame = api.fingerprint([(Image(labels[0] * 100.0, "YX"), Image(labels[0], "YX"))] * 2)
    assert facts.reach == frame.reach
    assert facts.object_diameter == frame.object_diameter
    assert facts.foreground == frame.foreground


# --- sparse annotation ---


def painted(count: int = 4) -> list[tuple[Image, Image]]:
    """Bright squares on dark noise, with a stroke of 2 in each and one of 1 beside it."""
    rng, pairs = np.random.default_rng(0), []
    for i in range(count):
        pixels, strokes = rng.normal(0, 1, (32, 32)), np.zeros((32, 32), np.uint8)
        pixels[8:24, 4 + i : 20 + i] += 6
        strokes[12, 6 + i : 18 + i], strokes[2:4] = 2, 1
        pairs.append((Image(pixels.astype(np.float32), "YX"), Image(strokes, "YX")))
    return pairs


def test_strokes_are_planned_trained_and_predicted(tiny: dict[str, int], tmp_path: Path) -> None:
    settings = {f"target.{key}": value for key, value in STROKES.items()}
    planned = api.plan(painted(), settings=settings)
    assert planned.reasons[0].startswith("Sparse annotation: 7.4 % of the pixels are labeled.")
    more = tiny | {"training.epochs": 60, "training.samples": 8, "optimizer.learning_rate": 0.01}
    more["split.validation"] = 0.2
    run = api.train(painted(), tmp_path / "run", settings=more | settings, device="cpu")
    assert run.recipe.target == planned.recipe.target == Target(**STROKES)
    model = api.load_model(run.path, device="cpu")
    assert model.values == (0, 2)
    image, _ = painted(1)[0]
    predicted = api.predict(model, image).labels.data
    truth = np.zeros((32, 32), bool)
    truth[8:24, 4:20] = True
    assert set(np.unique(predicted)) == {0, 2}
    assert 2 * np.count_nonzero((predicted == 2) & truth) / ((predicted == 2).sum() + 256) > 0.8
    metrics = json.loads((run.path / "metrics.json").read_text())
    assert metrics["images"][0]["hausdorff95"] is None


def test_strokes_without_background_are_refused_in_words() -> None:
    pairs = [(image, mask.with_data(np.where(mask.data == 1, 0, mask.data))) for image, mask in painted()]
    with pytest.raises(
        InputError, match=r"strokes hold only the values \[2\]; expected strokes on the background"
    ):
        api.plan(pairs, settings=["target.ignore=0", "target.background=1"])


# --- a split that a table gives ---


def test_a_table_decides_who_trains(heart: SimpleNamespace, tiny: dict[str, int], tmp_path: Path) -> None:
    table = find_pairs(heart.training).to_csv(tmp_path / "pairs.csv")
    heading, *rows = table.read_text().splitlines()
    # One group of two slices tests; the other two are separated by hand.
    groups = ["a", "b", "c", "c"]
    roles = ["training", "validation", "test", ""]
    lines = [
        f"{','.join(row.split(',')[:2])},{group},{role}"
        for row, group, role in zip(rows, groups, roles, strict=True)
    ]
    table.write_text("\n".join([f"{heading},split", *lines]))
    facts = api.fingerprint(table)
    assert (facts.images, facts.groups, facts.validating) == (2, 2, 1)
    training = api.prepare_training(table, tmp_path / "run", settings=tiny, device="cpu")
    assert [entry.role for entry in training.run.data] == ["training", "validation", "test", "test"]
    assert [sentence.split(" are in ")[1].split(",")[0] for sentence in training.warnings] == [
        "training and in validation"
    ]
    list(training)
    report = training.finish()
    assert report is not None
    assert report.n == 1
    resumed = api.prepare_resume(tmp_path / "run", device="cpu")
    assert [entry.role for entry in resumed.run.data] == ["training", "validation", "test", "test"]


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


def test_a_prediction_of_one_value_is_matched_part_by_part() -> None:
    truth, predicted = labels([[1, 1, 0, 2, 2, 0, 3]]), labels([[2, 2, 0, 2, 2, 0, 0]])
    (score,) = api.evaluate([predicted], [truth], target=Target(kind="instances")).scores
    assert score.objects is not None
    assert score.objects.at() == ObjectCounts(tp=2, fn=1, iou_sum=2.0)


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


STROKES = {"ignore": 0, "background": 1}


def test_strokes_are_compared_with_predictions_that_have_0_for_background() -> None:
    truth = labels([[1, 1, 0, 2], [0, 1, 0, 2]])
    predicted = labels([[0, 2, 2, 2], [2, 0, 0, 0]])
    for kind in ("binary", "multiclass", "instances"):
        report = api.evaluate([predicted], [truth], target=Target(kind=kind, **STROKES))
        # One stroke pixel of the object is found, one is missed, and one of the background is taken for it.
        assert report.mean["dice"] == pytest.approx(2 / 4)
        assert sum(counts.tp for counts in report.scores[0].counts.values()) == 3
        assert report.scores[0].hausdorff95 is None


def test_strokes_of_classes_keep_their_values() -> None:
    truth = labels([[1, 2, 3, 0], [1, 2, 3, 0]])
    predicted = labels([[0, 2, 2, 9], [0, 2, 3, 9]])
    # What is predicted where nobody labeled is not looked at, be it an unknown class.
    report = api.evaluate([predicted], [truth], target=Target(kind="multiclass", **STROKES))
    assert set(report.per_class) == {0, 2, 3}
    assert report.per_class[3].pooled["recall"] == 0.5
    assert report.per_class[0].pooled["dice"] == 1


def test_images_in_which_nothing_is_labeled_are_left_out() -> None:
    truth, empty = labels([[1, 2], [0, 0]]), labels([[0, 0], [0, 0]])
    target = Target(kind="binary", **STROKES)
    report = api.evaluate([truth, truth], [truth, empty], names=["a", "b"], target=target)
    assert [score.name for score in report.scores] == ["a"]
    with pytest.raises(InputError, match="all pixels of the 1 masks have the ignored value 0"):
        api.evaluate([truth], [empty], target=target)


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


def test_objects_are_matched_one_by_one() -> None:
    """One object found with IoU 3/4, one missed, one invented."""
    truth = labels([[1, 1, 0, 2], [1, 1, 0, 2], [0, 0, 0, 0]])
    predicted = labels([[7, 7, 0, 0], [7, 0, 0, 0], [0, 0, 0, 4]])
    report = api.evaluate([predicted], [truth], target=Target(kind="instances"))
    assert report.mean["object_f1"] == 0.5
    assert report.mean["panoptic_quality"] == 0.375
    assert (report.mean["true_objects"], report.mean["predicted_objects"]) == (2, 2)
    assert "object_f1" not in api.evaluate([predicted], [truth], target=Target(kind="binary")).mean


def test_a_trained_model_of_objects_is_scored_by_objects(trained_objects: Path) -> None:
    metrics = json.loads((trained_objects / "metrics.json").read_text())
    assert metrics["mean"]["true_objects"] > 1
    assert read_report(trained_objects).to_dict()["images"][0]["objects"] == metrics["images"][0]["objects"]


# --- outcomes ---


def test_outcomes_are_those_that_evaluate_counts() -> None:
    truth = labels([[1, 1, 0, 9], [1, 1, 0, 9]])
    predicted = labels([[1, 0, 1, 1], [1, 1, 0, 0]], spacing=(0.5, 2.0))
    target = Target(kind="binary", ignore=9)
    outcomes = api.outcomes(truth, predicted, target=target)
    assert outcomes.data.tolist() == [[1, 3, 2, 0], [1, 1, 0, 0]]
    assert (outcomes.spacing, outcomes.units, outcomes.axes) == (predicted.spacing, "mm", "YX")
    counts = api.evaluate([predicted], [truth], target=target).scores[0].counts[1]
    assert (counts.tp, counts.fp, counts.fn) == (3, 1, 1)


def test_another_class_is_wrong_where_there_are_several() -> None:
    truth, predicted = labels([[2, 2, 0]]), labels([[1, 2, 0]])
    assert api.outcomes(truth, predicted, classes=(0, 1, 2)).data.tolist() == [[4, 1, 0]]


def test_outcomes_of_strokes_and_of_objects() -> None:
    strokes = labels([[0, 1, 2, 2, 0]])
    sparse = Target(kind="binary", ignore=0, background=1)
    assert api.outcomes(strokes, labels([[2, 2, 2, 0, 2]]), target=sparse).data.tolist() == [[0, 2, 1, 3, 0]]
    assert api.outcome_colors(sparse) == api.outcome_colors() == OUTCOMES


def test_outcomes_of_objects_are_of_whole_objects() -> None:
    """Two in one, one in two parts, one missed; nobody labeled the last pixel, and one is false."""
    truth = labels([[1, 2, 0, 3, 3, 3, 3, 0, 4, 0, 9]])
    predicted = labels([[5, 5, 0, 6, 6, 7, 7, 0, 0, 8, 8]])
    target = Target(kind="instances", ignore=9)
    outcomes = api.outcomes(truth, predicted, target=target)
    assert list(api.outcome_colors(target)) == ["found", "false", "missed", "merged", "split"]
    assert outcomes.data.tolist() == [[4, 4, 0, 5, 0, 5, 5, 0, 3, 2, 0]]
    (score,) = api.evaluate([predicted], [truth], target=target).scores
    assert isinstance(score.objects, InstanceCounts)
    assert (score.objects.merges, score.objects.splits) == (1, 1)
    assert score.objects.at() == ObjectCounts(tp=2, fp=2, fn=2, iou_sum=1.0)


def test_objects_of_a_series_are_compared_point_by_point() -> None:
    """The same number at another time is another object; a prediction without numbers has parts."""
    truth = Image(np.array([[[1, 1, 0, 2]], [[2, 2, 0, 1]]], np.uint8), "TYX")
    predicted = Image(np.array([[[1, 1, 0, 1]], [[0, 0, 0, 1]]], np.uint8), "TYX")
    outcomes = api.outcomes(truth, predicted, target=Target(kind="instances"))
    assert outcomes.axes == "TYX"
    assert outcomes.data.tolist() == [[[1, 1, 0, 1]], [[3, 3, 0, 1]]]


def test_outcomes_of_a_time_series() -> None:
    series = Image(np.ones((2, 3, 4, 5), np.uint8), "TZYX")
    assert api.outcomes(series, series).axes == "TZYX"
