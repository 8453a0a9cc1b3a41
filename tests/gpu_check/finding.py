"""What a check has found: a row of the page."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found of a case and what is allowed, in words, and whether it holds; None: not tried here."""

    case: str
    found: str
    allowed: str
    holds: bool | None

    @property
    def verdict(self) -> str:
        """The last word of the row."""
        return {True: "holds", False: "FAILS", None: "not here"}[self.holds]


def not_here(case: str, why: str) -> Finding:
    """A case that this machine cannot try."""
    return Finding(case, why, "", None)
