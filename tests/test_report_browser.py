"""The report as a reader uses it, in a browser: what it shows; that it runs and asks nothing."""

import base64
import csv
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import CHROMIUM, MISSING, go_to_samples, opened, started
from report_results import HOSTILE, SUFFIX, fabricate

from memprune.metrics.score_files import read_samples
from memprune.report.render_report import render_report

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason=MISSING), pytest.mark.slow]
NAMES = ["dense", "global@0.3", "global@0.6", "attention-only@0.3", "attention-only@0.6"]
BLOB = re.compile(r'<script type="text/plain" id="blob-([^"]+)">([^<]*)</script>')


def render(folder: Path, spec: dict, texts: bool = True, samples: int = 1000) -> Path:
    """The report of results in a folder."""
    render_report(folder, **spec, texts=texts, samples=samples, output=folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> tuple[Path, dict]:
    """Results of a corpus that means harm, and what renders them."""
    folder = tmp_path_factory.mktemp("report") / "hostile"
    return folder, fabricate(folder)


@pytest.fixture(scope="module")
def report(results) -> Path:
    return render(*results)


@pytest.fixture(scope="module")
def browser():
    with started() as own:
        yield own


def blobs_of(report: Path) -> dict[str, bytes]:
    """The data in a page, by name."""
    found = BLOB.findall(report.read_text())
    return {name: gzip.decompress(base64.b64decode(content)) for name, content in found}


def choose(page, **values: str) -> None:
    """Set filters of samples, and wait until they are applied."""
    form = page.locator("#sample-filters")
    for name, value in values.items():
        field = form.locator(f"[name={name}]")
        field.select_option(value) if name != "search" else field.fill(value)
    page.wait_for_function("new Promise(done => setTimeout(() => done(true), 500))")


def count_of(page) -> int:
    """How many samples are as the filters ask."""
    return int(page.locator("#samples-found").inner_text().split()[0])


def test_nothing_of_a_corpus_runs_and_nobody_is_asked(browser, report):
    page = opened(browser, report)
    go_to_samples(page)
    for details in page.locator("#sample-list details").all():
        details.evaluate("own => { own.open = true; }")
        details.locator(".variants").wait_for()
    assert page.evaluate("window.harmed") is None
    assert page.told == []
    text = page.locator("#all-samples").inner_text()
    assert "<script>window.harmed = true</script>" in text
    assert page.locator("#all-samples img, #all-samples style").count() == 0
    choose(page, search="turned around")
    assert "‹U+202E›turned around" in page.locator("#sample-list").inner_text()
    page.close()


REQUESTS = {
    "fetch": "await fetch('https://example.org/')",
    "image": "await new Promise((done, fail) => Object.assign(new Image(), {"
    " onload: done, onerror: fail, src: 'https://example.org/x.png' }))",
    "socket": "await new Promise((done, fail) => Object.assign(new WebSocket('wss://example.org/'), {"
    " onopen: done, onerror: fail }))",
    "function": "new Function('return 1')()",
    "eval": "(0, eval)('1')",
}
# Run later, by the page itself: what a driver evaluates is let pass.
LATER = """new Promise((told) => setTimeout(async () => {
  try { %s; told('done'); } catch (error) { told('refused'); }
}))"""
INJECTED = """() => document.body.append(Object.assign(document.createElement('script'), {
  textContent: 'window.harmed = true' }))"""


@pytest.mark.parametrize("attempt", REQUESTS.values(), ids=REQUESTS)
def test_the_policy_forbids_requests_and_code_from_text(browser, report, attempt):
    page = opened(browser, report)
    page.evaluate(INJECTED)
    assert page.evaluate("window.harmed") is None
    assert page.evaluate(LATER % attempt) == "refused"
    assert any("Content Security Policy" in told for told in page.told)
    page.close()


def test_samples_are_searched_filtered_ordered_and_taken_away(browser, report, results, tmp_path):
    folder, _ = results
    page = opened(browser, report)
    go_to_samples(page)
    table, _ = read_samples(folder / "scores/small/dense.memorization.parquet")
    extracted = {}
    for name in NAMES:
        table, rows = read_samples(folder / f"scores/small/{name}.memorization.parquet")
        at_600 = np.asarray(table["context_length"]) == 600
        extracted[name] = (rows.rank == 0).all(axis=1)[at_600]
    about = table.filter(at_600).select(["sample", "split", "subset"]).to_pandas()
    assert count_of(page) == len(about)
    choose(page, dense="yes")
    assert count_of(page) == extracted["dense"].sum()
    choose(page, forgotten="2", kept="1")
    wanted = extracted["dense"] & ~extracted["global@0.6"] & extracted["global@0.3"]
    assert 0 < count_of(page) == wanted.sum()
    with page.expect_download() as download:
        page.locator("#samples-csv").click()
    download.value.save_as(tmp_path / "samples.csv")
    with open(tmp_path / "samples.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(int(row["sample"]) for row in rows) == sorted(about["sample"][wanted])
    assert all(int(row["matched dense"]) == SUFFIX > int(row["matched global@0.6"]) for row in rows)
    choose(page, dense="", forgotten="", kept="", subset="<b>Bold</b>")
    assert count_of(page) == (about.subset == "<b>Bold</b>").sum()
    choose(page, subset="", search="REStructuredtext")
    assert count_of(page) == 1
    choose(page, search="no text has this")
    assert page.locator("#samples-found").inner_text().startswith("No sample is what you ask for")
    page.close()


def test_the_first_mismatch_is_marked_where_greedy_decoding_leaves_the_true_suffix(browser, report, results):
    folder, _ = results
    page = opened(browser, report)
    go_to_samples(page)
    choose(page, sort="order")
    page.locator("#sample-member-0-1 > summary").click()
    page.wait_for_selector("#sample-member-0-1 .variants")
    for row in page.locator("#sample-member-0-1 tbody tr").all():
        name = row.locator("th").inner_text().split()[0]
        table, rows = read_samples(folder / f"scores/small/{name}.memorization.parquet")
        own = (np.asarray(table["sample"]) == 1) & (np.asarray(table["context_length"]) == 600)
        matched = int(np.cumprod(rows.rank[own][0] == 0).sum())
        words = f"{matched} of {SUFFIX}" + (" extracted" if matched == SUFFIX else "")
        assert " ".join(row.locator("td").first.inner_text().split()) == words
        tokens = row.locator(".shaded > *")
        assert tokens.count() == SUFFIX
        marked = [
            at for at, token in enumerate(tokens.all()) if token.evaluate("own => own.tagName") == "MARK"
        ]
        assert marked == ([matched] if matched < SUFFIX else [])
    page.close()


def test_a_sample_opens_by_keyboard_and_by_its_address(browser, report):
    page = opened(browser, report)
    go_to_samples(page)
    summary = page.locator("#sample-list details > summary").first
    summary.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#sample-list details[open] .variants")
    page.goto(f"{report.as_uri()}#sample-non_member-0-40")
    page.reload()
    page.wait_for_selector("#sample-non_member-0-40[open] .variants")
    page.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_screen_reader_can_read_it(browser, report, theme):
    page = opened(browser, report, theme=theme)
    go_to_samples(page)
    page.locator("#sample-list details > summary").first.click()
    page.wait_for_selector("#sample-list details[open] .variants")
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    grave = [own for own in found if own["impact"] in ("serious", "critical")]
    assert [(own["id"], own["nodes"][0]["html"][:200]) for own in grave] == []
    page.close()


def test_a_phone_scrolls_down_only(browser, report):
    page = opened(browser, report, width=360)
    go_to_samples(page)
    page.locator("#sample-list details > summary").first.click()
    page.wait_for_selector("#sample-list details[open] .variants")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 360
    page.close()


def test_print_leaves_controls_out(browser, report):
    page = opened(browser, report)
    page.emulate_media(media="print")
    for control in ("#filters", "nav", "#theme"):
        assert not page.locator(control).first.is_visible()
    assert page.locator(".headline").is_visible()
    page.close()


def test_without_texts_none_is_in_the_page(browser, results, tmp_path):
    folder, spec = results
    render_report(folder, **spec, texts=False, samples=1000, output=tmp_path / "report.html")
    content = (tmp_path / "report.html").read_bytes() + b"".join(blobs_of(tmp_path / "report.html").values())
    assert not any(text.encode() in content or json.dumps(text)[1:-1].encode() in content for text in HOSTILE)
    assert b"reStructuredText" not in content
    page = opened(browser, tmp_path / "report.html")
    go_to_samples(page)
    assert "leaves the corpus's text out of this report" in page.locator("#all-samples").inner_text()
    page.locator("#sample-list details > summary").first.click()
    page.wait_for_selector("#sample-list details[open] .variants")
    tokens = page.locator("#sample-list details[open] .shaded").first.locator("> *")
    assert tokens.all_inner_texts() == [str(token + 1) for token in range(SUFFIX)]
    page.close()


def test_charts_and_tables_follow_what_is_chosen(browser, report):
    page = opened(browser, report)
    page.wait_for_selector("html[data-drawn=true]", state="attached")
    chart = page.locator("#chart-first")
    chart.locator("summary", has_text="The numbers").click()
    rows = chart.locator("details tbody tr")
    both = rows.count()
    assert both == 2 * 5 == len(set(rows.all_inner_texts()))
    page.locator("#filters input[name=model][value=large]").uncheck()
    page.wait_for_function("document.querySelectorAll('#chart-first details tbody tr').length === 5")
    assert all(text.startswith("small") for text in rows.all_inner_texts())
    page.locator("#filters button[data-none=strategy]").click()
    page.wait_for_function("document.querySelectorAll('#chart-first details tbody tr').length === 1")
    tables = page.locator("#all-tables table.data").first
    assert tables.locator("tbody tr").count() == 1
    page.locator("#filters input[name=model][value=small]").uncheck()
    page.wait_for_function("!document.querySelector('#chart-first svg')")
    assert len(chart.inner_text().split()) > 12
    assert page.told == []
    page.close()


def test_a_chart_of_categories_shows_the_feature_that_is_chosen(browser, report):
    page = opened(browser, report)
    page.wait_for_selector("html[data-drawn=true]", state="attached")
    chart = page.locator("figure", has_text="Memorization by category")
    chart.scroll_into_view_if_needed()
    chart.locator("summary", has_text="The numbers").click()
    rows = chart.locator("details tbody tr")
    assert all("up to" in text or " to " in text or "above" in text for text in rows.all_inner_texts())
    chart.locator("label", has_text="By").locator("select").select_option(label="code or prose")
    rows.filter(has_text="prose").first.wait_for()
    told = rows.all_inner_texts()
    named = [sum(name in text for text in told) for name in ("prose", "code", "not known")]
    assert named == [len(told) / 3] * 3
    assert page.told == []
    page.close()


def test_a_point_tells_its_counts_and_interval(browser, report, results):
    page = opened(browser, report)
    page.wait_for_selector("html[data-drawn=true]", state="attached")
    page.locator("#chart-first").scroll_into_view_if_needed()
    point = page.locator("#chart-first .mark-symbol path[fill]:not([fill=transparent])").first
    point.hover(force=True)
    page.wait_for_selector(".tooltip:not([hidden])")
    told = page.locator(".tooltip").inner_text()
    assert re.search(r"\d+ (of|/) 32", told), told
    assert "%" in told
    page.close()


def test_a_continuation_has_its_first_difference_marked(browser, report, results):
    folder, _ = results
    written = pd.read_parquet(folder / "measures/small/generation.parquet")
    page = opened(browser, report)
    go_to_samples(page)
    near = written[(written.strategy == "dense") & written.near_verbatim_10]
    choose(page, near="0")
    assert count_of(page) == len(near)
    choose(page, near="", sort="order")
    page.locator("#sample-member-0-1 > summary").click()
    page.wait_for_selector("#sample-member-0-1 .variants")
    for name, own in zip(NAMES, page.locator("#sample-member-0-1 tbody tr").all(), strict=True):
        strategy, level = name.split("@") if "@" in name else (name, 0)
        row = written[
            (written.strategy == strategy) & (written.level == float(level)) & (written["sample"] == 1)
        ].iloc[0]
        shown = own.locator(".continuation")
        assert shown.locator("mark").count() == (row.rouge_l < 1)
        assert "".join(shown.inner_text().split()) == "".join(row.continuation.split())
    page.close()
