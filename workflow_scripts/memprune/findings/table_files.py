"""A table as CSV for machines, as Markdown and LaTeX for readers, with one sentence saying how to read it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from tabulate import tabulate

ENDINGS = ("csv", "md", "tex")
DIGITS = {"level": 12}  # significant ones that a reader sees, of other numbers four: a level is a label
PAGE = 40  # rows; a longer table breaks over pages in LaTeX
LATEX = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
)


def write_table(table: pd.DataFrame, name: str, sentence: str, folder: Path) -> None:
    """Write `{name}.csv`, `.md` and `.tex` into the folder.

    The CSV has all digits and all columns; the others are `for_readers` and say the sentence.
    """
    table.to_csv(folder / f"{name}.csv", index=False)
    shown = for_readers(table)
    (folder / f"{name}.md").write_text(f"{sentence}\n\n{markdown(shown)}\n")
    (folder / f"{name}.tex").write_text(latex(shown, sentence))


def write_readme(sentences: Mapping[str, str], folder: Path) -> None:
    """Write `README.md` into the folder: what stands in each file, and how to read it."""
    links = [f"[{name}]({name}.md)" for name in sentences]
    files = pd.DataFrame({"table": links, "how to read it": sentences.values()})
    (folder / "README.md").write_text(f"# Tables\n\n{markdown(files)}\n")


def for_readers(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text: four significant digits, an interval beside its estimate, nothing where null is.

    `0.125 [0.08, 0.19]` stands in the column of the estimate, and the interval's own two are left out. An
    estimate is named as its interval is (`ratio` of `ratio_ci_low`) or is a fraction (`fraction` of `ci_low`,
    `near_tie_fraction` of `near_tie_ci_low`).
    """
    texts = {name: as_texts(table[name], DIGITS.get(name, 4)) for name in table}
    for low in [name for name in table if name == "ci_low" or name.endswith("_ci_low")]:
        stem = low.removesuffix("ci_low")
        estimate = next((name for name in (f"{stem}fraction", stem.rstrip("_")) if name in texts), None)
        if estimate and (high := f"{stem}ci_high") in texts:
            ends = zip(texts[estimate], texts.pop(low), texts.pop(high), strict=True)
            texts[estimate] = [f"{value} [{a}, {b}]" if a or b else value for value, a, b in ends]
    return pd.DataFrame(texts)


def as_texts(values: pd.Series, digits: int) -> list[str]:
    """The values as a reader sees them."""

    def text(value: object) -> str:
        if isinstance(value, float):
            return f"{value:.{digits}g}"
        return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)

    nulls = values.isna()
    return ["" if null else text(value) for value, null in zip(values.tolist(), nulls, strict=True)]


def markdown(shown: pd.DataFrame) -> str:
    """A table of texts in Markdown."""
    rows = [[cell.replace("|", "\\|") for cell in row] for row in rows_of(shown)]
    heads = [name.replace("|", "\\|") for name in shown]
    return tabulate(rows, heads, tablefmt="pipe", disable_numparse=True)


def latex(shown: pd.DataFrame, sentence: str) -> str:
    """A table of texts in LaTeX with the packages booktabs and, of more than a page, longtable.

    Of pandas and tabulate, which write LaTeX too, the first takes a second for each thousand rows and the
    second has no captions.
    """
    heads, *rows = [line_of(cells) for cells in ([*shown], *rows_of(shown))]
    caption, columns = f"\\caption{{{escaped(sentence)}}}", "l" * shown.shape[1]
    head, body = ["\\toprule", heads, "\\midrule"], [*rows, "\\bottomrule"]
    if len(rows) > PAGE:
        begin = [f"\\begin{{longtable}}{{{columns}}}", f"{caption} \\\\", *head, "\\endhead"]
        lines = [*begin, *body, "\\end{longtable}"]
    else:
        begin = ["\\begin{table}", caption, f"\\begin{{tabular}}{{{columns}}}", *head]
        lines = [*begin, *body, "\\end{tabular}", "\\end{table}"]
    return "\n".join(lines) + "\n"


def rows_of(shown: pd.DataFrame) -> Sequence[Sequence[str]]:
    """The rows of a table of texts."""
    return shown.to_numpy(object).tolist()


def line_of(cells: Sequence[str]) -> str:
    """A row of a LaTeX table."""
    return " & ".join(map(escaped, cells)) + r" \\"


def escaped(text: str) -> str:
    """Text as LaTeX prints it."""
    return text.translate(LATEX)
