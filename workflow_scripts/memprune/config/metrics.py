"""What is measured, as the configuration says it: names of metrics, and the settings of one."""

import difflib
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

import memprune.metrics
from memprune.config.section import Section
from memprune.config.values import Count, Probability, without_repeats

SAMPLINGS, PROBABILITIES = [1, 10, 100, 1000], [0.5]
MACHINERY = ("__init__", "measure", "score_files")
# A metric is a module of the package, read by name only here: no metric is imported by the configuration.
NAMES = sorted(
    path.stem for path in Path(memprune.metrics.__path__[0]).glob("*.py") if path.stem not in MACHINERY
)


def known(name: object) -> object:
    """Refuse a name that no metric has, with the nearest that one has."""
    if name not in NAMES:
        [nearest] = difflib.get_close_matches(str(name), NAMES, n=1, cutoff=0.0)
        raise ValueError(f"found {name!r}; nearest known metric: {nearest}; allowed: {', '.join(NAMES)}")
    return name


def with_needed(names: list[str]) -> list[str]:
    """Refuse a list without what all tables and figures are about, or what tells a collapsed model."""
    for name, use in (
        ("extracted", "all tables and figures show"),
        ("token_accuracy", "tells a collapsed model"),
    ):
        if name not in names:
            raise ValueError(f"found no {name}, which {use}; add it")
    return names


Counts = Annotated[list[Count], Field(min_length=1), without_repeats()]
Probabilities = Annotated[list[Probability], Field(min_length=1), without_repeats()]
Metric = Annotated[Literal[*NAMES], BeforeValidator(known)]
Metrics = Annotated[list[Metric], without_repeats(), AfterValidator(with_needed)]


class Discoverable(Section):
    """The pairs of n and p of (n, p)-discoverable extraction: each n with each p."""

    n: Annotated[Counts, Field(description="Numbers of samples from the model.")] = SAMPLINGS
    p: Annotated[Probabilities, Field(description="Probability that one of them is the suffix.")] = (
        PROBABILITIES
    )

    @property
    def settings(self) -> list[dict]:
        """The settings of each column, in one order however they are listed."""
        return [{"n": n, "p": p} for n, p in product(sorted(self.n), sorted(self.p))]
