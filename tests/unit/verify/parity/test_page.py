"""The page: all that was found, nothing from elsewhere, and names that are only names."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mlimage.verify.parity.latency import Latency, parse_budget
from mlimage.verify.parity.model import PARTS, Report
from mlimage.verify.parity.page import as_page
from mlimage.verify.parity.plots import histogram, scale_of
from mlimage.verify.parity.verify import Against
from support.verifying import SUBJECT, checked, golden, here, image, probe, report, verdict

HOSTILE = "<script>alert(1)</script>\"'&.json"
VOID = {"meta", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """Its text and its tags; fails where tags do not close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


@pytest.fixture(scope="module")
def full() -> Report:
    own = checked(
        verdict(HOSTILE, "features", 1e-4),
        verdict("two.json", "features", None, "it is <b>missing</b>"),
        verdict("three.json", "outputs", 3e-16),
        changed={"preprocess": {"app/<i>.py": "it is not the file of the record"}},
    )
    theirs = {**here(), "libc": {**here()["libc"], "version": "<2.20>"}}
    found = report(
        image(record=golden("one.json", HOSTILE), verify=own),
        against=Against(name="`<u>.json`", fingerprint=theirs, probe=probe()),
        budget=parse_budget("p99=1ms"),
    )
    return replace(found, subject=replace(SUBJECT, name="<demo>:cpu"))


def test_all_is_there_and_well_formed(full: Report) -> None:
    page = Page(as_page(full))
    for name in PARTS:
        assert name in page.texts
    for case in (HOSTILE, "two.json", "three.json", "one.json"):
        assert case in page.texts
    assert "1.0e-04 of 1.0e-10" in page.texts
    assert "it is <b>missing</b>" in page.texts
    assert "<2.20>" in page.texts
    assert "app/<i>.py" in page.texts
    assert page.tags.count("svg") == len(full.verdicts) + 1


def test_the_worst_case_stands_first() -> None:
    errors = (("usual.json", 0.0), ("noise.json", 3e-12), ("far.json", 0.2), ("near.json", 2e-10))
    cases = [
        *(verdict(case, "features", error) for case, error in errors),
        verdict("lost.json", "features", None, "it is missing"),
    ]
    page = Page(
        as_page(report(image(record=golden(*(each["case"] for each in cases)), verify=checked(*cases))))
    )
    told = [text for text in page.texts if text.endswith(".json")][: len(cases)]
    assert told == ["lost.json", "far.json", "near.json", "noise.json", "usual.json"]


def test_names_are_no_markup(full: Report) -> None:
    text = as_page(full)
    assert "script" not in Page(text).tags
    assert not {"b", "i", "u", "demo"} & set(Page(text).tags)
    assert "<script" not in text


def test_nothing_is_from_elsewhere(full: Report) -> None:
    text = as_page(full)
    assert not re.search(r"https?:|//|@import|url\(", text)
    assert {name for name, _ in Page(text).attributes} & {
        "src",
        "href",
        "srcset",
        "action",
        "onload",
    } == set()


def test_it_is_made_for_phones_and_paper(full: Report) -> None:
    text = as_page(full)
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    for query in ("@media print", "prefers-color-scheme: dark", "max-width: 40rem"):
        assert query in text
    assert not re.search(r"(?<!-)\bwidth: *\d+px", text)


def test_a_report_of_little() -> None:
    page = Page(as_page(report(image(), "features")))
    assert page.tags.count("svg") == 0
    assert "SKIPPED" in page.texts


def test_errors_stand_on_a_logarithmic_axis() -> None:
    scale = scale_of([0.0, 1e-10, 1e-4, float("inf")])
    assert (scale.low, scale.high) == (-11, -3)
    assert [scale.at(value) for value in (0.0, 1e-11, 1e-7, 1e-3, float("inf"))] == [
        2.0,
        14.0,
        50.0,
        86.0,
        98.0,
    ]
    assert scale.labels() == (("0", 2.0), ("1e-11", 14.0), ("1e-7", 50.0), ("1e-3", 86.0), ("∞", 98.0))
    assert scale_of([0.0, float("nan")]) == scale_of([])
    ends = scale_of([5e-324, 1.7e308])
    assert ends.labels()[-2] == ("1e308", 86.0)
    assert 0 < ends.at(5e-324) < ends.at(1.7e308)


def test_a_histogram_has_every_value_and_room_for_its_marks() -> None:
    found = histogram((0.001, 0.001, 0.004), (0.05,))
    assert [bar.height for bar in found.bars] == [100.0, 50.0]
    assert found.at(0.05) == pytest.approx(100 / 1.02, abs=0.01)
    one = histogram(Latency(seconds=(0.2,), warm_up=0).seconds)
    assert [bar.x + bar.width <= 100 for bar in one.bars] == [True]
