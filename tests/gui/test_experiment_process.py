"""Experiments without a window: what may be compared, how far it is, and the process that does it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import pytest

from unetscope._napari.dataset.dataset import Dataset
from unetscope._napari.experiments import choices
from unetscope._napari.experiments.begin import (
    Data,
    Request,
    command_to_go_on,
    copies_of,
    is_taken,
    known_data,
    parent_of,
    prepare,
    recipe_path,
)
from unetscope._napari.experiments.cells import ExperimentWatcher, progress_sentence
from unetscope._napari.experiments.choices import CUSTOM, Choice
from unetscope._napari.experiments.process import ExperimentProcess
from unetscope._napari.experiments.recent import Recent
from unetscope.errors import InputError, ModelError, RecipeError, TrainingError
from unetscope.experiments import Arm, Budget, ExperimentFolder, read_experiment
from unetscope.experiments.documents import EXPERIMENTS
from unetscope.experiments.experiment import to_yaml as experiment_to_yaml
from unetscope.io import find_pairs
from unetscope.recipe import Recipe, change, to_yaml
from unetscope.recipe.recipe import Target
from unit.experiments.fake import history, make_experiment, write_experiment

PATIENCE = 240_000  # ms: on a busy machine a process of low priority waits long
TINY = {"network.depth": 1, "network.width": 2, "training.samples": 4, "training.batch_size": 2}


def silent(done: int, total: int, text: str) -> None:
    pass


def watch(folder: ExperimentFolder) -> ExperimentWatcher:
    watcher = ExperimentWatcher(folder, begun=True)
    watcher.new_status()
    watcher.new_states()
    return watcher


def append(folder: ExperimentFolder, arm: str, seed: int, *epochs: int, seconds: float = 2.0) -> None:
    with folder.cell(arm, seed).run.history_path.open("a", encoding="utf-8") as file:
        for epoch in epochs:
            record = {**history(0, epoch)[-1], "seconds": seconds * epoch, "val_dice": 0.9, "best": True}
            file.write(json.dumps(record) + "\n")


def test_a_finished_experiment_is_known_at_once(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0, 1)))
    watcher = watch(folder)
    assert [state.key for state in watcher.states] == [(cell.arm, cell.seed) for cell in folder.cells]
    assert {state.state for state in watcher.states} == {"done"}
    facts = folder.cell("augmented", 1).facts()
    state = watcher.states[-1]
    assert (state.epoch, state.dice) == (facts.epochs, facts.validation_dice)
    assert state.seconds == pytest.approx(facts.train_seconds + facts.predict_seconds)
    assert state.words() == "done"
    assert state.words(0.81249) == "0.812"
    assert watcher.complete
    assert watcher.seconds_left() is None
    assert watcher.new_states() == []
    assert progress_sentence(watcher) == "Finished · 4 of 4 trainings done"


def test_a_training_is_followed_epoch_by_epoch(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0, 1)), finished=2)
    watcher = watch(folder)
    assert [state.state for state in watcher.states] == ["done", "done", "training", "waiting"]
    assert watcher.current == ("plain", 1)
    assert not watcher.complete
    assert watcher.states[2].words().startswith("epoch 2 · 0.")
    append(folder, "plain", 1, 3)
    (changed,) = watcher.new_states()
    assert (changed.key, changed.epoch, changed.dice) == (("plain", 1), 3, 0.9)
    assert [record["epoch"] for record in watcher.history(("plain", 1))] == [1, 2, 3]
    # A training that goes on writes its history anew.
    path = folder.cell("plain", 1).run.history_path
    path.with_name("new").write_text(path.read_text().splitlines()[0] + "\n")
    path.with_name("new").replace(path)
    append(folder, "plain", 1, 2)
    watcher.new_states()
    assert [record["epoch"] for record in watcher.history(("plain", 1))] == [1, 2]
    folder.write_status(state="scoring")
    watcher.new_status()
    (changed,) = watcher.new_states()
    assert changed.words() == "scoring, epoch 2"
    folder.write_status(state="stopped", cell=None)
    watcher.new_status()
    (changed,) = watcher.new_states()
    assert changed.words() == "stopped, epoch 2"
    assert progress_sentence(watcher) == "Stopped · 2 of 4 trainings done"


def test_time_left_is_that_of_the_same_arm(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0, 1)), finished=2)
    # Seed 0 took 10 + 0.5 s and 20 + 0.5 s; of seed 1 one has trained 4 s.
    assert watch(folder).seconds_left() == pytest.approx(10.5 - 4 + 20.5)
    assert progress_sentence(watch(folder)).endswith("about 25 s left")


def test_before_anything_is_done_the_budget_tells_the_time(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0, 1)), finished=0)
    recipe = change(Recipe(), {"training.epochs": 10})
    (folder.cell("plain", 0).run.path / "recipe.yaml").write_text(to_yaml(recipe))
    # 10 epochs of 2 s, four times; 4 s are over.
    assert watch(folder).seconds_left() == pytest.approx(4 * 20 - 4)


def test_a_training_that_broke_down_is_no_time_to_come(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0, 1)), finished=2)
    broken = folder.cell("augmented", 1)
    broken.folder.mkdir(parents=True)
    broken.fail("the loss became nan")
    watcher = watch(folder)
    assert (watcher.states[3].state, watcher.states[3].reason) == ("failed", "the loss became nan")
    assert watcher.states[3].words() == "failed"
    assert watcher.seconds_left() == pytest.approx(10.5 - 4)
    assert "1 failed" in progress_sentence(watcher)


def test_of_an_experiment_that_goes_on_nothing_is_told_before_it_says_something(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0, 1)), finished=2)
    watcher = ExperimentWatcher(folder, begun=False)
    assert watcher.new_status() is None
    assert watcher.new_states() == []
    folder.write_status(state="preparing")
    watcher.new_status()
    assert len(watcher.new_states()) == 4


def test_arms_that_were_added_later_are_known(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0,)))
    assert len(folder.cells) == 2
    more = make_experiment(("plain", "augmented", "third"), seeds=(0,))
    (folder.path / "experiment.yaml").write_text(experiment_to_yaml(more))
    # `folder` remembers the experiment as it was.
    assert [state.arm for state in watch(folder).states] == ["plain", "augmented", "third"]


def test_a_status_that_names_no_cell_is_refused(tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "out", finished=1)
    folder.write_status(cell={"arm": "plain"})
    with pytest.raises(ModelError, match="names no cell"):
        watch(folder)


def test_the_cost_is_told_beforehand() -> None:
    arms = {name: choices.recipes()[name] for name in ("auto", "left-ventricle", "cell-semantic")}
    choice = Choice(CUSTOM, arms, (0, 1, 2), minutes=3)
    assert choices.cost(choice).startswith("9 trainings (3 recipes × 3 seeds), at most 27 min;")
    without = Choice(CUSTOM, {"a": arms["left-ventricle"]}, (0,))
    assert choices.cost(without) == "1 training (1 recipe × 1 seed); each takes as long as its epochs."
    mixed = Choice(CUSTOM, arms, (0,))
    assert "2 as long as their epochs take, the others at most 10 min" in choices.cost(mixed)
    assert "tick at least one" in choices.cost(Choice(CUSTOM))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_cost_of_each_built_in_budget_is_known(name: str) -> None:
    experiment = choices.built_in(name)
    for budget, limits in experiment.budgets.items():
        seeds = limits.seeds or experiment.seeds
        words = choices.cost(Choice(name, experiment.arms, seeds, budget))
        assert words.startswith(f"{len(experiment.arms) * len(seeds)} trainings")
        if limits.minutes is not None:
            assert "at most" in words


def test_the_command_names_what_was_chosen() -> None:
    arms = dict(list(choices.built_in("retina").arms.items())[:2])
    choice = Choice("retina", arms, (0, 4), "cpu")
    words = choices.command(choice, "retina", Path("my images"), Path("out"), test=Path("t"), all_arms=7)
    expected = "unetscope experiment retina 'my images' --out out --budget cpu --seeds 0 4 --arms"
    assert choices.as_text(words) == f"{expected} {shlex.join(arms)} --test t"
    minutes = Choice("retina", arms, (0,), minutes=0.5)
    assert choices.command(minutes, "retina", Path("d"), Path("o"), all_arms=2)[3:] == [
        *("--out", "o", "--budget", "0.5", "--seeds", "0")
    ]


def test_a_comparison_is_a_file_that_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(to_yaml(Recipe()))
    arms = choices.recipes()
    arms |= [choices.recipe_file(tmp_path / "mine.yaml", arms)]
    arms |= [choices.recipe_file(tmp_path / "mine.yaml", arms)]
    changes = {"training.minutes": 5.0, "preprocess.crop": (64, 64)}
    arms |= [choices.current_recipe("left-ventricle", changes, arms)]
    chosen = {name: arms[name] for name in ("auto", "mine", "mine 2", "left-ventricle, as in 3 Train")}
    strokes = Target(kind="multiclass", ignore=0, background=1)
    made = choices.comparison(Choice(CUSTOM, chosen, (0, 1)), strokes, name="which")
    (tmp_path / "which.yaml").write_text(experiment_to_yaml(made))
    read = read_experiment(tmp_path / "which.yaml")
    assert read.to_dict() == made.to_dict()
    assert read.material.target == strokes
    assert read.arms["auto"].settings == {
        "target.ignore": 0,
        "target.background": 1,
        "target.kind": "multiclass",
    }
    assert read.arms["mine"].recipe == str(tmp_path / "mine.yaml")
    # All have the same minutes; what else was changed counts.
    assert "training.minutes" not in read.arms["left-ventricle, as in 3 Train"].settings
    assert read.arms["left-ventricle, as in 3 Train"].settings["preprocess.crop"] == [64, 64]
    assert [(c.better, c.than) for c in read.contrasts] == [(name, "auto") for name in list(chosen)[1:]]
    assert read.main == "dice"
    cells = choices.comparison(Choice(CUSTOM, chosen), Target(kind="instances"), name="cells")
    assert (cells.main, cells.contrasts[0].metric) == ("object_f1", "object_f1")
    with pytest.raises(RecipeError, match="no recipe is chosen"):
        choices.comparison(Choice(CUSTOM), strokes, name="none")


def test_what_is_no_recipe_cannot_be_compared(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("network: {deepness: 3}")
    with pytest.raises(RecipeError, match=r"network\.deepness"):
        choices.recipe_file(tmp_path / "broken.yaml", ())


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten small images with a square in each."""
    rng = np.random.default_rng(0)
    for i in range(10):
        mask = np.zeros((32, 32), np.uint8)
        mask[4 + i : 16 + i, 6:20] = 255
        image = (60 + mask * 0.4 + rng.normal(0, 10, mask.shape)).astype(np.uint8)
        for name, array in (("images", image), ("masks", mask)):
            (tmp_path / "squares" / name).mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(array).save(tmp_path / "squares" / name / f"square_{i}.png")
    return tmp_path / "squares"


