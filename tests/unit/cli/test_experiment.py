from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from unetscope.experiments import ExperimentFolder
from unetscope.experiments.documents import EXPERIMENTS

Call = Callable[..., Any]
TINY = {"network.depth": 1, "network.width": 2, "training.epochs": 1, "preprocess.crop": [32, 32]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An experiment of two arms and two seeds that trains in moments."""
    path = tmp_path / "mine.yaml"
    content = {
        "title": "Is a wider net better?",
        "material": {"images": 6, "test": 3, "split": {"validation": 0.3, "group": "file"}},
        "arms": {
            "narrow": {"recipe": "left-ventricle", "settings": TINY},
            "wide": {"recipe": "left-ventricle", "settings": {**TINY, "network.width": 4}},
        },
        "seeds": [0, 1],
        "contrasts": [{"better": "wide", "than": "narrow", "question": "Is wide better?"}],
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def test_an_experiment_from_a_file_ends_with_a_table_and_a_report(
    unetscope: Call, file: Path, samples: Path, tmp_path: Path
) -> None:
    code, out, err = unetscope(
        "experiment", file, samples / "heart", "--out", tmp_path / "out", "--device", "cpu"
    )
    assert code == 0, err
    assert "mine: Is a wider net better?" in err
    assert "4 trainings (2 arms × 2 seeds)" in err
    assert "3 to test" in err
    assert "[4/4] wide, seed 1: dice" in err
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["narrow", "wide"]
    assert "Is wide better?" in out or "wide" in out
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "Is a wider net better?" in report
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 2 * 2 * 3


def test_called_again_it_trains_nothing_and_tells_the_same(
    unetscope: Call, file: Path, samples: Path, tmp_path: Path
) -> None:
    command = ("experiment", file, samples / "heart", "--out", tmp_path / "out", "--device", "cpu", "--json")
    first = json.loads(unetscope(*command).out)
    _, out, err = unetscope(*command)
    assert "4 finished already" in err
    assert "epoch" not in err
    assert json.loads(out)["summaries"] == first["summaries"]


def test_arms_and_seeds_are_chosen(unetscope: Call, file: Path, samples: Path, tmp_path: Path) -> None:
    options = ("--arms", "wide", "--seeds", 7, "--device", "cpu")
    assert unetscope("experiment", file, samples / "heart", "--out", tmp_path / "out", *options).code == 0
    (cell,) = ExperimentFolder(tmp_path / "out").cells
    assert (cell.arm, cell.seed) == ("wide", 7)


def test_the_budget_in_minutes_is_said_before_it_is_spent(
    unetscope: Call, file: Path, samples: Path, tmp_path: Path
) -> None:
    options = ("--budget", 0.5, "--device", "cpu")
    _, _, err = unetscope("experiment", file, samples / "heart", "--out", tmp_path / "out", *options)
    assert "at most 0.5 minutes each, 2 in all" in err


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["retinna"], "there is no experiment 'retinna'; expected 'retina'", 4),
        (["left-ventricle", "--arms", "automatic"], "has no arm 'automatic'", 4),
        (["left-ventricle", "--budget", "plenty"], "the budget is 'plenty'", 4),
        (["missing.yaml"], "missing.yaml cannot be read", 4),
    ],
)
def test_mistakes_are_one_sentence(
    unetscope: Call, samples: Path, tmp_path: Path, *, arguments: list[str], message: str, code: int
) -> None:
    name, *options = arguments
    result = unetscope("experiment", name, samples / "heart", "--out", tmp_path / "out", *options)
    assert result.code == code
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_experiments_are_listed_and_shown(unetscope: Call) -> None:
    listed = unetscope("experiments").out
    assert [line.split()[0] for line in listed.splitlines()] == list(EXPERIMENTS)
    shown = yaml.safe_load(unetscope("experiments", "--show", "retina").out)
    assert shown["name"] == "retina"
    assert json.loads(unetscope("experiments", "--json").out).keys() == EXPERIMENTS.keys()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_that_is_shown_can_be_given_as_a_file(
    unetscope: Call, tmp_path: Path, name: str
) -> None:
    from unetscope.experiments import read_experiment
    from unetscope.experiments.documents import experiment

    path = tmp_path / "shown.yaml"
    path.write_text(unetscope("experiments", "--show", name).out, encoding="utf-8")
    assert read_experiment(path) == experiment(name)
