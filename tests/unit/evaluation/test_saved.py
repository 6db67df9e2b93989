from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.evaluation import ObjectCounts, Report, count_objects, read_report, score_image
from unetscope.io import write_json

TRUTH = np.array([[0, 1, 1, 2, 2, 0]])


def scored(name, predicted, **settings):
    return score_image(name, TRUTH, np.array([predicted]), units="mm", **settings)


@pytest.fixture
def report():
    return Report((scored("a.png", [0, 1, 1, 2, 2, 0]), scored("b.png", [0, 1, 0, 2, 1, 0])))


def test_a_written_report_is_read_as_it_was(report, tmp_path):
    for name in ("metrics.json", "scores.json"):
        (tmp_path / name).unlink(missing_ok=True)
        file = write_json(tmp_path / name, {"over": "validation images", **report.to_dict()}, overwrite=True)
        assert read_report(tmp_path) == read_report(file) == report
        file.unlink()


def test_undefined_distances_stay_undefined(tmp_path):
    report = Report((scored("a.png", [0] * 6), scored("b.png", [0, 1, 1, 2, 2, 0])))
    again = read_report(write_json(tmp_path / "scores.json", report.to_dict()))
    assert again.table() == report.table()
    assert np.isnan(again.scores[0].hausdorff95)


def test_distances_that_were_not_measured_stay_so(tmp_path):
    report = Report((scored("a.png", [0] * 6, surface=False),))
    assert read_report(write_json(tmp_path / "scores.json", report.to_dict())) == report


def test_objects_are_kept(report, tmp_path):
    counts = count_objects(TRUTH, TRUTH % 2)
    counted = Report(tuple(replace(score, objects=counts) for score in report.scores))
    again = read_report(write_json(tmp_path / "scores.json", counted.to_dict()))
    assert again == counted
    assert again.values["mean_ap"] == [0.5, 0.5]


def test_a_report_of_a_version_that_counted_matches_only_is_read(report, tmp_path):
    counted = Report(tuple(replace(s, objects=ObjectCounts(3, 1, 2, 2.25)) for s in report.scores))
    again = read_report(write_json(tmp_path / "scores.json", counted.to_dict()))
    assert again == counted
    assert again.values["panoptic_quality"] == [0.5, 0.5]
    assert "ap50" not in again.columns


def test_damaged_counts_of_objects_are_refused(report, tmp_path):
    counted = Report((replace(report.scores[0], objects=count_objects(TRUTH, TRUTH)),))
    content = json.loads(json.dumps(counted.to_dict()))
    content["images"][0]["objects"]["tp"].pop()
    (tmp_path / "scores.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"score the images again|one for each threshold"):
        read_report(tmp_path)


def test_a_folder_without_scores(tmp_path):
    with pytest.raises(InputError, match=r"there are no scores in .*metrics\.json or scores\.json"):
        read_report(tmp_path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"epoch": 3, "validation dice": 0.5}', '{"images": [{"name": "a"}]}']
)
def test_scores_of_a_training_that_has_not_ended_or_damaged_ones(content, tmp_path):
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(InputError, match=r"metrics\.json does not hold the scores of images"):
        read_report(tmp_path)


def test_a_report_of_before_counts_were_kept(report, tmp_path):
    content = report.to_dict()
    for row in content["images"]:
        del row["counts"]
    (tmp_path / "scores.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="score the images again"):
        read_report(tmp_path)