def request(
    tmp_path: Path,
    data: Data,
    *,
    epochs: int = 2,
    arms: tuple[str, ...] = ("a", "b"),
    last: int | None = None,
) -> Request:
    """A comparison of networks that learn nothing, but quickly; the last arm may take other epochs."""
    recipe = change(Recipe(), {**TINY, "training.epochs": epochs})
    (tmp_path / "tiny.yaml").write_text(to_yaml(recipe))
    compared = {name: Arm(recipe=str(tmp_path / "tiny.yaml")) for name in arms}
    if last is not None:
        changed = {"settings": {"training.epochs": last}}
        compared[arms[-1]] = compared[arms[-1]].model_copy(update=changed)
    choice = Choice(CUSTOM, compared, (0,), minutes=5)
    return Request(choice, len(arms), data, tmp_path / "out" / "squares-1", Target(), planned=False)


def test_dataset_and_comparison_are_written_beside_the_folder(tmp_path: Path, images: Path) -> None:
    wanted = request(tmp_path, Data(Dataset.of_pairing(find_pairs(images))))
    out = wanted.out
    assert not is_taken(out)
    command = prepare(wanted, silent)
    assert command[:5] == [
        "experiment",
        str(recipe_path(out)),
        str(copies_of(out) / "pairs.csv"),
        "--out",
        str(out),
    ]
    assert list(read_experiment(recipe_path(out)).arms) == ["a", "b"]
    assert len(find_pairs(copies_of(out) / "pairs.csv").usable()) == 10
    assert not out.exists()
    assert is_taken(out)
    assert known_data(out) == Data(folder=copies_of(out) / "pairs.csv")


