"""Screening: a fast type's margins settle what float32 would say of most suffixes; float32 scores the others.

A suffix is extracted exactly when the true token is the greedy choice throughout. Where no margin of the fast
type is off by more than a bound, one below minus the bound settles that it is not, and all above the bound
that it is. The bound is a multiple of the largest deviation on some of the variant's samples, drawn at random
and scored in both types; a random part of what is settled is scored in float32 as well, to contradict it.
Source: ours.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from memprune.scoring.evidence import Evidence

CALIBRATING, LEAST = 0.01, 8  # of the samples, and how many at least, that a bound is calibrated on
MULTIPLE = 2.0  # of the largest deviation on them
AUDITED = 0.01  # of the samples that are settled, one at least
# What became of a row: its evidence is the fast type's where it is settled, float32's in all other cases.
SETTLED, RESCORED, AUDITED_TOO, CONTRADICTED = "settled", "re-scored", "audited", "contradicted"

Score = Callable[[np.ndarray], Evidence]


@dataclass(frozen=True)
class Screened:
    """The evidence on some samples, a row for each sample and context length, a sample's together.

    `outcome` tells what became of each row, and so in which type its evidence was computed (texts).
    """

    evidence: Evidence
    outcome: np.ndarray


def calibrating_rows(tokens: np.ndarray) -> np.ndarray:
    """The rows of samples × tokens that a bound is calibrated on: some at random, always the same ones."""
    return np.sort(drawn_from(tokens).permutation(len(tokens))[: calibrating_count(len(tokens))])


def calibrating_count(samples: int) -> int:
    """How many of so many samples a bound is calibrated on."""
    return min(samples, max(LEAST, math.ceil(CALIBRATING * samples)))


def bound_from(fast: Evidence, exact: Evidence) -> float:
    """`MULTIPLE` times the largest deviation of a margin between two types on the same rows, in logits."""
    return MULTIPLE * float(np.abs(fast.margin - exact.margin).max())


def is_settled(margin: np.ndarray, bound: float) -> np.ndarray:
    """Which rows of margins (rows × suffix) say what float32's do, if none is off by more than the bound."""
    return (margin < -bound).any(axis=1) | (margin > bound).all(axis=1)


def screen(tokens: np.ndarray, bound: float, fast: Score, exact: Score) -> Screened:
    """Score samples (samples × tokens) by `fast`, and by `exact` where that does not settle them.

    A sample is settled when it is at all of its context lengths. `bound` is in logits.
    """
    found = fast(tokens)
    lengths = len(found.margin) // len(tokens)
    settled = is_settled(found.margin, bound).reshape(len(tokens), lengths).all(axis=1)
    audited = audited_samples(settled, drawn_from(tokens))
    again = np.flatnonzero(~settled | audited)
    rows = (again[:, None] * lengths + np.arange(lengths)).ravel()
    outcome = np.where(settled, np.where(audited, AUDITED_TOO, SETTLED), RESCORED)
    outcome = np.repeat(outcome, lengths).astype(object)
    true = exact(tokens[again])
    wrong = extracted(true) != extracted(found)[rows]
    outcome[rows[wrong & (outcome[rows] == AUDITED_TOO)]] = CONTRADICTED
    return Screened(with_rows(found, rows, true), outcome)


def audited_samples(settled: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Which of the samples that are settled are scored in float32 too: `AUDITED` of them, rounded up."""
    audited = np.zeros(len(settled), dtype=bool)
    known = random.permutation(np.flatnonzero(settled))
    audited[known[: math.ceil(AUDITED * len(known))]] = True
    return audited


def drawn_from(tokens: np.ndarray) -> np.random.Generator:
    """Random numbers that depend on tokens alone, so that a job that is run again does the same."""
    return np.random.default_rng(list(hashlib.sha256(np.ascontiguousarray(tokens)).digest()))


def extracted(evidence: Evidence) -> np.ndarray:
    """Whether each row's true tokens are the greedy choice throughout."""
    return evidence.greedy.all(axis=1)


def with_rows(evidence: Evidence, rows: np.ndarray, others: Evidence) -> Evidence:
    """The evidence with some of its rows replaced by others."""
    arrays = {name: values.copy() for name, values in vars(evidence).items()}
    for name, values in arrays.items():
        values[rows] = getattr(others, name)
    return Evidence(**arrays)
