"""The built-in experiments against what the five reports say, and against the data they are run on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unetscope.errors import RecipeError
from unetscope.evaluation import score_image
from unetscope.experiments import Experiment, read_experiment
from unetscope.experiments.dataset import examples_of, load_dataset
from unetscope.experiments.documents import EXPERIMENTS, describe_experiment, experiment
from unetscope.experiments.experiment import to_yaml
from unetscope.experiments.run import recipe_of
from unetscope.network import UNet
from unetscope.recipe import Recipe, change
from unetscope.recipe.presets import preset
from unetscope.recipe.recipe import Augmentation

NAMES = ["retina", "left-ventricle", "xray", "cells", "hela"]
PRESETS = {
    "retina": "retina-vessels",
    "left-ventricle": "left-ventricle",
    "xray": "xray-multiclass",
    "cells": "cell-semantic",
    "hela": "hela-border",
}
DATA = {
    "retina": "retina",
    "left-ventricle": "left-ventricle",
    "xray": "battery",
    "cells": "nuclei",
    "hela": "nuclei",
}
# Keys of a report's values and the two times: what a table of results knows.
SCORES = {
    "precision",
    "recall",
    "dice",
    "iou",
    "f1",
    "accuracy",
    "mean_iou",
    "mean_dice",
    "object_f1",
    "panoptic_quality",
}
TIMES = {"train_seconds", "predict_seconds"}


def recipes(name: str, budget: str) -> dict[str, Recipe]:
    """The recipes of all arms but auto, as they are trained within a budget."""
    chosen = experiment(name).with_budget(budget)
    return {
        arm: recipe_of(settings, (), chosen.budget, seed=0)
        for arm, settings in chosen.arms.items()
        if settings.recipe != "auto"
    }


def published(name: str, condition: str | None = None) -> dict[str, dict[str, float]]:
    found = experiment(name)
    return {
        each.arm: each.scores
        for each in found.published
        if found.condition(each.condition) == found.condition(condition)
    }


def test_the_experiments() -> None:
    assert list(EXPERIMENTS) == NAMES
    assert [experiment(name).name for name in NAMES] == NAMES
    assert len({experiment(name).title for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("function", [experiment, describe_experiment])
@pytest.mark.parametrize(
    ("name", "expected"),
    [("left_ventricle", "'left-ventricle'"), ("x-ray", "'xray'"), ("qqq", f"one of {', '.join(NAMES)}")],
)
def test_an_experiment_that_does_not_exist(function: Any, name: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        function(name)
    assert str(caught.value) == (
        f"there is no experiment {name!r}; expected {expected}: "
        "see `unetscope experiments`, or give a YAML file."
    )


@pytest.mark.parametrize("name", NAMES)
class TestEach:
    def test_is_described(self, name: str) -> None:
        title, blank, *rest = describe_experiment(name).splitlines()
        assert title == experiment(name).title
        assert len(title) < 120
        assert not title.endswith(".")
        assert blank == ""
        text = "\n".join(rest)
        assert text == experiment(name).document
        assert text.startswith("**The report**")
        assert "**Left open or wrong, and what is done here.**" in text
        assert f"`unetscope presets --show {PRESETS[name]}`" in text

    def test_survives_a_file(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / "written.yaml"
        path.write_text(to_yaml(experiment(name)), encoding="utf-8")
        assert read_experiment(path) == experiment(name)

    @pytest.mark.parametrize("budget", ["full", "cpu"])
    def test_every_arm_is_a_recipe_that_builds_a_network(self, name: str, budget: str) -> None:
        arms = recipes(name, budget).values()
        assert {recipe.name for recipe in arms} == {PRESETS[name]}
        sides = {r.network: (r.training.patch or r.preprocess.resize or (128,))[0] for r in arms}
        for settings, side in sides.items():
            with torch.device("meta"):
                network = UNet(settings, 1, 1)
            needed = network.valid_size(side)
            assert network(torch.empty((1, 1, needed, needed), device="meta")).shape[2] >= side

    def test_full_length_is_that_of_the_report(self, name: str) -> None:
        ours = preset(PRESETS[name])
        for recipe in recipes(name, "full").values():
            assert (recipe.training.epochs, recipe.training.minutes) == (ours.training.epochs, None)
            assert recipe.network.width == ours.network.width
            assert recipe.network.padding == ours.network.padding
            assert recipe.optimizer == ours.optimizer
        assert experiment(name).with_budget("full").seeds == experiment(name).seeds

    def test_the_budget_for_a_cpu_ends_by_the_clock_and_says_what_it_changes(self, name: str) -> None:
        budget = experiment(name).budgets["cpu"]
        assert budget.minutes is not None
        lengths = {f"{budget.minutes:g} minute", f"{60 * budget.minutes:g} seconds"}
        assert any(length in budget.about for length in lengths)
        changed = {
            "network.width": "16 feature channels",
            "network.padding": "padded convolutions",
            "training.patch": "128×128 pixels",
            "training.mixed_precision": "half precision",
        }
        for key in budget.settings.keys() & changed.keys():
            assert changed[key] in budget.about
        assert all(r.training.minutes == budget.minutes for r in recipes(name, "cpu").values())
        assert all(max(r.network.level_widths) <= 512 for r in recipes(name, "cpu").values())

    def test_auto_is_compared_with_the_report(self, name: str) -> None:
        found = experiment(name)
        assert found.arms["auto"].recipe == "auto"
        assert found.arms["auto"].noise == 0
        assert any(
            (each.better, found.condition(each.condition), each.metric)
            == ("auto", found.first_condition, found.main)
            for each in found.contrasts
        )

    def test_only_what_a_report_of_results_knows_is_asked(self, name: str) -> None:
        found = experiment(name)
        metrics = {found.main, *found.metrics, *(each.metric for each in found.contrasts)}
        assert metrics <= SCORES
        assert ("object_f1" in metrics) == (found.material.target.kind == "instances")
        assert found.main in found.metrics
        for each in found.published:
            assert each.scores.keys() <= SCORES | TIMES
            assert each.about

    def test_every_number_in_the_tables_of_its_text_is_published(self, name: str) -> None:
        text = experiment(name).document
        for each in experiment(name).published:
            for key, value in each.scores.items():
                if key not in TIMES:
                    forms = {f"{value:g}", f"{value:.1f}", f"{value:.3f}", f"{100 * value:.5g} %"}
                    assert any(form in text for form in forms), (key, value)

    def test_the_page_says_the_same(self, name: str) -> None:
        page = (Path(__file__).parents[3] / "docs" / "systems.md").read_text(encoding="utf-8")
        assert f"| `{name}` | `{PRESETS[name]}` |" in page
        tables = re.findall(r"^\|.*\d.*\|$", experiment(name).document, flags=re.MULTILINE)
        numbers = {number for row in tables for number in re.findall(r"\d+\.\d+", row)}
        assert {number for number in numbers if number not in page} == set()

    def test_questions_are_different(self, name: str) -> None:
        questions = [(each.question, each.metric) for each in experiment(name).contrasts]
        assert len(set(questions)) == len(questions)
        assert all(question.endswith("?") for question, _ in questions)


def test_retina_has_the_table_of_the_report() -> None:
    table = {
        "depth 2": {"dice": 0.28, "iou": 0.16},
        "depth 3": {"dice": 0.67, "iou": 0.5},
        "depth 4": {"dice": 0.28, "iou": 0.16},
        "depth 2 unscaled": {"dice": 0.0, "iou": 0.0},
        "depth 3 unscaled": {"dice": 0.28, "iou": 0.17},
        "depth 4 unscaled": {"dice": 0.0, "iou": 0.0},
    }
    assert published("retina") == published("retina", "above black") == table
    assert list(experiment("retina").arms) == [*table, "auto"]


def test_retina_changes_depth_and_normalization_only() -> None:
    arms = recipes("retina", "full")
    for depth in (2, 3, 4):
        scaled, unscaled = arms[f"depth {depth}"], arms[f"depth {depth} unscaled"]
        assert scaled.network.depth == depth
        assert scaled.preprocess.normalize == preset("retina-vessels").preprocess.normalize
        assert unscaled.preprocess.normalize.method == "none"
        assert change(unscaled, {"preprocess.normalize.method": "minmax"}) == scaled
        assert scaled.training == arms["depth 3"].training
    # Script 2.1: the convolutions of the encoder.
    assert arms["depth 4"].network.level_widths == (128, 256, 256, 512, 1024)
    assert arms["depth 3"].network.level_widths == (128, 256, 512, 1024)
    assert recipes("retina", "cpu")["depth 4"].network.level_widths == (16, 32, 64, 128, 256)


def test_retina_takes_as_many_steps_as_the_report() -> None:
    # 64 images in batches of 32.
    for recipe in recipes("retina", "full").values():
        assert recipe.training.samples == 64
        assert recipe.training.batch_size == 32


@pytest.mark.parametrize(
    ("file", "group"), [("Image_11L", "Image_11"), ("Image_11R", "Image_11"), ("21_a", "21_a")]
)
def test_retina_keeps_the_eyes_of_a_subject_together(file: str, group: str) -> None:
    pattern = experiment("retina").material.split.group.removeprefix("regex:")
    found = re.search(pattern, file)
    assert found is not None
    assert found.group(1) == group


@pytest.mark.parametrize("disk", [1.0, 0.8])
def test_calling_everything_vessel_scores_as_the_failed_nets_of_the_report(disk: float) -> None:
    """16 % vessels in what is called vessel: Dice 0.28 and IoU 0.16, whatever the network."""
    called = np.zeros((100, 100), dtype=np.uint8)
    called[: int(100 * disk)] = 1
    truth = np.zeros_like(called)
    truth.ravel()[: int(0.16 * called.sum())] = 1
    metrics = score_image("eye", truth, called, surface=False).metrics
    assert (round(metrics["dice"], 2), round(metrics["iou"], 2)) == (0.28, 0.16)
    assert (metrics["recall"], metrics["precision"]) == (1, metrics["iou"])


def test_above_black_is_half_a_gray_level() -> None:
    condition = experiment("retina").conditions["above black"]
    assert condition.threshold == pytest.approx(0.5 / 255, rel=0.03)
    assert condition.grid == (128, 128)


def test_left_ventricle_has_the_table_and_the_split_of_the_report() -> None:
    assert published("left-ventricle") == {
        "as published": {
            "precision": 0.7194,
            "recall": 0.8272,
            "dice": 0.7496,
            "iou": 0.6372,
            "train_seconds": 39.843,
            "predict_seconds": 1.072,
        }
    }
    assert experiment("left-ventricle").material.split == preset("left-ventricle").split
    text = experiment("left-ventricle").document
    for number in ("0.2540", "0.2398", "0.2169", "0.2233", "39.8 s", "1.07 s", "0.966", "0.7731"):
        assert number in text
    (recipe,) = recipes("left-ventricle", "full").values()
    assert recipe == preset("left-ventricle")


def test_xray_has_the_experiments_of_the_report() -> None:
    found = experiment("xray")
    assert published("xray") == {"baseline": {"mean_dice": 0.99105}, "5 images": {"mean_dice": 0.98667}}
    assert published("xray", "noisy") == {
        "noisy copies": {"mean_dice": 0.9908},
        "baseline": {"mean_dice": 0.6648},
    }
    assert found.arms["noisy copies"].noise == found.conditions["noisy"].noise == 5000
    # "Step of 5 until 25, step of 20 up to 105".
    sizes = [arm.images for arm in found.arms.values() if arm.images is not None]
    assert sizes == [*range(5, 26, 5), *range(45, 106, 20)]
    assert {arm.noise for arm in found.arms.values()} == {0, 5000}
    assert {each.than for each in found.contrasts if (each.better, each.condition) == ("auto", "noisy")} == {
        "baseline",
        "noisy copies",
    }


def test_the_noisy_images_of_the_xray_report_score_as_one_class_of_three() -> None:
    noisy = 2 * 66.48 - 99.105
    assert f"{noisy:.1f} %" in experiment("xray").document
    assert noisy == pytest.approx(100 / 3, abs=1)


def test_cells_differ_in_augmentation_only() -> None:
    arms = recipes("cells", "full")
    without, with_augmentation = arms["without augmentation"], arms["with augmentation"]
    assert without == preset("cell-semantic")
    assert with_augmentation.model_copy(update={"augmentation": Augmentation()}) == without
    changed = with_augmentation.augmentation
    assert (changed.flip, changed.rotation, changed.zoom) == (("Y", "X"), 15, 0.2)
    assert experiment("cells").first_condition == "at 64 × 64"
    assert experiment("cells").conditions["at 64 × 64"].grid == without.preprocess.resize


def test_hela_has_the_table_of_the_report() -> None:
    assert published("hela") == {
        "without augmentation": {"iou": 0.332, "f1": 0.605},
        "with augmentation": {"iou": 0.770, "f1": 0.891},
    }


def test_the_iou_and_f1_of_the_hela_report_are_not_means_over_the_same_masks() -> None:
    """A mean of 2J/(1+J), which is concave, is at most that of the mean."""
    for scores in published("hela").values():
        assert scores["f1"] > 2 * scores["iou"] / (1 + scores["iou"]) + 0.02
    text = experiment("hela").document
    assert f"{2 * 0.332 / 1.332:.2f}" in text
    assert f"{2 * 0.770 / 1.770:.2f}" in text


def test_hela_separates_the_gap_from_the_weights() -> None:
    arms = recipes("hela", "full")
    weights, gap = arms["with border weights"], arms["gap without border weights"]
    with_augmentation, without = arms["with augmentation"], arms["without augmentation"]
    assert weights == preset("hela-border")

    def unweighted(recipe: Recipe) -> Recipe:
        return recipe.model_copy(update={"loss": recipe.loss.model_copy(update={"border": None})})

    assert weights.loss.border is not None
    assert gap == unweighted(weights)
    # What the authors ran: cells against background, plain cross entropy.
    binary = gap.target.model_copy(update={"kind": "binary"})
    assert with_augmentation == gap.model_copy(update={"target": binary})
    assert without == with_augmentation.model_copy(update={"augmentation": Augmentation()})
    ours = experiment("hela").arms["auto"]
    assert ours.settings == {"target.kind": "instances"}


def _enough(found: Experiment, data: Path) -> tuple[int, int, int]:
    dataset = load_dataset(data, found.material)
    for arm in found.arms.values():
        for seed in found.seeds:
            examples_of(dataset, arm, seed=seed)
    assert dataset.left_out == ()
    return len(dataset.of("training")), len(dataset.of("validation")), len(dataset.tests)


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("left-ventricle", (44, 12, 40)),
        ("xray", (112, 32, 64)),
        ("cells", (40, 10, 50)),
        ("hela", (107, 27, 34)),
        ("retina", (16, 4, 8)),
    ],
)
def test_the_data_at_hand_is_enough(name: str, images: tuple[int, int, int], real_data: Path) -> None:
    assert _enough(experiment(name), real_data / DATA[name]) == images


def test_no_ventricle_reaches_beyond_the_center_that_is_scored_in_the_report(real_data: Path) -> None:
    found = experiment("left-ventricle")
    for example in load_dataset(real_data / DATA["left-ventricle"], found.material).tests:
        mask = np.asarray(example.mask.data) > 0
        top, left = (length // 2 - 64 for length in mask.shape)
        assert mask[top : top + 128, left : left + 128].sum() == mask.sum() > 0
