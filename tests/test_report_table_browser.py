"""The report's table in a browser: sorted, filtered and taken away as a reader would."""

import csv
import io
import math

import pytest
from browser import CHROMIUM, MISSING, started

from memprune.report import page

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason=MISSING), pytest.mark.slow]
MARKUP = "<img src=x onerror=\"window.ran = true\"><script>window.ran = true</script> & 'so on'"
FRAME = {
    "columns": ["model", "strategy", "fraction", "ci_low", "ci_high", "p_value", "collapsed", "note"],
    "values": [
        ["b", "a", "a", "b", "c"],
        ["global", "dense", "random", None, "global"],
        [0.1, 1 / 3, None, 0.00123456789, 0.25],
        [0.05, 0.3, None, None, 0.2],
        [0.15, 0.4, None, None, 0.3],
        [1e-9, None, 0.04, 0.5, 0.04],
        [True, False, None, False, True],
        ['says "no", twice', "two\r\nlines", MARKUP, "plain", "עברית 🙂"],
    ],
}


@pytest.fixture(scope="module")
def browser():
    with started() as own:
        yield own


@pytest.fixture
def show(browser, tmp_path):
    """A function that shows a table and gives the page; an error in it fails the test."""
    errors = []
    opened = browser.new_page(accept_downloads=True)
    opened.set_default_timeout(10_000)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    scripts = [
        (page.FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in ("blobs", "format", "table")
    ]
    style = (page.FOLDER / "style.css").read_text(encoding="utf-8")
    html = tmp_path / "table.html"
    head = f"<!doctype html><meta charset=utf-8><style>{style}</style>"
    html.write_text(f"{head}<div id=here></div><script>{''.join(scripts)}</script>", encoding="utf-8")

    def with_table(options: dict, frame: dict = FRAME):
        opened.goto(html.as_uri())
        opened.evaluate(
            "([frame, options]) => { window.table = makeTable(document.getElementById('here'),"
            " {caption: 'Some numbers', frame, download: 'some.csv', ...options}); }",
            [frame, options],
        )
        return opened

    yield with_table
    opened.close()
    assert errors == []


def column(shown, place: int) -> list[str]:
    """The cells of a column, as they are seen."""
    return shown.locator(f"tbody tr > :nth-child({place + 1})").all_text_contents()


def press(shown, label: str) -> str:
    """Press a column's head, and say how the table is sorted by it."""
    head = shown.locator("thead th").filter(has=shown.get_by_text(label, exact=True))
    head.get_by_role("button").click()
    return head.get_attribute("aria-sort")


def downloaded(shown) -> str:
    """The CSV that a reader takes away."""
    with shown.expect_download() as download:
        shown.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename == "some.csv"
    return download.value.path().read_bytes().decode()


def test_numbers_sort_as_numbers_with_missing_ones_last_both_ways_and_a_third_press_undoes_it(show):
    shown = show({})
    assert press(shown, "fraction") == "ascending"
    assert column(shown, 2) == [
        "0.12 %",
        "10.0 % [5.0, 15.0]",
        "25.0 % [20.0, 30.0]",
        "33.3 % [30.0, 40.0]",
        "",
    ]
    assert press(shown, "fraction") == "descending"
    assert column(shown, 2)[-2:] == ["0.12 %", ""]
    assert column(shown, 2)[0] == "33.3 % [30.0, 40.0]"
    assert press(shown, "fraction") == "none"
    assert column(shown, 0) == ["b", "a", "a", "b", "c"]


def test_sorting_is_stable(show):
    shown = show({})
    press(shown, "model")
    assert list(zip(column(shown, 0), column(shown, 1), strict=True)) == [
        ("a", "dense"),
        ("a", "random"),
        ("b", "global"),
        ("b", ""),
        ("c", "global"),
    ]
    press(shown, "model")
    assert column(shown, 1) == ["global", "global", "", "dense", "random"]


def test_what_is_searched_and_chosen_is_shown_and_counted(show):
    shown = show({})
    shown.get_by_label("model").select_option("b")
    assert column(shown, 1) == ["global", ""]
    assert shown.get_by_role("status").text_content() == "2 of 5 rows"
    shown.get_by_label("strategy").select_option("(none)")
    assert column(shown, 5) == ["plain"]
    shown.get_by_label("model").select_option("all")
    shown.get_by_label("strategy").select_option("all")
    shown.get_by_role("searchbox").fill("GLOBAL 25.0")
    assert column(shown, 0) == ["c"]
    shown.get_by_role("searchbox").fill("nothing of that kind")
    assert (
        shown.locator("tbody").text_content()
        == "No row is left by what is searched and chosen, here and above the charts."
    )
    assert shown.get_by_role("status").text_content() == "0 of 5 rows"


def test_the_csv_has_what_is_shown_in_its_order_with_all_columns_and_digits(show):
    shown = show({})
    press(shown, "p value")
    shown.get_by_label("collapsed").select_option("no")
    text = downloaded(shown)
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert head == FRAME["columns"]
    given = list(zip(*FRAME["values"], strict=True))
    expected = [given[3], given[1]]
    assert [[row[0], row[1], row[7]] for row in rows] == [[r[0], r[1] or "", r[7]] for r in expected]
    for row, wanted in zip(rows, expected, strict=True):
        for place in (2, 3, 4, 5):
            found = float(row[place]) if row[place] else None
            assert found == wanted[place]
    assert text.count("\r\n") == 1 + len(rows) + 1  # one of them stands in a quoted field
    everything = downloaded(show({}))
    assert '"says ""no"", twice"' in everything
    assert '"two\r\nlines"' in everything


def test_markup_in_a_value_is_text_in_cells_heads_choices_and_captions(show):
    frame = {"columns": [MARKUP, "x"], "values": [[MARKUP, "other"], [1, 2]]}
    shown = show({"caption": MARKUP}, frame)
    shown.wait_for_timeout(50)
    assert column(shown, 0) == [MARKUP, "other"]
    assert shown.locator("caption").text_content() == MARKUP
    assert shown.locator("option").nth(1).text_content() in (MARKUP, "other")
    assert shown.locator("#here img, #here script").count() == 0
    assert shown.evaluate("window.ran") is None


def test_a_long_table_stands_in_pages_and_the_csv_has_all_of_them(show):
    frame = {"columns": ["n", "half"], "values": [list(range(250)), [n / 2 for n in range(250)]]}
    shown = show({}, frame)
    assert shown.locator("tbody tr").count() == 100
    assert shown.get_by_role("status").text_content() == "250 of 250 rows; rows 1 to 100 stand below"
    for _ in range(2):
        shown.get_by_role("button", name="Next rows").click()
    assert column(shown, 0) == [str(n) for n in range(200, 250)]
    assert shown.get_by_role("button", name="Next rows").is_disabled()
    rows = list(csv.DictReader(io.StringIO(downloaded(shown))))
    assert [float(row["half"]) for row in rows] == [n / 2 for n in range(250)]
    shown.get_by_role("searchbox").fill("249")
    shown.get_by_role("button", name="Next rows").wait_for(state="hidden")


def test_an_empty_table_says_so(show):
    shown = show({"empty": "Nothing was compared."}, {"columns": ["a"], "values": [[]]})
    assert shown.locator("tbody").text_content() == "Nothing was compared."
    assert downloaded(shown) == "a\r\n"


def test_what_is_chosen_elsewhere_applies_after_a_refresh(show):
    shown = show({})
    shown.evaluate(
        "(frame) => { window.only = 'a'; window.table = makeTable(document.getElementById('here'),"
        " {caption: 'c', frame, keep: (row) => row.model === window.only}); }",
        FRAME,
    )
    assert column(shown, 0) == ["a", "a"]
    shown.evaluate("window.only = 'c'; table.refresh()")
    assert column(shown, 0) == ["c"]
    assert shown.get_by_role("button", name="Download CSV").count() == 0


def test_numbers_are_written_by_the_kind_of_their_column(show):
    frame = {
        "columns": ["variant_bytes", "p_holm", "context_length", "token_perplexity", "sparsity"],
        "values": [[2133824], [1e-9], [1000], [108.38867842298413], [0.5]],
    }
    shown = show({}, frame)
    cells = [column(shown, place)[0] for place in range(5)]
    assert cells == ["2.13 MB", "< 0.0001", "1000", "108.4", "50.0 %"]
    assert math.isclose(float(downloaded(shown).splitlines()[1].split(",")[3]), 108.38867842298413, rel_tol=0)
