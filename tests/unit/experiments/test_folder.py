from __future__ import annotations

import json

import numpy as np
import pytest

from unetscope.errors import InputError, ModelError
from unetscope.experiments import Cell, ExperimentFolder

from .fake import SIZE, make_experiment, name_of, picture, write_experiment

MAIN = "test images"


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(ModelError, match="is not the folder of an experiment"):
        ExperimentFolder.open(tmp_path)


def test_what_is_written_is_read(tmp_path):
    experiment = make_experiment(("plain", "with noise"), seeds=(3, 5))
    folder = ExperimentFolder.open(write_experiment(tmp_path / "out", experiment, images=3).path)
    assert folder.experiment == experiment
    assert [(cell.arm, cell.seed) for cell in folder.cells] == [
        ("plain", 3),
        ("with noise", 3),
        ("plain", 5),
        ("with noise", 5),
    ]
    assert list(folder.finished()) == folder.cells
    assert folder.cell("with noise", 5).folder == tmp_path / "out" / "cells" / "with-noise" / "seed-5"
    assert folder.status()["state"] == "finished"
    assert [entry["role"] for entry in folder.images].count("test") == 3
    cell = folder.cells[0]
    assert (cell.facts().arm, cell.facts().seed, cell.facts().images) == ("plain", 3, 3)
    assert len(cell.run.history()) == cell.facts().epochs
    assert (cell.begun, cell.finished, cell.scored([MAIN]), cell.scored([MAIN, "x"])) == (
        True,
        True,
        True,
        False,
    )


def test_scores_and_labels_come_back(finished_experiment):
    folder = finished_experiment(kind="instances", conditions=("clean", "very noisy"), images=3)
    cell = folder.cells[-1]
    clean, noisy = cell.report("clean"), cell.report("very noisy")
    assert [score.name for score in clean.scores] == [name_of(index) for index in range(3)]
    assert clean.mean["dice"] > noisy.mean["dice"]
    assert clean.scores[0].objects is not None
    labels = cell.labels("clean")
    assert list(labels) == [name_of(index) for index in range(3)]
    # The labels are those that were scored.
    for score in clean.scores:
        _, truth = picture(folder.experiment, int(score.name.removeprefix("image-").removesuffix(".png")))
        predicted = labels[score.name]
        assert (predicted.shape, predicted.dtype) == ((SIZE, SIZE), np.uint8)
        assert score.counts[1].tp == np.count_nonzero((truth > 0) & (predicted > 0))


def test_labels_of_any_name_size_and_type(finished_experiment):
    cell = finished_experiment(images=2).cells[0]
    labels = {
        "a/b c.png": np.arange(6, dtype=np.uint16).reshape(2, 3),
        "σ": np.zeros((2, 3, 4), np.int32),
        "names": np.ones((1, 1), bool),
    }
    cell.write_scores(MAIN, cell.report(MAIN), labels)
    read = cell.labels(MAIN)
    assert list(read) == list(labels)
    for name, array in labels.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def test_an_unfinished_experiment(finished_experiment):
    folder = finished_experiment(finished=1)
    first, second, third, *_ = folder.cells
    assert (first.finished, second.finished, third.finished) == (True, False, False)
    assert (first.begun, second.begun, third.begun) == (True, True, False)
    assert folder.status()["cell"] == {"arm": second.arm, "seed": second.seed}
    assert [cell.arm for cell in folder.finished()] == [first.arm]


def test_the_scores_of_calling_everything_the_object(finished_experiment):
    folder = finished_experiment(images=3)
    report = folder.everything(MAIN)
    assert report.n == 3
    assert report.mean["recall"] == 1
    assert finished_experiment(kind="multiclass").everything(MAIN) is None


def test_a_training_that_broke_down(finished_experiment):
    cell = finished_experiment(finished=1).cells[1]
    assert cell.failure == ""
    cell.forget_failure()
    assert cell.begun
    cell.fail("the loss is not a number.")
    assert cell.failure == "the loss is not a number."
    cell.forget_failure()
    assert (cell.failure, cell.folder.exists()) == ("", False)


def test_all_is_forgotten(finished_experiment):
    folder = finished_experiment()
    folder.clear()
    assert (list(folder.finished()), folder.status(), folder.everything(MAIN)) == ([], {}, None)
    assert folder.experiment.name == "fake"
    with pytest.raises(ModelError, match=r"dataset\.json is damaged"):
        _ = folder.images


def damage(path, how):
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "half": content[: len(content) // 2],
            "other": b"[1, 2]",
            "garbled": content[:60] + bytes(40) + content[100:],
            "no JSON": b"{",
        }[how]
    )


@pytest.mark.parametrize("how", ["empty", "half", "other", "garbled"])
def test_damaged_labels(finished_experiment, how):
    cell: Cell = finished_experiment().cells[0]
    damage(cell.folder / "labels-test-images.npz", how)
    with pytest.raises(ModelError, match=r"labels-test-images\.npz is damaged"):
        cell.labels(MAIN)


def test_missing_labels(finished_experiment):
    with pytest.raises(ModelError, match=r"labels-other\.npz is damaged"):
        finished_experiment().cells[0].labels("other")


@pytest.mark.parametrize("how", ["empty", "half", "other"])
def test_damaged_facts_and_scores(finished_experiment, how):
    cell: Cell = finished_experiment().cells[0]
    damage(cell.folder / "cell.json", how)
    with pytest.raises(ModelError, match=r"cell\.json is damaged"):
        cell.facts()
    damage(cell.folder / "scores-test-images.json", how)
    with pytest.raises(InputError, match=r"scores-test-images\.json does not hold the scores"):
        cell.report(MAIN)


@pytest.mark.parametrize("text", ["", "{", "7", "[7]", "{}x", json.dumps([{"name": "a"}])])
def test_a_damaged_list_of_images(finished_experiment, text):
    folder = finished_experiment()
    (folder.path / "dataset.json").write_text(text)
    with pytest.raises(ModelError, match=r"dataset\.json is damaged"):
        _ = folder.images
