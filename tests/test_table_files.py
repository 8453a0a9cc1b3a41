"""Tables as CSV, Markdown and LaTeX: the first comes back as it was, the others are read by people."""

import re

import numpy as np
import pandas as pd
import pytest
from pandas.io.formats.style_render import _escape_latex

from memprune.findings.how_to_read import HOW_TO_READ
from memprune.findings.table_files import PAGE, escaped, for_readers, write_readme, write_table

SENTENCE = "What 5 % of a_b & c say."
TABLE = pd.DataFrame(
    {
        "model": pd.Categorical(["a_1", "50%", "p|q"]),
        "level": [0.0, 0.3000000001, 1e-05],
        "duplicates": pd.array([1, None, 4], "Int64"),
        "extracted": [0, 12345, 96],
        "fraction": [0.0, 0.123456, 1.0],
        "ci_low": [0.0, 0.1, 0.96],
        "ci_high": [0.04, 0.2, 1.0],
        "ratio": [1.5, np.nan, 2.0],
        "ratio_ci_low": [1.25, np.nan, np.nan],
        "ratio_ci_high": [1.75, np.nan, np.inf],
        "near_tie": [1, 2, 3],
        "near_tie_fraction": [0.1, 0.2, 0.3],
        "near_tie_ci_low": [0.05, 0.1, 0.2],
        "near_tie_ci_high": [0.2, 0.3, 0.4],
        "on_frontier": [True, False, True],
        "beaten_by": [None, "a_1 dense", None],
        "token_perplexity": [1234567.0, 12.3456, np.inf],
    }
)


@pytest.fixture
def written(tmp_path) -> dict[str, str]:
    write_table(TABLE, "t", SENTENCE, tmp_path)
    return {ending: (tmp_path / f"t.{ending}").read_text() for ending in ("csv", "md", "tex")}


def cells_of(markdown: str) -> list[list[str]]:
    """The cells of a table in Markdown, its head first."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert all(set(cell) <= set(":-") for cell in rows[1])
    return [rows[0], *rows[2:]]


def test_the_csv_comes_back_equal(written, tmp_path):
    read = pd.read_csv(tmp_path / "t.csv", dtype={"duplicates": "Int64", "model": str})
    expected = TABLE.astype({"model": str})
    pd.testing.assert_frame_equal(read, expected, check_dtype=False)
    assert "nan" not in written["csv"].lower()


def test_markdown_has_the_sentence_and_a_table_that_people_read(written):
    assert written["md"].startswith(f"{SENTENCE}\n\n|")
    head, *rows = cells_of(written["md"])
    assert head == [
        "model", "level", "duplicates", "extracted", "fraction", "ratio", "near_tie", "near_tie_fraction",
        "on_frontier", "beaten_by", "token_perplexity",
    ]  # fmt: skip
    numbers = ["0", "1", "0", "0 [0, 0.04]", "1.5 [1.25, 1.75]", "1", "0.1 [0.05, 0.2]"]
    assert rows[0] == ["a_1", *numbers, "yes", "", "1.235e+06"]
    numbers = ["0.3000000001", "", "12345", "0.1235 [0.1, 0.2]", "", "2", "0.2 [0.1, 0.3]"]
    assert rows[1] == ["50%", *numbers, "no", "a_1 dense", "12.35"]
    numbers = ["1e-05", "4", "96", "1 [0.96, 1]", "2 [, inf]", "3", "0.3 [0.2, 0.4]"]
    assert rows[2] == [r"p\|q", *numbers, "yes", "", "inf"]


def test_latex_has_the_same_cells_escaped(written):
    latex = written["tex"]
    assert r"\caption{What 5 \% of a\_b \& c say.}" in latex
    for word in ("toprule", "midrule", "bottomrule", "begin{tabular}", "end{tabular}", "end{table}"):
        assert latex.count(f"\\{word}") == 1
    body = latex.split("\\toprule\n")[1].split("\\bottomrule")[0].replace("\\midrule\n", "")
    rows = [line.removesuffix(r" \\").split(" & ") for line in body.splitlines()]
    shown = for_readers(TABLE)
    assert rows == [[escaped(cell) for cell in row] for row in [[*shown], *shown.to_numpy().tolist()]]
    assert rows[2][:2] == [r"50\%", "0.3000000001"]
    assert re.search(r"\{l{11}\}", latex)


@pytest.mark.parametrize("text", ["a_b", "50 %", "#1 & $2", "{x}", "plain", "~a^b\\c", "a|b"])
def test_escaping_says_the_same_as_pandas(text):
    ours, theirs = (t.replace("{}", "").replace(" ", "") for t in (escaped(text), _escape_latex(text)))
    assert ours == theirs


def test_a_long_table_breaks_over_pages_and_an_empty_one_is_written(tmp_path):
    write_table(pd.DataFrame({"n": range(PAGE + 1)}), "long", SENTENCE, tmp_path)
    latex = (tmp_path / "long.tex").read_text()
    assert latex.count("longtable") == 2
    assert latex.index(r"\endhead") < latex.index("\n0 \\\\")
    write_table(TABLE.head(0), "none", SENTENCE, tmp_path)
    assert len(cells_of((tmp_path / "none.md").read_text())) == 1
    assert pd.read_csv(tmp_path / "none.csv").columns.to_list() == TABLE.columns.to_list()
    assert r"\midrule" in (tmp_path / "none.tex").read_text()


def test_the_list_of_tables_has_their_sentences(tmp_path):
    write_readme({"t": SENTENCE, "u": "A | b."}, tmp_path)
    assert cells_of((tmp_path / "README.md").read_text()) == [
        ["table", "how to read it"], ["[t](t.md)", SENTENCE], ["[u](u.md)", r"A \| b."],
    ]  # fmt: skip


def test_each_table_is_explained_in_one_sentence():
    for name, sentence in HOW_TO_READ.items():
        assert re.fullmatch(r"[A-Z][^\n]*[^.\s]\.", sentence), name
        assert not re.search(r"\. [A-Z]", sentence), name
        assert sentence.isascii(), name  # as LaTeX of any age prints it
