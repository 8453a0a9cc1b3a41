"""Verdicts on variants whose numbers are given, and digests of their evidence."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from memprune.findings.frames import in_order
from memprune.findings.verdicts import verdicts_table

STRATEGIES = ["global", "attention-only"]
# strategy, level, members extracted of 10, held-out accuracy, perplexity, digest of its evidence
GIVEN = [
    ("dense", 0.0, 8, 0.40, 20.0, "a"),
    ("global", 0.1, 6, 0.40, 20.5, "b"),
    ("global", 0.3, 6, 0.38, 24.0, "c"),
    ("global", 0.5, 2, 0.30, 31.0, "d"),
    ("global", 0.7, 2, 0.21, 90.0, "e"),
    ("global", 0.9, 0, 0.19, 900.0, "f"),
    ("attention-only", 0.1, 8, 0.40, 20.0, "a"),
    ("attention-only", 0.3, 0, 0.40, 21.0, "g"),
    ("attention-only", 0.5, 0, 0.40, 22.0, "h"),
    ("attention-only", 0.9, 0, 0.35, np.inf, "i"),
]
VERDICTS = [
    "dense", "sound", "stalled", "degraded", "degraded, stalled", "collapsed",
    "stalled", "sound", "sound", "collapsed",
]  # fmt: skip


def frames(model: str, given: list[tuple]) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    samples, windows, evidence = [], [], {}
    for strategy, level, extracted, accuracy, perplexity, digest in given:
        variant = {"model": model, "strategy": strategy, "level": level, "target": None}
        variant |= {"sparsity": level, "removed": level / 2, "variant_bytes": 100}
        windows.append(variant | {"token_perplexity": perplexity})
        for split, k, sample in product(("member", "non_member"), (50, 100), range(10)):
            hit = split == "member" and sample < extracted
            told = accuracy if split == "non_member" and k == 100 else 0.9
            row = {"split": split, "sample": sample, "document": f"{split}{sample}", "context_length": k}
            samples.append(variant | row | {"extracted": hit, "token_accuracy": told})
        evidence[model, "dense" if strategy == "dense" else f"{strategy}@{level}"] = digest
    return pd.DataFrame(samples), pd.DataFrame(windows), evidence


def verdicts_of(given: list[tuple]) -> pd.DataFrame:
    samples, windows, evidence = frames("m", given)
    return verdicts_table(
        in_order(samples, ["m"], STRATEGIES), in_order(windows, ["m"], STRATEGIES), evidence
    )


def test_each_signature_is_named_with_its_numbers():
    table = verdicts_of(GIVEN)
    assert table.verdict.tolist() == VERDICTS
    np.testing.assert_allclose(table.fraction, [row[2] / 10 for row in GIVEN])
    np.testing.assert_allclose(table.perplexity_increase, [row[4] / 20 - 1 for row in GIVEN])
    np.testing.assert_allclose(table.held_out_accuracy, [row[3] for row in GIVEN])
    np.testing.assert_allclose(table.held_out_accuracy_share, [row[3] / 0.4 for row in GIVEN])
    np.testing.assert_allclose(
        table.fraction_change, [np.nan, -0.2, 0, -0.4, 0, -0.2, 0, -0.8, 0, 0], atol=1e-12
    )


def test_variants_of_equal_evidence_are_pointed_out():
    table = verdicts_of(GIVEN)
    assert table.same_scores_as.dropna().to_dict() == {6: "dense"}


def test_the_order_of_rows_decides_nothing():
    samples, windows, evidence = frames("m", GIVEN)
    shuffled = windows.sample(frac=1, random_state=0)
    table = verdicts_table(
        in_order(samples.sample(frac=1, random_state=1), ["m"], STRATEGIES),
        in_order(shuffled, ["m"], STRATEGIES),
        evidence,
    )
    assert table.sort_index().verdict.tolist() == VERDICTS


@pytest.mark.parametrize(
    "given", [GIVEN[:1], [("dense", 0.0, 0, 0.0, 5.0, "a"), ("global", 0.5, 0, 0.0, 5.0, "b")]]
)
def test_where_nothing_is_extracted_or_predicted_nothing_has_collapsed(given):
    table = verdicts_of(given)
    assert table.verdict.tolist() == ["dense", "sound"][: len(given)]
    assert table.held_out_accuracy_share.notna().tolist() == [row[3] > 0 for row in given]


# strategy, level, share of repeated 4-grams and of distinct bigrams of non-members
TEXT = [
    ("dense", 0.0, 0.3, 0.8),
    ("global", 0.1, 0.52, 0.8),  # more than half, but not far more than dense
    ("global", 0.3, 0.6, 0.8),
    ("global", 0.5, 0.1, 0.39),
    ("global", 0.7, 0.1, 0.41),
    ("global", 0.9, 0.9, 0.1),
]


def test_text_that_falls_apart_is_a_signature_where_there_is_text():
    samples, windows, evidence = frames("m", GIVEN[:6])
    generated = windows.drop(columns="token_perplexity").merge(
        pd.DataFrame(TEXT, columns=["strategy", "level", "repeated_4grams", "distinct_2"])
    )
    other = generated.assign(split="member", repeated_4grams=1.0)
    generated = pd.concat([generated.assign(split="non_member"), other]).assign(pooled=True)
    given = [in_order(frame, ["m"], STRATEGIES) for frame in (samples, windows)]
    table = verdicts_table(*given, evidence, in_order(generated, ["m"], STRATEGIES))
    assert table.verdict.tolist() == [
        "dense", "sound", "stalled, falls apart", "degraded, falls apart", "degraded, stalled", "collapsed",
    ]  # fmt: skip
    assert table.repeated_4grams.tolist() == [row[2] for row in TEXT]
    assert table.distinct_2.tolist() == [row[3] for row in TEXT]
    without = verdicts_table(*given, evidence)
    assert without.columns.tolist() == table.columns.tolist()[:-2]
