"""A check's report is one self-contained file that says what was found; its JSON says the same."""

import csv
import io
import json
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from components.check.caption_set import CaptionSet
from components.check.checked import Checked
from components.check.decisions import Decision, Decisions
from components.check.evidence import Evidence
from components.check.findings.finding import Finding
from components.output import check_json, check_report, checked_table
from components.output.check_report import CheckReport
from tests.unit.helpers import jpeg

ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
FORMULA = "=HYPERLINK(1)"
RECEIPT: Mapping[str, Any] = {
    "model": ATTACK,
    "date": "2026-01-02T03:04",
    "versions": {"a": ATTACK},
}


def checked(pairs: int = 40, findings: tuple[Finding, ...] = ()) -> Checked:
    """Return a checked dataset: two captions an image, the odd ones ever less likely wrong."""
    images = pairs // 2
    names = (ATTACK, *(f"{number}.jpg" for number in range(1, images)))
    captions = (FORMULA, f"{ATTACK} \ud800", *(f"caption {row}" for row in range(2, pairs)))
    splits = tuple("test" if number < 4 else "train" for number in range(images))
    data = CaptionSet("x <b>.csv", names, splits, captions, np.repeat(np.arange(images), 2))
    values = np.linspace(0, 1, pairs, dtype=np.float32)
    ranks = np.arange(pairs) + 1
    cosines = (values,) * 3
    evidence = Evidence(*cosines, ranks, ranks, *(values,) * 5, ranks - 2, ranks - 2)
    probability = np.where(np.arange(pairs) % 2, 0.99 - values / 2.1, 0.01).astype(np.float32)
    suggestion = np.where(probability > 0.9, 0, -1)
    return Checked(data, evidence, probability, suggestion, 0.123, findings)


FINDINGS = (
    Finding("Across splits", ("1.jpg", "7.jpg"), (), f"The same picture. {ATTACK}"),
    Finding("Markup", (ATTACK,), (1,), "It has markup."),
    Finding("Unreadable", ("lost.jpg",), (), "lost.jpg does not exist."),
)


