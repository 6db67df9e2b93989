from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from unetscope.errors import OutputError, RecipeError
from unetscope.experiments import Arm, Budget, Condition, Contrast, Experiment, ExperimentFolder, Material
from unetscope.experiments.run import ExperimentRun, Step, prepare_experiment
from unetscope.recipe.recipe import Split

TINY = {
    "network.depth": 1,
    "network.width": 2,
    "training.epochs": 2,
    "preprocess.crop": [32, 32],
    "training.patience": None,
}


def experiment(**changes: Any) -> Experiment:
    values: dict[str, Any] = {
        "name": "tiny",
        "material": Material(images=6, test=3, split=Split(validation=0.3, group="file")),
        "arms": {
            "one": Arm(recipe="left-ventricle", settings=TINY),
            "two": Arm(recipe="left-ventricle", settings={**TINY, "network.width": 3}),
        },
        "seeds": (0, 1),
    }
    return Experiment(**{**values, **changes})


@pytest.fixture
def data(samples: Path) -> Path:
    return samples / "heart"


def prepare(data: Path, out: Path, chosen: Experiment | None = None, **options: Any) -> ExperimentRun:
    return prepare_experiment(chosen or experiment(), data, out, device="cpu", **options)


def epochs_of(steps: list[Step]) -> int:
    return sum(step.record is not None for step in steps)


def test_every_cell_is_trained_and_scored(data: Path, tmp_path: Path) -> None:
    steps = list(prepare(data, tmp_path / "out"))
    folder = ExperimentFolder.open(tmp_path / "out")
    assert epochs_of(steps) == 8
    assert [step.done for step in steps if step.record is None] == [1, 2, 3, 4]
    assert folder.status() | {"pid": 0} == {
        "state": "finished", "message": "", "cell": None, "done": 4, "of": 4, "pid": 0, "device": "cpu",
    }  # fmt: skip
    for cell in folder.cells:
        facts, report = cell.facts(), cell.report("test images")
        assert (facts.epochs, facts.images, report.n) == (2, 3, 3)
        assert facts.training_images + facts.validation_images == 6
        assert list(cell.labels("test images")) == [score.name for score in report.scores]
        assert cell.run.recipe.seed == cell.seed


def test_all_cells_train_and_validate_on_the_same_images(data: Path, tmp_path: Path) -> None:
    list(prepare(data, tmp_path / "out"))
    splits = {
        json.dumps([(entry.name, entry.role) for entry in cell.run.data])
        for cell in ExperimentFolder(tmp_path / "out").cells
    }
    assert len(splits) == 1


def test_the_same_experiment_gives_the_same_scores(data: Path, tmp_path: Path) -> None:
    scores = []
    for name in ("a", "b"):
        list(prepare(data, tmp_path / name))
        cells = ExperimentFolder(tmp_path / name).cells
        scores.append([cell.report("test images").values for cell in cells])
    assert scores[0] == scores[1]


def test_an_interrupted_experiment_goes_on_and_ends_as_if_it_had_not_been(data: Path, tmp_path: Path) -> None:
    whole = list(prepare(data, tmp_path / "whole"))
    seen = []
    # Interrupted in the middle of the second cell, and then before each further epoch.
    for number in (3, 1, 2, 99):
        steps = iter(prepare(data, tmp_path / "out"))
        for _, step in zip(range(number), steps, strict=False):
            seen.append(step)
        steps.close()  # type: ignore[attr-defined]
        state = ExperimentFolder(tmp_path / "out").status()["state"]
        assert state == ("finished" if number == 99 else "stopped")
    finished = [ExperimentFolder(tmp_path / name).cells for name in ("whole", "out")]
    for first, second in zip(*finished, strict=True):
        assert first.report("test images").values == second.report("test images").values
        assert [r["train_loss"] for r in first.run.history()] == [
            r["train_loss"] for r in second.run.history()
        ]
    assert epochs_of(whole) == 8
    assert epochs_of(seen) <= 9


def test_finished_cells_are_not_run_again(data: Path, tmp_path: Path) -> None:
    list(prepare(data, tmp_path / "out"))
    assert list(prepare(data, tmp_path / "out")) == []


def test_another_arm_trains_alone(data: Path, tmp_path: Path) -> None:
    only = experiment().only(arms=["one"], seeds=[0])
    assert epochs_of(list(prepare(data, tmp_path / "out", only))) == 2
    assert epochs_of(list(prepare(data, tmp_path / "out"))) == 6
    # The first call's choice again: nothing is to do, and nothing is forgotten.
    assert list(prepare(data, tmp_path / "out", only)) == []
    assert len(ExperimentFolder(tmp_path / "out").cells) == 4


