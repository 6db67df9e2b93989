from __future__ import annotations

import pytest

from unetscope.errors import RecipeError
from unetscope.experiments import Arm, Budget, Condition, Contrast, Experiment, Published, read_experiment
from unetscope.experiments.experiment import from_dict, slug, to_yaml

from .fake import make_experiment

ARMS = {"a": {}, "b": {"settings": {"network.depth": 2}}}


def refused(match, **values):
    with pytest.raises(RecipeError, match=match):
        from_dict({"name": "x", "arms": ARMS, **values})


def test_a_file_needs_no_more_than_arms(tmp_path):
    path = tmp_path / "depth.yaml"
    path.write_text("arms:\n  shallow: {settings: {network.depth: 2}}\n  deep: {recipe: auto}\n")
    experiment = read_experiment(path)
    assert experiment.name == "depth"
    assert list(experiment.arms) == ["shallow", "deep"]
    assert experiment.arms["shallow"] == Arm(settings={"network.depth": 2})
    assert experiment.first_condition == "test images"
    assert experiment.condition(None) == "test images"
    assert experiment.condition("other") == "other"


def test_long_texts_are_written_as_a_person_would():
    text = to_yaml(Experiment(name="x", document="First line.\n\nSecond: line.\n", arms={"a": Arm()}))
    assert "document: |\n  First line.\n\n  Second: line.\n" in text


def test_recipes_are_looked_for_beside_the_file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("arms:\n  mine: {recipe: recipes/mine.yml}\n  preset: {recipe: retina-vessels}\n")
    arms = read_experiment(path).arms
    assert arms["mine"].recipe == str((tmp_path / "recipes" / "mine.yml").resolve())
    assert arms["preset"].recipe == "retina-vessels"


def test_yaml_gives_it_back(tmp_path):
    experiment = Experiment(
        name="all",
        title="Does: it # help?",
        document="# Heading\n\nβ, *σ* and “quotes”: `- item`\n",
        arms={"no": Arm(settings={"augmentation.flip": [], "network.depth": 3}, noise=5000, images=5)},
        conditions={"at 64 × 64": Condition(grid=(64, 48)), "low": Condition(threshold=0.002)},
        seeds=(3, 1),
        published=(Published(arm="no", scores={"dice": 0.28, "train_seconds": 39.8}, about="Table 2"),),
        budgets={"cpu": Budget(minutes=2, settings={"network.width": 16}, seeds=(3,))},
        figures=("noise",),
    )
    path = tmp_path / "file.yaml"
    path.write_text(to_yaml(experiment), encoding="utf-8")
    assert read_experiment(path) == experiment


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", "holds no experiment; expected at least arms"),
        ("arms: {a: {}\n", "is not valid YAML"),
        ("title: x\n", "arms in broken.yaml: Field required"),
        ("arms: {}\n", "arms in broken.yaml: .* at least 1"),
        ("arms: {a: {setings: {}}}\n", "arms.a.setings in broken.yaml: Extra inputs are not permitted"),
        ("arms: {a: {}}\nseed: 1\n", "seed in broken.yaml: Extra inputs"),
        ("arms: {a: {images: 0}}\n", "arms.a.images in broken.yaml: .*greater than or equal to 1"),
        ("arms: {a: {}}\nseeds: [-1]\n", "seeds.0 in broken.yaml"),
        ("arms: {a: {}}\nseeds: []\n", "seeds in broken.yaml"),
        ("arms: {a: {}}\nconditions: {c: {threshold: 1.5}}\n", "conditions.c.threshold in broken.yaml"),
        ("arms: {a: {noise: .inf}}\n", "arms.a.noise in broken.yaml"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message) as caught:
        read_experiment(path)
    assert "\n" not in str(caught.value)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot be read \(No such file"):
        read_experiment(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match=r"cannot be read \(not text\)"):
        read_experiment(tmp_path / "binary.yaml")


def test_questions_are_about_arms_and_conditions_that_are_there():
    refused("there is no arm 'c', only a, b", contrasts=[{"better": "a", "than": "c"}])
    refused("there is no arm 'c'", published=[{"arm": "c", "scores": {}}])
    refused("no condition 'x'", contrasts=[{"better": "a", "than": "b", "condition": "x"}])
    refused("no condition 'x'", published=[{"arm": "a", "condition": "x", "scores": {}}])
    refused("'a' is compared with itself", contrasts=[{"better": "a", "than": "a"}])
    refused("not all different", seeds=[1, 2, 1])


@pytest.mark.parametrize(
    ("kind", "names", "message"),
    [
        ("arms", ["no norm", "no-norm"], "the arms 'no norm' and 'no-norm' would be kept in the same place"),
        ("arms", ["Auto", "auto"], "the arms 'Auto' and 'auto'"),
        ("arms", ["a", "?", "!"], "the arms '\\?' and '!'"),
        ("arms", ["name"], "an arm cannot be called 'name'"),
        ("arms", ["group"], "an arm cannot be called 'group'"),
        ("conditions", ["at 64", "at/64"], "the conditions 'at 64' and 'at/64'"),
    ],
)
def test_names_must_have_places_of_their_own(kind, names, message):
    refused(message, **{kind: {name: {} for name in names}})


def test_scores_must_be_known():
    refused("there is no score 'dise', only precision, ", main="dise")
    refused("there is no score 'dise'", metrics=["iou", "dise"])
    refused("there is no score 'DICE'", contrasts=[{"better": "a", "than": "b", "metric": "DICE"}])
    refused(
        "there is no score 'seconds', .*train_seconds", published=[{"arm": "a", "scores": {"seconds": 1}}]
    )
    refused("object_f1 needs masks that number objects", metrics=["object_f1"])
    objects = {"target": {"kind": "instances"}}
    refused("true_objects says how many there are", material=objects, main="true_objects")
    allowed = from_dict(
        {"name": "x", "arms": ARMS, "material": objects, "metrics": ["object_f1", "true_objects"]}
    )
    assert allowed.metrics == ("object_f1", "true_objects")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("with augmentation", "with-augmentation"),
        ("σ = 5000", "σ-5000"),
        ("a/b\\c:d", "a-b-c-d"),
        ("../up", "up"),
        ("0.5", "0.5"),
        ("  ", "unnamed"),
    ],
)
def test_names_as_parts_of_paths(name, expected):
    assert slug(name) == expected