class Page(HTMLParser):
    """Collects a page's tags with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(result: Checked, decisions: Decisions | None = None) -> Page:
    def thumbnail(image: int) -> bytes:
        return jpeg("teal") if image else b""

    return Page(
        check_report.html(CheckReport(result, thumbnail, decisions or Decisions(), RECEIPT))
    )


def test_untrusted_text_is_no_markup_and_nothing_is_fetched() -> None:
    found = page(checked(findings=FINDINGS), Decisions().decide(("1.jpg", "caption 3"), MOVE))
    kinds = {tag for tag, _ in found.tags}
    assert not kinds & {"script", "iframe", "object", "embed", "link", "base", "form", "a"}
    for tag, attributes in found.tags:
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "img":
            assert str(attributes["src"]).startswith("data:image/jpeg;base64,")
            assert attributes["alt"]
    policy = next(attributes for _, attributes in found.tags if "http-equiv" in attributes)
    assert policy["content"] == ("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert found.text.count(ATTACK) == 8
    assert "No picture" in found.text


MOVE = Decision("move", image=ATTACK)


def test_the_page_tells_counts_estimates_and_the_worst_pairs() -> None:
    decisions = Decisions().decide(("1.jpg", "caption 3"), Decision("rewrite", "A new one"))
    found = page(checked(100, FINDINGS), decisions.decide(("gone.jpg", "gone"), Decision("drop")))
    for sentence in (
        "100 captions of 50 images",
        "Wrong captions, by estimate 12.3%",
        "Suspect pairs: more likely wrong than right 50",
        "among the first 10, 30 and 100 below 94.",
        "Wrong caption 50",
        "Markup 1 A caption with HTML",
        "25.0% of test , 1 image, is in train as well",
        "2.2% of train , 1 image, is in test as well",
        "The 30 pairs most likely to be wrong",
        "Decided Rewrite: A new one",
        "A person has decided about 2 pairs: keep 0, drop 1, rewrite 1, move 0.",
        "Fits better =HYPERLINK(1)",
        "98.5% probability of being wrong",
    ):
        assert sentence in found.text
    assert "Blank" not in found.text
    assert len([tag for tag, _ in found.tags if tag == "img"]) == 29


def test_a_small_dataset_without_findings_has_a_page_too() -> None:
    small = checked(4)
    found = page(small)
    assert "The 4 pairs most likely to be wrong" in found.text
    assert "among the first" not in found.text
    assert "A person has decided" not in found.text


def test_the_histogram_counts_every_pair_once() -> None:
    values = np.array([0, 0.049, 0.05, 0.5, 0.999, 1], np.float32)
    bars = check_report.bars(values)
    assert [bar.pairs for bar in bars if bar.pairs] == [2, 1, 1, 2]
    assert bars[-1].pairs == 2
    assert max(bar.height for bar in bars) < 1
    long = "x" * 100_000
    result = checked()
    data = CaptionSet("x", result.data.images, result.data.splits, (long,) * 40, result.data.owner)
    text = check_report.html(
        CheckReport(
            Checked(data, result.evidence, result.probability, result.suggestion, 0.1),
            lambda image: b"",
            Decisions(),
            RECEIPT,
        )
    )
    assert len(text) < 100_000


def test_json_says_what_a_program_decides_by() -> None:
    content = json.loads(check_json.to_json(checked(300, FINDINGS), RECEIPT))
    assert content["suspects"] == 150
    assert content["suspect_share"] == 0.5
    assert content["estimated_wrong_share"] == 0.123
    assert list(content["expected_precision"]) == ["10", "30", "100"]
    assert content["findings"]["Wrong caption"] == 150
    assert content["findings"]["Across splits"] == 1
    assert content["findings"]["Tiny"] == 0
    assert content["leakage"][0] == {"split": "test", "other": "train", "images": 1, "share": 0.25}
    worst = content["worst"]
    assert len(worst) == 100
    assert (worst[0]["image"], worst[0]["suggestion"]) == (ATTACK, FORMULA)
    assert worst[0]["caption"] == f"{ATTACK} ?"
    assert worst[0]["probability"] >= worst[99]["probability"] >= 0.5
    assert content["receipt"]["model"] == ATTACK


def test_a_dataset_without_a_list_becomes_csv_that_runs_nothing() -> None:
    decisions = Decisions().decide((ATTACK, FORMULA), Decision("rewrite", "-1+1"))
    text = checked_table.checked_csv(checked(findings=FINDINGS), decisions)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 40
    assert rows[0] == {
        "image": ATTACK,
        "caption": f"'{FORMULA}",
        "split": "test",
        "wrong_probability": "0.01",
        "findings": "",
        "decision": "rewrite",
        "new_caption": "'-1+1",
        "suggestion": "",
    }
    assert rows[1]["findings"] == "Wrong caption; Markup"
    assert rows[1]["suggestion"] == f"'{FORMULA}"
    assert rows[2]["findings"] == "Across splits"


def test_what_could_not_be_checked_has_its_findings_in_the_list() -> None:
    known = checked_table.verdicts(checked(findings=FINDINGS), Decisions())
    assert known.cells("lost.jpg", ["any caption"])[:2] == [None, "Unreadable"]
    assert known.cells("other.jpg", ["any caption"]) == [None] * 4


def test_of_a_pair_that_comes_twice_the_larger_probability_counts() -> None:
    result = checked(4)
    data = CaptionSet("x", ("a.jpg",), ("",), ("same",) * 4, np.zeros(4, np.intp))
    twice = Checked(data, result.evidence, result.probability, result.suggestion, 0.1)
    cells = checked_table.verdicts(twice, Decisions()).cells("a.jpg", ["same"])
    assert cells[0] == pytest.approx(result.probability.max(), abs=1e-4)