def test_a_question_that_was_changed_is_asked_anew_only(data: Path, tmp_path: Path) -> None:
    first = experiment(contrasts=(Contrast(better="two", than="one", metric="iou"),), seeds=(0,))
    list(prepare(data, tmp_path / "out", first))
    second = experiment(contrasts=(Contrast(better="two", than="one", metric="f1"),), seeds=(0,))
    assert list(prepare(data, tmp_path / "out", second)) == []
    assert ExperimentFolder(tmp_path / "out").experiment.contrasts == second.contrasts
    # One arm alone has no questions; those of the folder stay.
    prepare(data, tmp_path / "out", second.only(arms=["one"]))
    assert ExperimentFolder(tmp_path / "out").experiment.contrasts == second.contrasts


def test_another_condition_needs_no_training(data: Path, tmp_path: Path) -> None:
    list(prepare(data, tmp_path / "out"))
    more = {"test images": Condition(), "coarse": Condition(grid=(16, 16)), "noisy": Condition(noise=500)}
    steps = list(prepare(data, tmp_path / "out", experiment(conditions=more)))
    assert epochs_of(steps) == 0
    assert len(steps) == 4
    for cell in ExperimentFolder(tmp_path / "out").cells:
        assert cell.labels("coarse")[cell.report("coarse").scores[0].name].shape == (16, 16)
        assert cell.scored(more)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"arms": {"one": Arm(recipe="left-ventricle", settings=TINY | {"seed": 7})}}, "another experiment"),
        ({"material": Material(images=6, test=3)}, "another experiment or budget"),
    ],
)
def test_another_experiment_in_the_folder_is_refused(
    data: Path, tmp_path: Path, other: dict[str, Any], message: str
) -> None:
    one = experiment().only(arms=["one"], seeds=[0])
    list(prepare(data, tmp_path / "out", one))
    with pytest.raises(OutputError, match=message):
        prepare(data, tmp_path / "out", experiment(**other))
    changed = experiment(**other).only(arms=["one"], seeds=[0])
    assert epochs_of(list(prepare(data, tmp_path / "out", changed, overwrite=True))) == 2


def test_changed_images_are_refused(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    one = experiment().only(arms=["one"], seeds=[0])
    list(prepare(tmp_path / "data", tmp_path / "out", one))
    for mask in (tmp_path / "data" / "test").rglob("*.png"):
        mask.unlink()
        break
    with pytest.raises(OutputError, match="holds this experiment on other images"):
        prepare(tmp_path / "data", tmp_path / "out", one)


def test_a_training_that_breaks_down_does_not_end_the_others(data: Path, tmp_path: Path) -> None:
    broken = TINY | {"optimizer": {"kind": "sgd", "learning_rate": 1e30, "momentum": 0.0}}
    arms = {"broken": Arm(recipe="left-ventricle", settings=broken), "one": experiment().arms["one"]}
    list(prepare(data, tmp_path / "out", experiment(arms=arms, seeds=(0,))))
    broken_cell, cell = ExperimentFolder(tmp_path / "out").cells
    assert cell.finished
    if broken_cell.finished:
        assert "not a" in broken_cell.facts().note
    else:
        assert broken_cell.failure


def test_whoever_asks_for_a_stop_gets_it_after_an_epoch(data: Path, tmp_path: Path) -> None:
    run = prepare(data, tmp_path / "out")
    steps = []
    for step in run:
        steps.append(step)
        run.folder.request_stop()
    assert len(steps) == 1
    assert run.folder.status()["state"] == "stopped"
    assert epochs_of(list(prepare(data, tmp_path / "out"))) == 7


def test_calling_everything_the_object_scores_as_arithmetic_says(data: Path, tmp_path: Path) -> None:
    run = prepare(data, tmp_path / "out", experiment().only(arms=["one"], seeds=[0]))
    list(run)
    report = run.folder.everything("test images")
    assert report is not None
    for score, example in zip(report.scores, run.dataset.tests, strict=True):
        part = (example.mask.data > 0).mean()
        assert score.metrics["iou"] == pytest.approx(part)
        assert score.metrics["dice"] == pytest.approx(2 * part / (1 + part))


def test_the_budget_reaches_the_recipes(data: Path, tmp_path: Path) -> None:
    budgets = {"cpu": Budget(minutes=3, settings={"network.width": 2}, seeds=(4,)), "full": Budget()}
    settled = experiment(budgets=budgets).with_budget(default="cpu")
    assert settled.seeds == (4,)
    run = prepare(data, tmp_path / "out", experiment(budgets=budgets), budget="cpu")
    next(iter(run))
    recipe = run.folder.cells[0].run.recipe
    assert (recipe.training.minutes, recipe.network.width, recipe.training.epochs) == (3, 2, 2)
    assert experiment(budgets=budgets).with_budget("1.5").budget.minutes == 1.5
    with pytest.raises(RecipeError, match="one of cpu, full, or minutes"):
        experiment(budgets=budgets).with_budget("gpu")


def test_seeds_that_are_named_are_meant_whatever_a_budget_takes() -> None:
    budgets = {"cpu": Budget(minutes=1, seeds=(0,))}
    assert experiment(budgets=budgets).with_budget().seeds == (0,)
    assert experiment(budgets=budgets).only(seeds=[3, 4]).with_budget().seeds == (3, 4)
