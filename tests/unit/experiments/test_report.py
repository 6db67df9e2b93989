from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image

from unetscope.experiments import Arm, Budget, Condition, Contrast, Material, Published
from unetscope.experiments.report.blocks import (
    Foreign,
    Heading,
    Items,
    Notice,
    Paragraph,
    Picture,
    Table,
    lowered,
    to_markdown,
)
from unetscope.experiments.report.figures import Pictures
from unetscope.experiments.report.page import to_html
from unetscope.experiments.report.write import report_blocks, write_report
from unetscope.experiments.results import Results
from unetscope.io.write import write_json
from unetscope.recipe.recipe import Target

from .fake import make_experiment, name_of, picture, write_experiment

VOID = {"meta", "img", "br", "hr"}


class Page(HTMLParser):
    """An HTML page, read strictly: every element is closed where it should be."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.tables, self.headings, self.text = [], [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), "an attribute twice"
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if "style" not in self.open else ""
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)

    def attributes(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def markdown_page(text):
    """What a reader of Markdown makes of it."""
    return Page(MarkdownIt("commonmark").enable("table").render(text))


@pytest.fixture
def reported(finished_experiment):
    """A folder, and its report without figures in HTML and Markdown."""

    def make(*args, **values):
        folder = finished_experiment(*args, **values)
        blocks = report_blocks(folder, Results(folder))
        return folder, Page(to_html(blocks, {})), markdown_page(to_markdown(blocks))

    return make


@pytest.fixture
def written(finished_experiment):
    """A folder with its report and figures, and both as pages."""

    def make(*args, **values):
        folder = finished_experiment(*args, **values)
        test = {name_of(i): picture(folder.experiment, i) for i in range(4)}
        write_report(folder, Pictures(test))
        html, markdown = (folder.path / f"report.{kind}" for kind in ("html", "md"))
        pages = Page(html.read_text(encoding="utf-8")), markdown_page(markdown.read_text(encoding="utf-8"))
        return folder, *pages

    return make


def table_of(page, corner):
    """The rows of the first table whose header holds a name."""
    return {row[0]: row[1:] for row in next(rows for rows in page.tables if corner in rows[0])[1:]}


def test_answers_come_first_then_scores_figures_and_how_it_was_done(written):
    _, html, markdown = written(title="Does augmentation help?", document="It says 0.9.")
    expected = [
        (1, "Does augmentation help?"),
        *((2, name) for name in ("Answers", "Scores", "Every image", "Figures", "How it was done")),
        (2, "What the document says"),
        (2, "Files"),
    ]
    assert html.headings == markdown.headings == expected


def test_markdown_and_html_say_the_same(reported):
    published = (Published(arm="plain", scores={"dice": 0.7, "train_seconds": 39.8}, about="Table <1>"),)
    conditions = ("as they are", "noisy | a_b *c*")
    names = ("plain", "a_b <i>*bold*</i> & | `code`")
    _, html, markdown = reported(names, conditions=conditions, published=published)
    assert html.tables == markdown.tables
    assert len(html.tables) == 6
    words = [" ".join(page.text.split()) for page in (html, markdown)]
    for sentence in (
        "Table <1>",
        "2 recipes from 3 seeds each",
        "a_b <i>*bold*</i> & | `code` against plain",
    ):
        assert all(sentence in text for text in words)


def test_tables_hold_what_the_results_say(reported):
    published = (Published(arm="plain", scores={"dice": 0.7194, "predict_seconds": 1.07}),)
    folder, html, _ = reported(metrics=("dice", "recall"), published=published)
    results = Results(folder)
    rows = table_of(html, "Worst Dice")
    for arm in ("plain", "augmented"):
        summary = results.summary(arm)
        dice, recall, spread, worst = rows[arm]
        assert dice == f"{summary.mean['dice']:.4f} ± {summary.std['dice']:.4f}"
        assert recall == f"{summary.mean['recall']:.4f} ± {summary.std['recall']:.4f}"
        assert spread == f"{summary.image_std['dice']:.4f}"
        assert worst == f"{summary.worst[1]:.4f}, {summary.worst[0]}"
    assert rows["plain, in the document"] == ["0.7194", "", "", ""]
    everything = folder.everything("test images")
    assert rows["calling everything the object"][:2] == [f"{everything.mean['dice']:.4f}", "1.0000"]
    cost = table_of(html, "Epochs")
    assert cost["augmented"] == ["21.0 ± 1.0", "0.60 ± 0.10", "4", "2,000", "4", "0, 1, 2"]
    assert cost["plain, in the document"] == ["", "1.07", "", "", "", ""]
    images = table_of(html, "Image")
    expected = results.values("plain", None, "dice").mean(axis=0)
    assert [images[name_of(i)][0] for i in range(4)] == [f"{score:.4f}" for score in expected]


def test_rows_that_are_not_ours_are_set_apart(reported):
    published = (Published(arm="plain", scores={"dice": 0.7}),)
    folder, html, _ = reported(published=published)
    aside = [attributes for attributes in html.attributes("tr") if attributes.get("class") == "aside"]
    assert len(aside) == 2
    text = to_markdown(report_blocks(folder, Results(folder)))
    assert "| *plain, in the document* |" in text
    assert "| *calling everything the object* |" in text


def test_answers_are_those_of_the_results_with_their_questions(finished_experiment):
    contrasts = [Contrast(better="auto", than="plain", question="Is auto better?")]
    contrasts += [Contrast(better="late", than="plain", question="And late?")]
    folder = finished_experiment(("plain", "auto", "late"), seeds=(0,), contrasts=contrasts, finished=2)
    results = Results(folder)
    items = next(block for block in report_blocks(folder, results) if isinstance(block, Items))
    (answer,) = results.answers()
    assert items.points == (
        ("Is auto better?", answer.sentence),
        ("And late?", "late and plain: no answer yet."),
    )


def test_without_questions_the_report_says_so(reported):
    _, html, _ = reported(contrasts=())
    assert "No two recipes were to be compared" in html.text
    assert "interval" not in html.text


def test_what_is_missing_and_what_broke_down_is_said_first(finished_experiment):
    folder = finished_experiment(("plain", "deep"), seeds=(0, 1), finished=1)
    folder.cell("deep", 0).fail("the loss is not a number")
    folder.write_status(state="failed", message="The disk is full.")
    blocks = report_blocks(folder, Results(folder))
    missing = "deep (seeds 0, 1); plain (seed 1)"
    assert blocks[1] == Notice(
        f"This experiment is not finished. Of 4 trainings these are missing: {missing}."
    )
    assert Items((("deep, seed 0:", "the loss is not a number"),)) in blocks[:5]
    assert Notice("The experiment ended early. The disk is full.") in blocks[:5]
    finished = finished_experiment()
    assert not any(isinstance(block, Notice) for block in report_blocks(finished, Results(finished)))


def test_a_condition_without_scores_is_said(finished_experiment):
    folder = finished_experiment(conditions=("old", "new"))
    for path in folder.path.glob("cells/*/*/scores-new.json"):
        path.unlink()
    blocks = report_blocks(folder, Results(folder))
    assert blocks[1] == Notice("Some models are not scored yet as “new”.")
    assert [block.caption for block in blocks if isinstance(block, Table)][:1] == ["Scores: old"]
    assert "Scores: new" not in [block.caption for block in blocks if isinstance(block, Table)]


def test_a_report_of_nothing_is_still_a_report(written):
    folder, html, markdown = written(finished=0)
    assert html.headings == markdown.headings
    assert [name for _, name in html.headings] == ["Does it help?", "Answers", "How it was done", "Files"]
    assert "augmented and plain: no answer yet." in html.text
    assert list((folder.path / "figures").iterdir()) == []


def test_one_seed_has_no_spread(reported):
    folder, html, _ = reported(seeds=(0,))
    mean = Results(folder).summary("plain").mean["dice"]
    assert table_of(html, "Worst Dice")["plain"][2] == f"{mean:.4f}"
    assert table_of(html, "Epochs")["plain"][0] == "10.0"
    assert "nothing is known about the spread over seeds" in html.text


def test_what_numbers_are_over_where_arms_have_different_seeds(reported):
    _, html, _ = reported(finished=3, seeds=(0, 1))
    assert "from 1 to 2 seeds for each recipe" in html.text


def test_groups_are_named_where_they_hold_several_images(reported):
    _, html, _ = reported(groups=["one", "one", "two", "three"])
    assert table_of(html, "Image")[name_of(1)][0] == "one"
    assert "4 training, 2 validation, 4 test of 3 groups" in html.text
    _, html, _ = reported()
    assert "Group" not in html.tables[2][0]


def test_how_it_was_done(tmp_path):
    conditions = {
        "as they are": Condition(about="Nothing is changed."),
        "small": Condition(grid=(64, 48), threshold=0.002, noise=5.0),
    }
    experiment = make_experiment(
        ("plain", "few"),
        conditions=conditions,
        kind="instances",
        material=Material(target=Target(kind="instances"), tile=128, images=50, test=10),
        budgets={"cpu": Budget(minutes=3, settings={"network.width": 16}, about="A narrow network.")},
        metrics=("dice", "object_f1"),
    )
    few = Arm(recipe="retina-vessels", settings={"network.depth": 2}, images=3, noise=7.5, about="Less.")
    experiment = experiment.model_copy(update={"arms": {"plain": Arm(), "few": few}})
    folder = write_experiment(tmp_path / "out", experiment)
    versions = {"unetscope": "0.1.0", "torch": "2.8"}
    write_json(folder.cell("plain", 0).run.path / "versions.json", versions)
    html = Page(to_html(report_blocks(folder, Results(folder)), {}))
    for sentence in (
        "masks are read as instances; images are cut into tiles of 128×128 pixels",
        "no more than 50 images for training and validation; no more than 10 test images.",
        "cpu; A narrow network; 3 minutes for each training at most; recipes other than auto with",
        "network.width = 16.",
        "the test images with Gaussian noise of σ = 5, on a grid of 64×48 pixels, the object from a "
        "probability of 0.002 on.",
        "Scored as “as they are”: the test images as they are. Nothing is changed.",
        "cpu (a small computer).",
        "unetscope 0.1.0, torch 2.8.",
        "the epoch that is kept",
        "Objects match if they overlap",
    ):
        assert sentence in " ".join(html.text.split())
    changes = "network.depth = 2, 3 training images, drawn with the seed, noisy copies (σ = 7.5)"
    assert table_of(html, "Recipe")["few"] == ["retina-vessels", changes, "Less."]


def test_what_a_score_of_several_classes_is_over(reported):
    sentence = "Of several classes, each that occurs in an image counts the same"
    assert sentence in reported(kind="multiclass")[1].text
    assert sentence not in reported()[1].text


def test_notes_of_trainings_and_the_lack_of_validation_are_told(finished_experiment):
    folder = finished_experiment(("plain",), seeds=(0, 1))
    cell = folder.cell("plain", 1)
    write_json(cell.folder / "cell.json", {**vars(cell.facts()), "note": "It ended early."}, overwrite=True)
    entries = [entry for entry in folder.images if entry["role"] != "validation"]
    write_json(folder.path / "dataset.json", entries, overwrite=True)
    points = dict(
        next(b for b in report_blocks(folder, Results(folder))[::-1] if isinstance(b, Items)).points
    )
    assert points["plain, seed 1:"] == "It ended early."
    assert points["Chosen:"] == "the last epoch is kept, because no image validates."
    assert points["Versions:"] == "not recorded."


def test_the_page_needs_nothing_else_and_runs_nothing(written):
    document = "See [us](https://example.org). <script>alert(1)</script> ![x](https://example.org/a.png)"
    folder, html, _ = written(document=document, title="<b>x</b> & “y”")
    text = (folder.path / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    tags = {tag for tag, _ in html.elements}
    assert tags.isdisjoint({"script", "link", "iframe", "object", "embed"})
    assert not any(name.startswith("on") for _, attributes in html.elements for name in attributes)
    assert all(each["src"].startswith("data:image/png;base64,") for each in html.attributes("img"))
    assert "url(" not in text
    assert "@import" not in text
    assert html.headings[0] == (1, "<b>x</b> & “y”")
    assert "<script>alert(1)</script>" in html.text
    names = [attributes["id"] for _, attributes in html.elements if "id" in attributes]
    links = [each["href"] for each in html.attributes("a") if each["href"].startswith("#")]
    assert sorted(links) == sorted(f"#{name}" for name in names)
    assert len(set(names)) == len(names) == 7


def test_figures_in_the_page_are_those_in_the_folder(written):
    folder, html, markdown = written(metrics=("dice",))
    files = [folder.path / each["src"] for each in markdown.attributes("img")]
    assert [file.name for file in files] == ["bars.png", "images.png", "panels.png", "curves.png"]
    for file, each in zip(files, html.attributes("img"), strict=True):
        data = base64.b64decode(each["src"].partition(",")[2], validate=True)
        assert data == file.read_bytes()
        assert Image.open(io.BytesIO(data)).width >= 1000
        assert each["alt"]


def test_a_second_report_replaces_the_first(finished_experiment):
    folder = finished_experiment(seeds=(0,))
    (folder.path / "figures").mkdir()
    (folder.path / "figures" / "mine.png").write_bytes(b"mine")
    test = {name_of(i): picture(folder.experiment, i) for i in range(4)}
    assert write_report(folder, Pictures(test)) == folder.path / "report.html"
    assert (folder.path / "figures" / "panels.png").is_file()
    write_report(folder)
    left = {path.name for path in (folder.path / "figures").iterdir()}
    assert left == {"bars.png", "images.png", "curves.png", "mine.png"}
    assert "panels.png" not in (folder.path / "report.md").read_text(encoding="utf-8")
    assert not list(folder.path.glob("**/*.part"))


def test_headings_of_a_document_come_below_those_of_the_report(reported):
    document = "# Top\n\nText\n\nUnder\n-----\n\n```\n# no heading\n```\n\n##### Deep"
    _, html, markdown = reported(document=document)
    expected = [(3, "Top"), (4, "Under"), (6, "Deep")]
    for page in (html, markdown):
        place = page.headings.index((2, "What the document says"))
        assert page.headings[place + 1 : -1] == expected
        assert "# no heading" in page.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no heading", "no heading"),
        ("## a\ntext\n### b", "### a\ntext\n#### b"),
        ("a\nb\n===\nc", "### a b\n\n\nc"),
        ("# a\n###### b", "### a\n###### b"),
        ("> # quoted\n\n- # listed", "> # quoted\n\n- # listed"),
    ],
)
def test_headings_are_lowered(text, expected):
    assert lowered(text, 3) == expected


WORDS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1).filter(str.strip)


@given(WORDS, st.sampled_from(["", "- ", "1. ", "# ", "> ", "+ ", "=", "12) ", "    "]))
@example("#", "")
@example("a ##", "")
def test_text_stays_text_in_both_formats(words, beginning):
    text = beginning + words
    blocks = [
        Heading(text, 1),
        Paragraph(text),
        Notice(text),
        Items(((text, text), ("", text))),
        Table(text, (text, text), ((text, text),), aside=frozenset([0])),
        Picture("a.png", text, text),
    ]
    expected = " ".join(text.split())
    html = Page(to_html(blocks, {"a.png": b""}))
    markdown = markdown_page(to_markdown(blocks))
    for page in (html, markdown):
        cells = [" ".join(cell.split()) for row in page.tables[0] for cell in row]
        assert cells == [expected] * 4
        assert " ".join(page.headings[0][1].split()) == expected
        tags = [tag for tag, _ in page.elements]
        assert [tags.count(tag) for tag in ("ul", "li", "table", "img", "h1")] == [1, 2, 1, 1, 1]
        assert "ol" not in tags


def test_what_is_long_is_folded_in_html():
    table = Table("All images", ("", "x"), (("a", "1"),), folded=True)
    html = Page(to_html([Heading("Title", 1), table, Foreign("*text*")], {}))
    assert [tag for tag, _ in html.elements if tag in ("details", "summary", "caption")] == [
        "details",
        "summary",
    ]
    assert "em" in {tag for tag, _ in html.elements}