def test_how_masks_are_read_is_planned_from_the_images(tmp_path: Path, images: Path) -> None:
    for number, path in enumerate(sorted((images / "masks").iterdir())):
        mask = np.zeros((32, 32), np.uint8)
        mask[2:12], mask[20:28] = 1, 2
        mask[0, number] = 1
        PIL.Image.fromarray(mask).save(path)
    wanted = request(tmp_path, Data(folder=images))
    planned = Request(wanted.choice, 2, wanted.data, wanted.out, Target(), planned=True)
    prepare(planned, silent)
    target = read_experiment(recipe_path(wanted.out)).material.target
    assert (target.kind, target.values) == ("multiclass", (0, 1, 2))


def test_images_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images"):
        Data().check()
    with pytest.raises(InputError, match="does not exist"):
        Data(folder=tmp_path / "nothing").check()
    with pytest.raises(InputError, match="nothing does not exist"):
        Data(folder=tmp_path, test=tmp_path / "nothing").check()


def test_experiments_go_beside_their_images(tmp_path: Path, images: Path) -> None:
    place = tmp_path / "unetscope-experiments"
    assert parent_of(Data(folder=images), tmp_path / "documents") == place
    assert parent_of(Data(Dataset.of_pairing(find_pairs(images))), tmp_path / "documents") == place
    assert parent_of(Data(), tmp_path / "d").is_relative_to(tmp_path / "d")


