from __future__ import annotations

import csv
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from unetscope.errors import InputError, ModelError
from unetscope.evaluation import Report, paired_significance, score_image
from unetscope.experiments import Condition, Contrast, Published
from unetscope.experiments.results import Results
from unetscope.io.write import write_json

MAIN = "test images"


def rescore(cell, found, condition=MAIN, size=10):
    """Replace the scores: so many pixels of the object of each image are found; recall is found / size."""
    truth = np.arange(20)[np.newaxis] < size
    scores = [
        score_image(f"image-{i}.png", truth, truth & (np.arange(20)[np.newaxis] < n), classes=[1])
        for i, n in enumerate(found)
    ]
    labels = {score.name: np.zeros((1, 20), np.uint8) for score in scores}
    cell.write_scores(condition, Report(tuple(scores)), labels)


def table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def by_hand(finished_experiment):
    """Two arms, two seeds, three images; recall is what `rescore` says."""
    contrasts = [Contrast(better="augmented", than="plain", metric="recall")]
    folder = finished_experiment(seeds=(0, 1), images=3, main="recall", contrasts=contrasts)
    rescore(folder.cell("plain", 0), [2, 4, 6])
    rescore(folder.cell("plain", 1), [4, 4, 10])
    rescore(folder.cell("augmented", 0), [5, 6, 6])
    rescore(folder.cell("augmented", 1), [6, 7, 9])
    return folder


def test_a_summary_is_over_images_and_then_over_seeds(by_hand):
    summary = Results(by_hand).summary("plain")
    assert (summary.seeds, summary.images, summary.condition) == ((0, 1), 3, MAIN)
    assert summary.mean["recall"] == pytest.approx((0.4 + 0.6) / 2)
    assert summary.std["recall"] == pytest.approx(np.std([0.4, 0.6], ddof=1))
    spread = (np.std([0.2, 0.4, 0.6]) + np.std([0.4, 0.4, 1.0])) / 2
    assert summary.image_std["recall"] == pytest.approx(spread)
    assert summary.pooled["recall"] == pytest.approx((12 / 30 + 18 / 30) / 2)
    assert summary.worst == ("image-0.png", pytest.approx(0.3))
    assert summary.train_seconds == (10.5, pytest.approx(math.sqrt(0.5)))
    assert summary.predict_seconds[0] == pytest.approx(0.55)
    assert (summary.epochs, summary.parameters, summary.training_images) == (4.5, 1000, 4)
    assert (summary.threshold, summary.published) == (0.5, {})


def test_values_are_seeds_by_images(by_hand):
    results = Results(by_hand)
    expected = np.array([[0.2, 0.4, 0.6], [0.4, 0.4, 1.0]])
    assert results.values("plain", None, "recall") == pytest.approx(expected)
    assert results.image_names() == ("image-0.png", "image-1.png", "image-2.png")
    assert np.isnan(results.values("plain", MAIN, "object_f1")).all()
    assert results.values("plain", MAIN, "object_f1").shape == (2, 3)


def test_the_answer_is_that_of_the_paired_differences(by_hand):
    (answer,) = Results(by_hand).answers()
    expected = paired_significance(np.array([[0.3, 0.2, 0.0], [0.2, 0.3, -0.1]]))
    assert answer.significance.mean == pytest.approx(0.15)
    assert answer.significance.p == pytest.approx(expected.p)
    low, high = (f"{value:+.3f}".replace("-", "−") for value in (expected.low, expected.high))
    assert answer.sentence == (
        f"augmented against plain: Recall +0.150 (95 % interval {low} to {high}, p = {expected.p:.2f}; "
        "2 seeds, 3 images): not shown to be better."
    )


def test_only_seeds_of_both_arms_are_compared(by_hand):
    (by_hand.cell("augmented", 0).folder / "cell.json").unlink()
    results = Results(by_hand)
    (answer,) = results.answers()
    assert answer.significance.mean == pytest.approx(np.mean([0.2, 0.3, -0.1]))
    assert "1 seed, 3 images" in answer.sentence
    assert answer.sentence.endswith("One seed: this says nothing about other trainings.")
    assert [(cell.arm, cell.seed) for cell in results.waiting] == [("augmented", 0)]
    assert results.summary("augmented").seeds == (1,)
    assert math.isnan(results.summary("augmented").std["recall"])


def test_a_training_that_broke_down_is_told(by_hand):
    cell = by_hand.cell("augmented", 0)
    (cell.folder / "cell.json").unlink()
    cell.fail("the loss is not a number.")
    results = Results(by_hand)
    assert results.answers()[0].sentence.endswith("Left out: 1 training of augmented that broke down.")
    assert results.to_dict()["waiting"] == [
        {"arm": "augmented", "seed": 0, "failure": "the loss is not a number."}
    ]


