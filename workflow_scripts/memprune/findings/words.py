"""Numbers in words: how sentences name fractions, intervals, tests and lists."""

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

SIGNIFICANT = 0.05


def percent(fraction: float) -> str:
    """A fraction in percent, with one digit, or two significant ones if it is smaller."""
    value = 100 * fraction
    return f"{value:.1f} %" if abs(value) >= 1 or value == 0 else f"{value:.2g} %"


def counted(extracted: int, samples: int, low: float, high: float) -> str:
    """A count with its fraction and 95 % interval: `50 of 144 (34.7 %, 27.4 to 42.8 %)`."""
    return f"{extracted} of {samples} ({percent(extracted / samples)}, {between(low, high)})"


def between(low: float, high: float, written: Callable[[float], str] = percent) -> str:
    """The ends of an interval: `27.4 to 42.8 %`."""
    ends = written(low), written(high)
    unit = ends[1][ends[1].index(" ") :]
    return f"{ends[0].removesuffix(unit)} to {ends[1]}"


def points(difference: float) -> str:
    """A difference of fractions in percentage points, with its sign."""
    value = 100 * difference
    digits = f"{value:+.1f}" if abs(value) >= 1 or value == 0 else f"{value:+.2g}"
    return digits.replace("-", "−") + " points"


def p_value(p: float, name: str = "p") -> str:
    """A p-value with two significant digits: `p = 0.0021`, `p < 0.0001`."""
    return f"{name} < 0.0001" if p < 1e-4 else f"{name} = {p:.2g}"


def times(ratio: float, low: float, high: float) -> str:
    """A ratio of perplexities, with its interval where that is known."""
    interval = "" if pd.isna(low) else f" ({low:.3g} to {high:.3g})"
    return f"{ratio:.3g} times{interval}"


def listed(names: Sequence[Any]) -> str:
    """Names in a sentence: `a, b and c`."""
    texts = [str(name) for name in names]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def number_of(count: int, noun: str) -> str:
    """A count with its noun, in the plural if it is not one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