def test_fewer_arms():
    experiment = make_experiment(("a", "b", "c"), published=[Published(arm="c", scores={"dice": 0.5})])
    fewer = experiment.only(arms=("c", "a"), seeds=(7,))
    assert list(fewer.arms) == ["a", "c"]
    assert fewer.seeds == (7,)
    assert fewer.contrasts == (Contrast(better="c", than="a"),)
    assert fewer.published == experiment.published
    assert experiment.only(arms=("a", "b")).published == ()
    assert experiment.only() == experiment
    with pytest.raises(
        RecipeError, match="the experiment fake has no arm 'd'; expected some of 'a', 'b', 'c'"
    ):
        experiment.only(arms=("a", "d"))
    with pytest.raises(RecipeError, match="not all different"):
        experiment.only(seeds=(1, 1))


def test_one_budget_is_chosen():
    budgets = {"full": Budget(), "cpu": Budget(minutes=2, seeds=(5,))}
    experiment = make_experiment(budgets=budgets)
    assert experiment.budget == Budget()
    assert experiment.with_budget("cpu").budget.minutes == 2
    assert experiment.with_budget("cpu").seeds == (5,)
    assert experiment.with_budget(None, default="full").seeds == (0, 1, 2)
    assert experiment.with_budget("1.5").budget.minutes == 1.5
    assert make_experiment().with_budget().budget == Budget()
    for wrong in ("gpu", 0, -1, "inf", "nan"):
        with pytest.raises(RecipeError, match="expected one of full, cpu, or minutes"):
            experiment.with_budget(wrong)


def test_what_may_stand_together():
    experiment = make_experiment(("a", "b"))
    assert experiment.agrees_with(make_experiment(("b", "c"), seeds=(9,), title="Other words"))
    assert not experiment.agrees_with(make_experiment(("a", "b"), name="other"))
    assert not experiment.agrees_with(make_experiment(("a", "b"), kind="multiclass"))
    assert not experiment.agrees_with(Experiment(name="fake", arms={"a": Arm(noise=1)}))
    assert not experiment.agrees_with(
        make_experiment(("a", "b"), conditions={"test images": Condition(noise=1)})
    )
    assert not experiment.agrees_with(experiment.with_budget(3))


def test_experiments_are_joined():
    experiment = make_experiment(("a", "b"), seeds=(2,))
    joined = experiment.joined(make_experiment(("a", "c"), seeds=(0, 2)))
    assert set(joined.arms) == {"a", "b", "c"}
    assert joined.seeds == (0, 2)
    assert {(each.better, each.than) for each in joined.contrasts} == {("b", "a"), ("c", "a")}
    assert experiment.joined(experiment) == experiment


@pytest.mark.parametrize(
    ("asked", "known", "order"),
    [("abc", "c", "abc"), ("abc", "cb", "abc"), ("a", "cb", "cba"), ("ac", "bc", "bca")],
)
def test_joined_arms_keep_their_order(asked, known, order):
    joined = make_experiment(tuple(asked)).joined(make_experiment(tuple(known)))
    assert "".join(joined.arms) == order
