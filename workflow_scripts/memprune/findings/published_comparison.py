"""Published figures beside ours: whether they can be, how far ours is from them, and what was done otherwise.

The published figures and the experiment are JSON values, as `config.published_figures` and
`planning.protocol` give them.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
from scipy.stats import binomtest, fisher_exact
from statsmodels.stats.proportion import proportions_ztest

from memprune.findings.frames import level_label, variant_label
from memprune.findings.intervals import wilson_interval
from memprune.findings.kinds_of_set import DRAWN
from memprune.findings.protocol_deviations import deviations, level_text

COLUMNS = [
    "source", "model", "strategy", "level", "quantity", "context_length", "published", "published_samples",
    "possible", "status", "variant", "ours", "extracted", "samples", "ci_low", "ci_high", "z", "p_value",
    "ratio", "deviations", "unknown", "note",
]  # fmt: skip
TYPES = {
    **dict.fromkeys(["context_length", "published_samples", "samples", "unknown"], "Int64"),
    **dict.fromkeys(["published", "ours", "extracted", "ci_low", "ci_high", "z", "p_value", "ratio"], float),
    "possible": "boolean",
}  # beside texts


def published_table(
    memorization: pd.DataFrame,
    perplexities: pd.DataFrame,
    sources: Sequence[Mapping],
    experiment: Mapping[str, Mapping],
) -> pd.DataFrame:
    """Every published figure and, where this experiment measured it too, ours beside it.

    `memorization` and `perplexities` are the tables of both. A row is a figure and a variant of ours that
    matches it, or a figure alone with the status `not run`, or `other set` where it is of samples of another
    kind, or of other known sequences: their fractions are no estimates of one share. What the columns mean is
    in `docs/published.md`; null is what is unknown, or has no meaning for a figure.
    """
    rows = []
    for source in sources:
        for figure in source["figures"]:
            own = matching(
                figure, source, memorization if is_extraction(figure) else perplexities, experiment
            )
            if len(own) and is_of_other_set(figure, source["protocol"], experiment["protocol"]):
                rows.append({**described(figure, source), "status": "other set"})
                continue
            compared = [
                {"status": "compared", "variant": name, **beside(figure, source, variant, experiment)}
                for name, variant in own.groupby("variant", sort=False)
            ]
            rows += [{**described(figure, source), **row} for row in compared or [{"status": "not run"}]]
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object).astype(TYPES)


def is_extraction(figure: Mapping) -> bool:
    """Whether a figure is of extracted samples, and not a perplexity."""
    return figure["quantity"].startswith("extracted")


def is_of_other_set(figure: Mapping, theirs: Mapping, ours: Mapping) -> bool:
    """Whether a figure is a fraction of samples that were chosen otherwise than ours."""
    if not is_extraction(figure):
        return False
    same_sequences = theirs["set"] == DRAWN or theirs["corpus"] == ours["corpus"]
    return theirs["set"] != ours["set"] or not same_sequences


def described(figure: Mapping, source: Mapping) -> dict:
    """What the source says of a figure, and whether it can be."""
    printed, samples = Decimal(figure["value"]), figure["samples"]
    is_fraction = figure["quantity"] == "extracted_fraction"
    return {
        "source": source["source"],
        **{key: figure[key] for key in ("model", "strategy", "quantity", "context_length", "note")},
        "level": level_text(figure["level"]),
        "published": float(value_of(figure)),
        "published_samples": samples,
        "possible": is_possible(printed, samples) if is_fraction and samples else None,
    }


def value_of(figure: Mapping) -> Fraction:
    """The published value, of a count its share of the samples."""
    value = Fraction(figure["value"])
    return value / figure["samples"] if figure["quantity"] == "extracted_count" else value


def is_possible(printed: Decimal, samples: int) -> bool:
    """Whether any x / `samples` rounds to the printed digits (GRIM, Brown & Heathers 2017).

    A half may have been rounded either way.
    """
    half = Fraction(10) ** printed.as_tuple().exponent / 2
    return math.ceil(samples * (Fraction(printed) - half)) <= samples * (Fraction(printed) + half)


def matching(
    figure: Mapping, source: Mapping, table: pd.DataFrame, experiment: Mapping[str, Mapping]
) -> pd.DataFrame:
    """The rows of our variants that match a figure, with the names of the variants in `variant`.

    A model matches by its repository, or by its name; a strategy by what it prunes, whatever its name. Of its
    levels those within the published range match, or the nearest; all, if the published level is unknown.
    """
    name = figure["model"].split("/")[-1]
    models = [
        own for own, place in experiment["models"].items() if figure["model"] == place["repo"] or own == name
    ]
    strategies = ["dense"]
    if figure["strategy"] != "dense":
        selection = source["strategies"][figure["strategy"]]
        strategies = [own for own, other in experiment["strategies"].items() if other == selection]
    own = table[table.model.isin(models) & table.strategy.isin(strategies)]
    if figure["level"] is not None:
        low, high = figure["level"]
        distance = (low - own.level).clip(lower=0) + (own.level - high).clip(lower=0)
        nearest = distance.groupby([own.model, own.strategy], observed=True).transform("min")
        own = own[np.isclose(distance, nearest)]
    variant = own.model.astype(str) + "/" + variant_label(own)  # as variants are called in paths
    return own.assign(label=level_label(own), variant=variant)


def beside(
    figure: Mapping, source: Mapping, variant: pd.DataFrame, experiment: Mapping[str, Mapping]
) -> dict:
    """What is said of a variant beside a figure: of extracted samples at the k nearest to the figure's."""
    k = figure["context_length"]
    if k is not None:
        variant = variant.iloc[[(variant.context_length - k).abs().argmin()]]
    text, unknown = deviations(figure, source["protocol"], variant, experiment)
    measured = extraction(figure, variant) if is_extraction(figure) else perplexity(figure, variant)
    return {**measured, "deviations": text, "unknown": unknown}


