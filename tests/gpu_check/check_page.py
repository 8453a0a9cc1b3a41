"""The page that tells what all checks have found, in Markdown."""

from collections.abc import Iterable, Mapping

from finding import Finding


def page(facts: Mapping[str, str], found: Mapping[str, Iterable[Finding]], seconds: float) -> str:
    """The facts about the machine, a row for each finding by its check, and the seconds that all took."""
    rows = [
        (": ".join(filter(None, (name, one.case))), one.found, one.allowed, one.verdict)
        for name, findings in found.items()
        for one in findings
    ]
    return "\n".join(
        [
            "# make check-gpu",
            "",
            *table(("", ""), facts.items()),
            "",
            *table(("check", "what was found", "allowed", "verdict"), rows),
            "",
            f"{seconds:.0f} seconds.",
            "",
        ]
    )


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """The lines of a table."""
    header = list(header)
    return [line(header), line(["---"] * len(header)), *map(line, rows)]


def line(cells: Iterable[str]) -> str:
    """A row of a table; a stroke in a cell ends none."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
