"""Any valid experiment survives YAML, and a part of it is valid too."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from unetscope.evaluation import METRICS
from unetscope.experiments import Arm, Budget, Condition, Contrast, Experiment, Published, read_experiment
from unetscope.experiments.experiment import slug, to_yaml

positive = st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False)
plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
settings = st.dictionaries(st.text(), plain | st.lists(plain, max_size=3), max_size=3)
names = st.text(min_size=1, max_size=12).filter(lambda name: name not in ("name", "group"))


def keys(of, **sizes):
    """Mappings whose keys have places of their own."""
    pairs = st.lists(st.tuples(names, of), unique_by=lambda pair: slug(pair[0]).casefold(), **sizes)
    return pairs.map(dict)


arms = st.builds(
    Arm,
    # A recipe file is looked for beside the file of the experiment, which changes its name.
    recipe=st.text().filter(lambda name: not name.endswith((".yaml", ".yml"))),
    settings=settings,
    images=st.none() | st.integers(1, 999),
    noise=positive,
    about=st.text(),
)
conditions = st.builds(
    Condition,
    noise=positive,
    threshold=st.none() | st.floats(0, 1, exclude_min=True, exclude_max=True),
    grid=st.none() | st.tuples(st.integers(1, 999), st.integers(1, 999)),
    about=st.text(),
)
budgets = st.builds(Budget, minutes=st.none() | positive, settings=settings, about=st.text())


@st.composite
def experiments(draw):
    grid = draw(keys(arms, min_size=1, max_size=4))
    scored = draw(keys(conditions, min_size=1, max_size=3))
    condition = st.none() | st.sampled_from(list(scored))
    arm = st.sampled_from(list(grid))
    score = st.sampled_from(METRICS)
    pairs = st.tuples(arm, arm).filter(lambda pair: pair[0] != pair[1])
    asked = draw(st.lists(st.tuples(pairs, score, condition), max_size=3)) if len(grid) > 1 else []
    published = st.builds(
        Published,
        arm=arm,
        condition=condition,
        scores=st.dictionaries(score, st.floats(0, 1)),
        about=st.text(),
    )
    return Experiment(
        name=draw(st.text()),
        title=draw(st.text()),
        document=draw(st.text()),
        arms=grid,
        conditions=scored,
        seeds=draw(st.lists(st.integers(0, 2**32), min_size=1, max_size=4, unique=True)),
        contrasts=tuple(Contrast(better=a, than=b, metric=m, condition=c) for (a, b), m, c in asked),
        published=tuple(draw(st.lists(published, max_size=2))),
        budgets=draw(st.dictionaries(st.text(), budgets, max_size=2)),
    )


@given(experiment=experiments())
def test_yaml_gives_back_the_experiment(experiment):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "it.yaml"
        path.write_text(to_yaml(experiment), encoding="utf-8")
        assert read_experiment(path) == experiment


@given(experiment=experiments(), data=st.data())
def test_a_part_is_an_experiment_of_these_arms(experiment, data):
    kept = data.draw(st.lists(st.sampled_from(list(experiment.arms)), min_size=1, unique=True))
    part = experiment.only(arms=kept)
    assert set(part.arms) == set(kept)
    assert {each.arm for each in part.published} <= set(kept)
    assert experiment.agrees_with(part)
    whole = part.joined(experiment)
    assert whole.arms == experiment.arms
    assert set(whole.contrasts) == set(experiment.contrasts)