def extraction(figure: Mapping, variant: pd.DataFrame) -> dict:
    """A variant's extracted samples beside a published fraction; the mean over k if there are several rows.

    The mean's interval and score are those of a fraction of as many samples, which are the same at every k:
    they are too wide rather than too narrow, since a sample's own mean varies less than a yes or no.
    """
    extracted, samples = float(variant.extracted.mean()), int(variant.samples.iloc[0])
    [low], [high] = wilson_interval(np.array([extracted]), np.array([samples]))
    share, published_samples = value_of(figure), figure["samples"]
    return {
        "ours": extracted / samples,
        "extracted": extracted,
        "samples": samples,
        "ci_low": low,
        "ci_high": high,
        "z": z_score(extracted, samples, float(share), published_samples),
        "p_value": p_value(round(extracted), samples, share, published_samples),
        "ratio": extracted / samples / float(share) if share else None,
    }


def perplexity(figure: Mapping, variant: pd.DataFrame) -> dict:
    """A variant's perplexity beside a published one."""
    ours = float(variant[figure["quantity"]].iloc[0])
    return {"ours": ours, "ratio": ours / float(value_of(figure))}


def z_score(extracted: float, samples: int, share: float, published_samples: int | None) -> float:
    """How many standard errors our fraction is above the published `share`.

    Of two samples with the pooled fraction's variance, and of one sample with that of `share`, where the
    published number of samples is unknown (`proportions_ztest` of statsmodels). 0 where both are all or none.
    """
    if share in (0, 1) and extracted == share * samples:
        return 0.0
    if published_samples is not None:
        counts = [extracted, share * published_samples]
        return float(proportions_ztest(counts, [samples, published_samples])[0])
    if share in (0, 1):
        return math.inf if share == 0 else -math.inf
    return float(proportions_ztest(extracted, samples, share, prop_var=share)[0])


def p_value(extracted: int, samples: int, share: Fraction, published_samples: int | None) -> float:
    """The two-sided p of an exact test that our fraction is the published one.

    Fisher's of two samples, the published count being the whole number next to `share` of them; the binomial
    test where their number is unknown.
    """
    if published_samples is None:
        return float(binomtest(extracted, samples, float(share)).pvalue)
    count = round(share * published_samples)
    rows = [[extracted, samples - extracted], [count, published_samples - count]]
    return float(fisher_exact(rows).pvalue)