def test_the_command_to_go_on_repeats_the_budget(tmp_path: Path) -> None:
    experiment = make_experiment(seeds=(3, 5), budgets={"0.5 minutes": Budget(minutes=0.5)})
    folder = write_experiment(tmp_path / "out", experiment, finished=1)
    words = command_to_go_on(folder.path, Data(folder=tmp_path / "d", test=tmp_path / "t"))
    assert words == [
        *("experiment", str(folder.path / "experiment.yaml"), str(tmp_path / "d"), "--out", str(folder.path)),
        *("--budget", "0.5 minutes", "--seeds", "3", "5", "--test", str(tmp_path / "t")),
    ]
    with pytest.raises(ModelError, match="is not the folder of an experiment"):
        command_to_go_on(tmp_path, Data(folder=tmp_path))


def test_recent_experiments_remember_their_images(tmp_path: Path) -> None:
    recent = Recent()
    for number in range(12):
        (tmp_path / str(number)).mkdir()
        recent.add(tmp_path / str(number), Data(folder=tmp_path / f"images {number}"))
    recent.add(tmp_path / "7")
    again = Recent(json.loads(json.dumps(recent.settings())))
    assert [folder.name for folder in again.folders] == ["7", "11", "10", "9", "8", "6", "5", "4"]
    assert again.data_of(tmp_path / "7") == Data(folder=tmp_path / "images 7")
    assert again.data_of(tmp_path / "elsewhere") is None
    (tmp_path / "7").rmdir()
    assert again.folders[0].name == "11"
    assert Recent([["only one"], 3, None]).settings() == []