def test_without_a_common_seed_there_is_no_answer(by_hand):
    (by_hand.cell("augmented", 0).folder / "cell.json").unlink()
    (by_hand.cell("plain", 1).folder / "cell.json").unlink()
    assert Results(by_hand).answers() == []


def test_nothing_finished(finished_experiment):
    folder = finished_experiment(finished=0)
    results = Results(folder)
    assert (results.cells, results.summaries(), results.answers(), results.rows()) == ((), [], [], [])
    assert results.summary("plain") is None
    assert results.values("plain", None, "dice").shape == (0, 0)
    assert (results.image_names(), results.image_rows()) == ((), [])
    results.write()
    assert json.loads((folder.path / "results.json").read_text())["complete"] is False


def test_conditions_are_kept_apart(finished_experiment):
    contrasts = [Contrast(better="augmented", than="plain", condition="noisy")]
    folder = finished_experiment(conditions=("clean", "noisy"), contrasts=contrasts)
    results = Results(folder)
    shown = [(each.arm, each.condition) for each in results.summaries()]
    assert shown == [("plain", "clean"), ("plain", "noisy"), ("augmented", "clean"), ("augmented", "noisy")]
    assert results.summary("plain", "noisy").mean["dice"] < results.summary("plain").mean["dice"]
    (answer,) = results.answers()
    assert answer.sentence.startswith("augmented against plain, noisy: Dice ")
    difference = results.values("augmented", "noisy", "dice") - results.values("plain", "noisy", "dice")
    assert answer.significance.mean == pytest.approx(difference.mean())


def test_a_condition_that_is_not_scored_yet_is_left_out(finished_experiment):
    folder = finished_experiment(conditions=("clean", "noisy"))
    (folder.cell("plain", 1).folder / "scores-noisy.json").unlink()
    results = Results(folder)
    assert results.summary("plain", "clean").seeds == (0, 1, 2)
    assert results.summary("plain", "noisy").seeds == (0, 2)
    assert results.values("plain", "noisy", "dice").shape == (2, 4)


def test_groups_come_from_the_dataset(finished_experiment):
    groups = list("aabbccddee")
    results = Results(finished_experiment(images=10, groups=groups))
    assert results.image_groups() == tuple(groups)
    found = results.answers()[0].significance
    assert (found.unit, found.groups, found.images) == ("group", 5, 10)
    assert "3 seeds, 10 images of 5 groups" in results.answers()[0].sentence


def test_time_points_belong_to_the_group_of_their_series(finished_experiment):
    folder = finished_experiment(images=3, groups=["a", "b", "b"])
    for path in folder.path.rglob("scores-*.json"):
        for number in range(3):
            name, text = f"image-{number}.png", path.read_text(encoding="utf-8")
            path.write_text(text.replace(name, f"{name}, time 2"), encoding="utf-8")
    results = Results(folder)
    assert results.image_names()[0] == "image-0.png, time 2"
    assert results.image_groups() == ("a", "b", "b")


def test_rows_of_images(by_hand):
    rows = Results(by_hand).image_rows()
    assert rows[0] == {
        "name": "image-0.png",
        "group": "image-0.png",
        "plain": pytest.approx(0.3),
        "augmented": pytest.approx(0.55),
    }
    assert len(rows) == 3


def test_published_numbers_belong_to_their_condition(finished_experiment):
    published = [
        Published(arm="plain", scores={"dice": 0.7}),
        Published(arm="plain", scores={"train_seconds": 39.8}),
        Published(arm="plain", condition="noisy", scores={"dice": 0.1}),
    ]
    results = Results(finished_experiment(conditions=("clean", "noisy"), published=published))
    assert results.summary("plain").published == {"dice": 0.7, "train_seconds": 39.8}
    assert results.summary("plain", "noisy").published == {"dice": 0.1}
    assert results.summary("augmented").published == {}


def test_the_threshold_of_a_condition_is_told(finished_experiment):
    conditions = {"own": Condition(), "low": Condition(threshold=0.1)}
    results = Results(finished_experiment(conditions=conditions))
    assert [results.summary("plain", name).threshold for name in conditions] == [0.5, 0.1]


def test_less_of_a_distance_is_better(finished_experiment):
    contrasts = [Contrast(better="augmented", than="plain", metric="mean_surface_distance")]
    folder = finished_experiment(images=8, contrasts=contrasts, main="mean_surface_distance")
    results = Results(folder)
    (answer,) = results.answers()
    assert answer.significance.mean < 0
    assert answer.significance.verdict == "better"
    assert "MSD −" in answer.sentence
    assert " pixel (95 % interval" in answer.sentence
    name, worst = results.summary("plain").worst
    values = results.values("plain", None, "mean_surface_distance").mean(axis=0)
    assert worst == pytest.approx(values.max())
    assert results.image_names()[int(values.argmax())] == name


