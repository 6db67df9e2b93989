from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from unetscope.errors import InputError
from unetscope.evaluation import (
    METRICS,
    OBJECT_METRICS,
    ObjectCounts,
    Report,
    count_objects,
    score_image,
)
from unetscope.evaluation.report import TITLES

LENGTH = 20


def line(start, stop, value=1):
    mask = np.zeros((1, LENGTH), np.uint8)
    mask[0, start:stop] = value
    return mask


def score(name, truth, predicted, **settings):
    return score_image(name, truth, predicted, units="mm", spacing=(1.0, 0.5), **settings)


@pytest.fixture
def report():
    """Dice 0.5, 1.0, 0.0 and 0.5; the third has no prediction."""
    return Report(
        (
            score("half.png", line(0, 4), line(2, 6)),
            score("whole.png", line(0, 10), line(0, 10)),
            score("missed.png", line(0, 2), line(0, 0)),
            score("other|half.png", line(4, 8), line(6, 10)),
        )
    )


def test_mean_and_population_std_over_images(report):
    dice = [0.5, 1.0, 0.0, 0.5]
    assert report.mean["dice"] == pytest.approx(np.mean(dice))
    assert report.std["dice"] == pytest.approx(np.std(dice))
    assert report.n == 4


def test_pooled_is_from_all_pixels(report):
    tp, fp, fn = 2 + 10 + 0 + 2, 2 + 0 + 0 + 2, 2 + 0 + 2 + 2
    assert report.pooled["dice"] == 2 * tp / (2 * tp + fp + fn)
    assert report.pooled["precision"] == tp / (tp + fp)
    assert report.pooled["accuracy"] == 1 - (fp + fn) / (4 * LENGTH)


def test_undefined_distances_are_left_out_and_counted(report):
    half = np.percentile([1.0, 0.5, 0.0, 0.0], 95)
    assert report.mean["hausdorff95"] == pytest.approx((half + 0.0 + half) / 3)
    assert "Distances are undefined for 1 image " in report.table()


def test_ranking(report):
    assert report.ranking == (2, 0, 3, 1)
    names = [each.name for each in (report.best(), report.median(), report.worst())]
    assert names == ["whole.png", "half.png", "missed.png"]


def test_ranking_of_one_image():
    only = Report((score("a.png", line(0, 4), line(0, 4)),))
    assert only.best() is only.median() is only.worst()
    assert only.std["dice"] == 0.0


def test_dictionary_has_the_promised_keys(report):
    content = report.to_dict()
    assert list(content) == ["images", "mean", "std", "pooled", "per_class", "n", "units"]
    image_keys = ["name", *METRICS, "accuracy", "hausdorff95", "mean_surface_distance", "counts"]
    assert [list(image) for image in content["images"]] == [image_keys] * 4
    for summary in (content["mean"], content["std"], content["pooled"], content["per_class"]["1"]["mean"]):
        assert set(METRICS) <= set(summary)
    assert (content["n"], content["units"]) == (4, "mm")
    assert json.loads(json.dumps(content))["per_class"]["0"]["n"] == 4


def test_per_class_is_over_the_images_with_the_class():
    both = np.array([[0, 1, 1, 2, 2]])
    ones = np.array([[0, 1, 1, 0, 0]])
    report = Report(
        tuple(
            score_image(name, truth, predicted, classes=[0, 1, 2])
            for name, truth, predicted in [("a", both, np.array([[0, 1, 1, 2, 0]])), ("b", ones, ones)]
        )
    )
    assert set(report.per_class) == {0, 1, 2}
    assert (report.per_class[2].n, report.per_class[1].n) == (1, 2)
    assert report.per_class[2].mean["dice"] == report.per_class[2].pooled["dice"] == 2 / 3
    assert report.macro["dice"] == pytest.approx((1 + 2 / 3) / 2)
    assert report.mean["dice"] == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert "Class 2, mean of 1" in report.table()


