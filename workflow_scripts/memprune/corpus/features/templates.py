"""Texts that go on by a rule that they show themselves: they repeat, or their numbers count up or down.

These are the templates of Prashanth et al. 2024, arXiv 2406.17746, which a model can go on with that has
never seen them.
"""

import re
from collections.abc import Sequence

import numpy as np

LEFT_OFF = 2  # tokens at the end that need not repeat
NUMBER = re.compile(r"\d+(?:\.\d+)?")
LEAST_DIGITS = 0.05  # of a text's characters
LEAST_NUMBERS = 6
LEAST_STEPS = 3  # numbers of each of the sequences that take turns


def repeats(tokens: Sequence[int]) -> bool:
    """Whether a chunk of tokens stands twice or more in a row, the last time perhaps in part, up to the end.

    Up to half of the tokens may be left off at the beginning, and `LEFT_OFF` at the end.
    """
    ids = np.asarray(tokens)
    ends = range(len(ids), max(len(ids) - LEFT_OFF, 2) - 1, -1)
    latest = max(len(ids) // 2 - 1, 0)
    return any(ends_in_turns(ids[:end], latest) for end in ends)


def ends_in_turns(ids: np.ndarray, latest: int) -> bool:
    """Whether a chunk stands twice or more in a row up to the end, from some token up to `latest` on."""
    lags = np.arange(1, len(ids) // 2 + 1)
    for period in lags[ids[-1 - lags] == ids[-1]]:
        start = min(latest, len(ids) - 2 * period)
        if np.array_equal(ids[start:-period], ids[start + period :]):
            return True
    return False


def increments(text: str) -> bool:
    """Whether the numbers in a text, in turn, belong to sequences that rise, fall or stay, and not all stay.

    A text with fewer digits or numbers than there are in a list of them does not. The first and the last
    number do not count: the window may cut them.
    """
    if sum(map(str.isdecimal, text)) < LEAST_DIGITS * len(text):
        return False
    numbers = np.array([float(number) for number in NUMBER.findall(text)[1:-1]])
    if len(numbers) < LEAST_NUMBERS:
        return False
    return any(take_turns(numbers, turns) for turns in range(1, len(numbers) // LEAST_STEPS + 1))


def take_turns(numbers: np.ndarray, turns: int) -> bool:
    """Whether so many sequences in turn each rise, fall or stay at every step, and not all of them stay."""
    with np.errstate(invalid="ignore"):  # of two numbers too long to be told apart
        steps = np.sign(numbers[turns:] - numbers[:-turns])
    is_steady = all((own == own[0]).all() for own in (steps[turn::turns] for turn in range(turns)))
    return is_steady and bool(steps.any())