def test_an_undefined_score_stays_undefined(by_hand):
    # Nothing is found of the first image: its distance is undefined for one seed.
    rescore(by_hand.cell("plain", 0), [0, 4, 6])
    results = Results(by_hand)
    distances = results.values("plain", None, "hausdorff95")
    assert np.isnan(distances).tolist() == [[True, False, False], [False, False, False]]
    rescore(by_hand.cell("plain", 0), [0, 0, 0])
    summary = Results(by_hand).summary("plain")
    assert math.isnan(summary.mean["hausdorff95"])
    assert summary.mean["recall"] == pytest.approx((0 + 0.6) / 2)


def test_files(finished_experiment):
    folder = finished_experiment(kind="instances", conditions=("clean", "noisy"), images=3)
    results = Results(folder)
    results.write()
    rows = table(folder.path / "results.csv")
    assert len(rows) == 2 * 3 * 2 * 3
    assert list(rows[0])[:5] == ["arm", "condition", "seed", "image", "group"]
    plain = [float(row["dice"]) for row in rows if (row["arm"], row["condition"]) == ("plain", "noisy")]
    assert np.mean(plain) == pytest.approx(results.summary("plain", "noisy").mean["dice"])
    assert {"mean_iou", "object_f1", "hausdorff95", "distance_units"} <= rows[0].keys()

    summaries = table(folder.path / "summary.csv")
    assert [(row["arm"], row["condition"]) for row in summaries][1] == ("plain", "noisy")
    assert float(summaries[1]["dice"]) == pytest.approx(np.mean(plain))
    assert float(summaries[1]["dice_std_over_seeds"]) > 0

    content = json.loads((folder.path / "results.json").read_text(encoding="utf-8"))
    assert content["complete"] is True
    assert content["experiment"]["name"] == "fake"
    assert [cell["seed"] for cell in content["cells"]] == [0, 0, 1, 1, 2, 2]
    assert content["machines"] == ["cpu (a small computer)"]
    assert content["dataset"]["test"] == {"images": 3, "groups": 3}
    assert content["summaries"][1]["mean"]["dice"] == pytest.approx(np.mean(plain))
    assert content["answers"][0]["significance"]["seeds"] == 3
    assert content["answers"][0]["sentence"] == results.answers()[0].sentence
    assert 0 < content["everything"]["clean"]["dice"] < 1
    assert [row["name"] for row in content["images"]["noisy"]] == list(results.image_names())


def test_undefined_values_are_empty_in_tables_and_null_in_json(by_hand):
    for cell in by_hand.cells:
        rescore(cell, [0, 0, 0])
    Results(by_hand).write()
    row = table(by_hand.path / "results.csv")[0]
    assert (row["hausdorff95"], row["recall"]) == ("", "0.0")
    assert table(by_hand.path / "summary.csv")[0]["hausdorff95"] == ""
    content = json.loads((by_hand.path / "results.json").read_text())
    assert content["summaries"][0]["mean"]["hausdorff95"] is None


def test_writing_again_replaces_the_files(finished_experiment):
    folder = finished_experiment(seeds=(0, 1))
    last = folder.cells[-1].folder / "cell.json"
    facts = last.read_text()
    last.unlink()
    Results(folder).write()
    before = len(table(folder.path / "results.csv"))
    last.write_text(facts)
    Results(folder).write()
    assert (before, len(table(folder.path / "results.csv"))) == (12, 16)


def test_the_same_images_are_required(by_hand):
    rescore(by_hand.cell("augmented", 1), [5, 6])
    with pytest.raises(InputError, match="augmented, seed 1, and plain, seed 0, were scored on different"):
        Results(by_hand)


def test_damaged_scores_are_named(by_hand):
    path = by_hand.cell("plain", 1).folder / "scores-test-images.json"
    path.write_text("{")
    with pytest.raises(InputError, match=r"scores-test-images\.json does not hold the scores"):
        Results(by_hand)


def test_images_that_the_dataset_does_not_list(by_hand):
    write_json(by_hand.path / "dataset.json", [], overwrite=True)
    with pytest.raises(ModelError, match=r"dataset\.json is damaged"):
        Results(by_hand).answers()


def test_results_need_no_torch(finished_experiment):
    folder = finished_experiment(arms=("only",), seeds=(0,))
    code = (
        "import sys; from pathlib import Path; from unetscope.experiments import ExperimentFolder;"
        "from unetscope.experiments.results import Results;"
        f"Results(ExperimentFolder(Path({str(folder.path)!r}))).write(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