def test_a_class_that_an_image_does_not_list_is_absent_there():
    truth, predicted, ones = np.array([[0, 1, 2, 2]]), np.array([[0, 1, 2, 1]]), np.array([[0, 1, 1, 0]])
    report = Report((score_image("a", truth, predicted), score_image("b", ones, ones)))
    assert report.pooled["accuracy"] == 7 / 8
    assert report.per_class[2].pooled["accuracy"] == 7 / 8
    assert report.per_class[2].n == 1


def test_one_object_is_pooled_whatever_its_value():
    """Truth in {0, 255}, predictions in {0, 1}; images without object are named by the other side."""
    report = Report(
        (
            score("empty.png", line(0, 0), line(0, 2)),
            score("a.png", line(0, 4, 255), line(0, 4)),
            score("nothing.png", line(0, 0), line(0, 0)),
        )
    )
    assert set(report.per_class) == {0, 255}
    assert report.pooled["precision"] == 4 / 6
    assert report.pooled["recall"] == 1.0


@pytest.mark.parametrize("other", [line(0, 4, 2), line(0, 4, 2) + line(6, 9)])
def test_different_values_for_one_object_do_not_mix_with_several_classes(other):
    scores = (score("a.png", line(0, 4, 1), line(0, 4, 3)), score("b.png", other, other))
    with pytest.raises(InputError, match=r"a\.png marks its object with different values.*name the classes"):
        Report(scores)


def test_a_report_needs_images():
    with pytest.raises(InputError, match="no images"):
        Report(())


def test_units_are_not_mixed():
    masks = line(0, 4), line(0, 4)
    with pytest.raises(InputError, match="the distances are in mm and pixel"):
        Report((score_image("a", *masks), score("b", *masks)))
    assert Report((score_image("a", *masks, surface=False), score("b", *masks, surface=False))).n == 2


def test_units_are_those_of_the_measured_distances():
    masks = line(0, 4), line(0, 4)
    assert Report((score_image("a", *masks, surface=False), score("b", *masks))).units == "mm"


def test_table_is_aligned_and_says_over_what(report):
    text = report.table()
    lines = text.splitlines()
    assert len({len(row) for row in lines[: lines.index("")]}) == 1
    assert lines[0].split("  ")[0] == "Image"
    assert "HD95 (mm)" in lines[0]
    assert [row.split()[0] for row in lines[2:6]] == ["half.png", "whole.png", "missed.png", "other|half.png"]
    assert lines[7].split()[:4] == ["Mean", "0.5000", "0.5000", "0.5000"]
    assert lines[4].split()[-2:] == ["-", "-"]
    assert "Mean ± std over 4 images (population std)" in text


def test_summary_table_lists_no_images(report):
    assert "half.png" not in report.table(rows="summary")
    assert "half.png" not in report.to_markdown(rows="summary")


def test_images_without_object_are_counted_in_the_notes():
    text = Report((score("a", line(0, 0), line(0, 0)), score("b", line(0, 3), line(0, 3)))).table()
    assert "1 image with no object in truth and prediction: scored 1, distance 0." in text


def test_table_without_distances_has_no_column_for_them():
    report = Report((score("a", line(0, 3), line(0, 3), surface=False),))
    assert "HD95" not in report.table()
    assert "hausdorff95" not in report.mean
    assert report.rows()[0]["hausdorff95"] is None


def test_no_defined_distance_is_nan():
    report = Report((score("a", line(0, 3), line(0, 0)),))
    assert math.isnan(report.mean["hausdorff95"])
    assert math.isnan(report.std["hausdorff95"])


def test_markdown_is_one_table(report):
    rows = [row for row in report.to_markdown().splitlines() if row.startswith("|")]
    assert {row.count("|") for row in rows} == {10}
    assert "other&#124;half.png" in rows[5]
    assert rows[6].startswith("| Mean ± std | 0.5000 ± 0.3536 |")


def test_rows_are_the_images(report):
    assert [row["name"] for row in report.rows()] == [each.name for each in report.scores]
    assert [row["dice"] for row in report.rows()] == [0.5, 1.0, 0.0, 0.5]