@pytest.fixture
def process(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A process, and what it told."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    work = ExperimentProcess()
    told = SimpleNamespace(work=work, states=[], changes=0, scored=0, failures=[], ends=[])

    def count_changes() -> None:
        told.changes += 1

    def count_scored() -> None:
        told.scored += 1

    work.status_changed.connect(lambda status: told.states.append(status["state"]))
    work.cells_changed.connect(count_changes)
    work.scored.connect(count_scored)
    work.failed.connect(told.failures.append)
    work.ended.connect(told.ends.append)
    yield told
    work.close()


def test_an_experiment_elsewhere_is_watched_to_its_end(
    qtbot: Any, process: SimpleNamespace, tmp_path: Path
) -> None:
    folder = write_experiment(tmp_path / "out", make_experiment(seeds=(0, 1)), finished=2)
    process.work.watch(folder.path)
    qtbot.waitUntil(lambda: process.changes == 1)
    assert process.scored == 1
    assert not process.work.running
    append(folder, "plain", 1, 3)
    qtbot.waitUntil(lambda: process.changes == 2)
    process.work.stop()
    assert folder.stop_requested
    with qtbot.waitSignal(process.work.ended):
        folder.write_status(state="finished", cell=None)
    assert (process.states, process.ends, process.failures) == (["training", "finished"], ["finished"], [])
    assert process.scored == 1


def test_a_failure_elsewhere_is_told(qtbot: Any, process: SimpleNamespace, tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "out", finished=1)
    folder.write_status(state="failed", message="There is no room on the disk.", cell=None)
    with qtbot.waitSignal(process.work.ended):
        process.work.watch(folder.path)
    assert (process.failures, process.ends) == (["There is no room on the disk."], ["failed"])


def test_damage_ends_the_watching(qtbot: Any, process: SimpleNamespace, tmp_path: Path) -> None:
    folder = write_experiment(tmp_path / "out", finished=1)
    folder.cells[1].run.history_path.write_text("nonsense\n")
    with qtbot.waitSignal(process.work.ended):
        process.work.watch(folder.path)
    assert "history.jsonl is damaged" in process.failures[0]


def test_what_is_no_experiment_is_not_watched(process: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not the folder of an experiment"):
        process.work.watch(tmp_path)
    with pytest.raises(TrainingError, match="no experiment was started"):
        process.work.stop()


def test_what_cannot_begin_is_said_in_one_sentence(
    qtbot: Any, process: SimpleNamespace, tmp_path: Path
) -> None:
    with qtbot.waitSignal(process.work.ended, timeout=PATIENCE):
        process.work.start(
            tmp_path / "out", ["experiment", "retinas", str(tmp_path), "--out", str(tmp_path / "out")]
        )
    assert process.ends == ["failed"]
    assert "there is no experiment 'retinas'" in process.failures[0]
    assert "\n" not in process.failures[0]


def test_stopped_and_gone_on_with_nothing_is_trained_twice(
    qtbot: Any, process: SimpleNamespace, images: Path, tmp_path: Path
) -> None:
    # So many that even a fast machine is still at it when it is asked to stop.
    wanted = request(tmp_path, Data(Dataset.of_pairing(find_pairs(images))), last=300)
    work, out = process.work, wanted.out
    work.start(out, prepare(wanted, silent))
    with pytest.raises(TrainingError, match="an experiment is running already"):
        work.start(out, [])
    qtbot.waitUntil(lambda: process.scored == 1 or bool(process.failures), timeout=PATIENCE)
    with qtbot.waitSignal(work.ended, timeout=PATIENCE):
        work.stop()
    assert (process.ends, process.failures) == (["stopped"], [])
    folder = ExperimentFolder.open(out)
    first, second = folder.cells
    assert (first.finished, second.finished) == (True, False)
    before = (first.run.path / "model.safetensors").stat().st_mtime_ns
    data = known_data(out)
    assert data is not None
    with qtbot.waitSignal(work.ended, timeout=PATIENCE):
        work.start(out, command_to_go_on(out, data))
    assert (process.ends, process.failures) == (["stopped", "finished"], [])
    assert (first.run.path / "model.safetensors").stat().st_mtime_ns == before
    assert work.watcher.complete
    assert (out / "report.html").is_file()


def test_closing_ends_the_child_and_keeps_what_is_done(
    qtbot: Any, process: SimpleNamespace, images: Path, tmp_path: Path
) -> None:
    wanted = request(tmp_path, Data(folder=images), epochs=100_000, arms=("a",))
    process.work.start(wanted.out, prepare(wanted, silent))
    qtbot.waitUntil(
        lambda: any(state.epoch for state in process.work.watcher.states) or bool(process.failures),
        timeout=PATIENCE,
    )
    assert process.failures == []
    process.work.close()
    assert not process.work.running
    folder = ExperimentFolder.open(wanted.out)
    assert folder.status()["state"] == "stopped"
    assert folder.cells[0].run.model_path.is_file()
