"""The story of a model: complete, readable, and never half understood."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from unetscope.errors import ModelError
from unetscope.model_about import About, HeldOut


def test_it_survives_json(story: About) -> None:
    text = json.dumps(story.to_dict())
    assert About.from_dict(json.loads(text), source="a file") == story


def test_nothing_in_it_is_changed_by_accident(story: About) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        story.title = "another"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"title": ""}, "title"),
        ({"data": []}, "data"),
        ({"held_out": []}, "held_out"),
        ({"limits": []}, "limits"),
        ({"minutes": 0}, "minutes"),
        ({"surprise": 1}, "surprise"),
        ({"held_out": [{"data": "a", "images": 0, "measured": "b", "scores": {}}]}, "held_out.0.images"),
    ],
)
def test_what_is_missing_or_wrong_is_named(story: About, change: dict[str, Any], place: str) -> None:
    with pytest.raises(ModelError) as caught:
        About.from_dict({**story.to_dict(), **change}, source="m.safetensors")
    assert "m.safetensors" in str(caught.value)
    assert f"({place})" in str(caught.value)


def test_a_story_that_is_none_is_refused() -> None:
    with pytest.raises(ModelError, match="not readable"):
        About.from_dict({}, source="a file")


def test_the_page_tells_everything(story: About) -> None:
    page = story.to_markdown({"Size": "1.0 MB"})
    for part in (
        story.title,
        story.description,
        "Drawn by a test.",
        "CC0",
        "3 images",
        "2 minutes",
        *story.limits,
    ):
        assert part in page, part
    assert "- Size: 1.0 MB" in page
    assert "more disks: 4 images with 9 objects" in page
    assert "| AP 0.5 | F1 |\n| --- | --- |\n| 0.500 | 1.000 |" in page


def test_scores_in_a_line() -> None:
    one = HeldOut(data="d", images=1, measured="m", scores={"PQ": 0.25})
    assert one.summary == "PQ 0.250 on 1 held-out image (d)"


def test_licenses_are_named_once(story: About) -> None:
    twice = story.model_copy(update={"data": story.data * 2})
    assert twice.licenses == ("CC0",)