def test_scores_of_objects_are_columns_where_there_are_objects():
    """Of the first image both objects are found, of the second one of three, and one is invented."""
    matched = ObjectCounts(tp=2, iou_sum=1.5), ObjectCounts(tp=1, fp=1, fn=2, iou_sum=0.6)
    report = Report(
        tuple(
            replace(score(name, line(0, 4), line(0, 4)), objects=objects)
            for name, objects in zip("ab", matched, strict=True)
        )
    )
    keys = ["object_f1", "panoptic_quality", "true_objects", "predicted_objects"]
    assert [report.rows()[1][key] for key in keys] == [0.4, pytest.approx(0.24), 3, 2]
    assert [report.mean[key] for key in keys] == [pytest.approx(0.7), pytest.approx(0.495), 2.5, 2.0]
    assert [report.pooled[key] for key in keys] == [6 / 9, pytest.approx(4.2 / 9), 5, 4]
    lines = report.table().splitlines()
    assert lines[0].endswith("Dice  Object F1      PQ  Objects  Predicted")
    assert lines[3].split() == ["b", "1.0000", "0.4000", "0.2400", "3", "2"]
    assert "an IoU of 0.5 or more match" in report.table()
    assert "AP50" not in report.table()
    assert "Object" not in Report((score("a", line(0, 4), line(0, 4)),)).table()


def numbered(name, truth, predicted):
    found = score(name, truth > 0, predicted > 0)
    return replace(found, objects=count_objects(truth, predicted))


def test_all_scores_of_objects_are_in_the_files_and_the_usual_ones_in_print():
    """Of the first image one of two objects is found, with an IoU of 3/4; of the second all."""
    truth = line(0, 4) + line(6, 10, 2)
    report = Report((numbered("a", truth, line(0, 3)), numbered("b", truth, truth)))
    assert set(OBJECT_METRICS) < set(report.columns) == set(report.rows()[0]) - {"name"}
    assert report.printed[:5] == ("dice", "object_f1", "ap50", "ap75", "mean_ap")
    assert not {"precision", "accuracy", "ap55", "hausdorff95"} & set(report.printed)
    assert report.values["ap75"] == [1 / 2, 1]
    assert report.values["ap80"] == [0, 1]
    assert report.values["mean_ap"] == pytest.approx([0.6 * 1 / 2, 1])
    # 3 of 4 + 4 pixels, and all 8 of 8.
    assert (report.values["aji"], report.pooled["aji"]) == ([3 / 8, 1], 11 / 16)
    assert (report.values["seg"], report.pooled["seg"]) == ([0.75 / 2, 1], 2.75 / 4)
    assert (report.mean["ap50"], report.pooled["ap50"]) == (0.75, 3 / 4)
    assert (report.values["count_error"], report.pooled["count_error"]) == ([-1, 0], -1)
    text = report.table()
    assert max(map(len, text.split("\n\n")[0].splitlines())) <= 120
    for words in ("Mean AP: over 0.5, 0.55 … 0.95", "AJI: aggregated", "Merges: ", "are in the CSV and JSON"):
        assert words in text
    assert "HD95" not in text
    assert "AP75" in report.to_markdown("summary")


def test_every_score_has_a_title():
    assert set(OBJECT_METRICS) <= set(TITLES)
    assert (TITLES["ap90"], TITLES["object_f1_90"], TITLES["ap50"]) == ("AP90", "Object F1 at 0.90", "AP50")


def test_images_of_objects_are_ranked_by_panoptic_quality():
    """By Dice the first is better: all pixels are found, but in one object."""
    apart, touching = line(0, 4) + line(5, 9, 2), line(0, 4) + line(4, 8, 2)
    merged = numbered("merged", touching, line(0, 8))
    report = Report((merged, numbered("half", apart, line(0, 4))))
    assert report.values["dice"][0] > report.values["dice"][1]
    assert (report.ranked_by, report.best().name) == ("panoptic_quality", "half")
    assert Report((score("a", line(0, 4), line(0, 4)),)).ranked_by == "dice"


def test_values_are_in_the_order_of_the_images():
    report = Report((score("a", line(0, 4), line(0, 4), surface=False), score("b", line(0, 4), line(2, 4))))
    assert report.values["recall"] == [1.0, 0.5]
    assert math.isnan(report.values["hausdorff95"][0])
    assert len(report.header) == len(report.columns) == 8
