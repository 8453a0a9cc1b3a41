"""The report of results that lack much: a page that says what there is, no chart empty without a word."""

import shutil

import pytest
from browser import CHROMIUM, MISSING, go_to_samples, opened, started
from report_results import fabricate

from memprune.errors import UserError
from memprune.report.render_report import render_report

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason=MISSING), pytest.mark.slow]
ONE = {"models": ("small",), "lengths": (10,)}
MANY = [f"strategy-{number:03}" for number in range(100)]
LACKING = {
    "no evidence": ({}, ["No variant has evidence in this results folder"]),
    "nothing extracted": ({"ease": -20.0}, ["extract no member at any k"]),
    "one model": (ONE, []),
    "no strategy": (ONE | {"strategies": (), "levels": ()}, ["No strategy was run"]),
    "100 strategies": (ONE | {"strategies": MANY, "levels": (0.5,), "samples": 12}, []),
}


@pytest.fixture(scope="module")
def browser():
    with started() as own:
        yield own


@pytest.mark.parametrize("lack", LACKING)
def test_a_page_says_what_there_is(browser, tmp_path, lack):
    changed, words = LACKING[lack]
    spec = fabricate(tmp_path / "results", **changed)
    if lack == "no evidence":
        shutil.rmtree(tmp_path / "results/scores")
    report = tmp_path / "report.html"
    render_report(tmp_path / "results", **spec, texts=True, samples=1000, output=report)
    page = opened(browser, report)
    if lack != "no evidence":
        go_to_samples(page)
    page.wait_for_selector("html[data-drawn=true]", state="attached")
    assert page.told == []
    shown = page.locator("body").inner_text()
    assert all(sentence in shown for sentence in words), shown[:3000]
    for figure in page.locator("figure.chart").all():
        svg = figure.locator("svg[role=img], svg.marks")
        assert svg.count() or len(figure.inner_text().split()) > 12, figure.inner_text()
        assert not svg.count() or svg.locator("path, rect, text").count() > 3
    for table in page.locator("table.data").all():
        assert table.locator("tbody tr").count(), table.inner_text()
    page.close()


def test_results_without_tables_are_a_mistake_in_one_line(tmp_path):
    spec = fabricate(tmp_path / "results", **ONE)
    shutil.rmtree(tmp_path / "results/tables")
    with pytest.raises(UserError, match="no tables yet"):
        render_report(tmp_path / "results", **spec, texts=True, samples=10, output=tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
