"""Perturbed prefixes: so many tokens differ, the suffix stays, and measures are of the same samples."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from drawn_measures import MODELS, STRATEGIES, drawn_measures, write_measures
from experiments import EMBEDDED, changed
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny_tokenizer

from memprune.config.experiment import check
from memprune.corpus.perturb_prefixes import ordinary_tokens, perturb_prefixes
from memprune.errors import UserError
from memprune.evaluation.texts import described, of_no_method
from memprune.findings.aggregate_tables import write_tables
from memprune.findings.frames import in_order
from memprune.findings.intervals import wilson_interval
from memprune.findings.perturbed_table import perturbed_table
from memprune.planning.costs import score_bytes
from memprune.planning.operations import scored_texts
from memprune.planning.parts import blocks_of
from memprune.planning.tables import table_names

SUFFIX = 5


def samples(count: int, context_length: int, tokens: int, seed: int = 0) -> pa.Table:
    """Samples of all three splits, with tokens below `tokens`."""
    window = context_length + SUFFIX
    ids = np.random.default_rng(seed).integers(0, tokens, (3 * count, window)).astype(np.int32)
    splits = np.repeat(["member", "non_member", "fitted"], count).tolist()
    return pa.table(
        {
            "sample": list(range(count)) * 3,
            "split": splits,
            "seed": [0] * 3 * count,
            "pooled": [True] * 3 * count,
            "document": [f"d{number}" for number in range(3 * count)],
            "subset": ["A"] * 3 * count,
            "offset": [0] * 3 * count,
            "duplicates": pa.array([None] * 3 * count, pa.int32()),
            "step": pa.array([None] * 3 * count, pa.int32()),
            "tokens": pa.FixedSizeListArray.from_arrays(pa.array(ids.reshape(-1)), window),
        }
    )


def tokens_of(table: pa.Table) -> np.ndarray:
    return np.array(table["tokens"].to_pylist())


@given(
    count=st.integers(1, 4), context_length=st.integers(2, 40), tokens=st.integers(2, 9),
    shares=st.lists(st.floats(0.05, 0.95), min_size=1, max_size=3, unique=True), seed=st.integers(0, 9),
    special=st.integers(0, 3),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_exactly_the_share_of_a_context_is_replaced(count, context_length, tokens, shares, seed, special):
    drawn = samples(count, context_length, tokens + special)
    ordinary = list(range(special, tokens + special))
    perturbed = perturb_prefixes(drawn, ordinary, shares, SUFFIX, seed)
    assert perturbed.equals(perturb_prefixes(drawn, ordinary, shares, SUFFIX, seed))
    own = tokens_of(drawn)[: 2 * count]
    for place, share in enumerate(shares):
        part = perturbed.slice(place * 2 * count, 2 * count)
        assert set(part["share"].to_pylist()) == {share}
        found = tokens_of(part)
        differing = found != own
        assert (differing.sum(axis=1) == round(share * context_length)).all()
        assert not differing[:, context_length:].any()
        assert np.isin(found[differing], ordinary).all()
        assert part["split"].to_pylist() == ["member"] * count + ["non_member"] * count
        assert set(part["scored"].to_pylist()) == {SUFFIX}
        assert set(part["context_length"].to_pylist()) == {context_length}


def test_more_samples_and_larger_shares_keep_what_was_replaced():
    ordinary = list(range(50))
    own, few = samples(3, 30, 50), perturb_prefixes(samples(3, 30, 50), ordinary, [0.1], SUFFIX, 1)
    more = perturb_prefixes(own, ordinary, [0.1, 0.4], SUFFIX, 1)
    assert more.slice(0, 6).equals(few)
    small, large = tokens_of(more.slice(0, 6)), tokens_of(more.slice(6))
    replaced = small != tokens_of(own)[:6]
    assert (large[replaced] == small[replaced]).all()
    assert not perturb_prefixes(own, ordinary, [0.1], SUFFIX, 2).equals(few)


def test_all_other_tokens_are_as_likely():
    drawn = samples(200, 30, 5)
    perturbed = perturb_prefixes(drawn, list(range(5)), [0.5], SUFFIX, 0)
    own, found = tokens_of(drawn)[:400], tokens_of(perturbed)
    places = (found != own).sum(axis=0)[:30]
    assert abs(places - 200).max() < 5 * 10  # five standard deviations of 400 coins
    steps = ((found - own) % 5)[found != own]
    counts = np.bincount(steps, minlength=5)[1:]
    assert abs(counts - 1500).max() < 5 * np.sqrt(6000 * 3 / 16)


def test_special_tokens_replace_nothing():
    tokenizer = tiny_tokenizer()
    ordinary = ordinary_tokens(tokenizer)
    assert not set(ordinary) & set(tokenizer.all_special_ids)
    assert set(ordinary) | set(tokenizer.all_special_ids) == set(tokenizer.get_vocab().values())
    assert ordinary == sorted(ordinary)
    with pytest.raises(UserError, match="perturbed: found 1 ordinary tokens, expected 2 or more"):
        perturb_prefixes(samples(1, 5, 5), [3], [0.5], SUFFIX, 0)


def test_scores_tell_the_share_and_are_of_no_sample_that_is_fitted_to():
    perturbed = perturb_prefixes(samples(2, 10, 9), list(range(9)), [0.5], SUFFIX, 0)
    rows = described(perturbed, perturbed["scored"].to_numpy())
    assert rows.column_names[-3:] == ["context_length", "share", "tokens"]
    assert set(of_no_method(samples(2, 10, 9))["split"].to_pylist()) == {"member", "non_member"}


def perturbed_measures(measures: pd.DataFrame) -> pd.DataFrame:
    """What a large share of replaced tokens leaves: nothing; a small one leaves all but the first samples."""
    longest = measures[measures.context_length == measures.context_length.max()]
    kept = longest.assign(share=0.1, extracted=longest.extracted & (longest["sample"] > 3))
    return pd.concat([kept, longest.assign(share=0.5, extracted=False)], ignore_index=True)


def test_the_table_has_each_share_beside_none():
    measures = drawn_measures(seeds=(0, 1))
    perturbed = perturbed_measures(measures)
    table = perturbed_table(measures, perturbed)
    assert table.groupby(["of", "share"]).size().to_dict() == {
        (of, share): 4 for of in ("member", "non_member") for share in (0.0, 0.1, 0.5)
    }
    longest = measures[(measures.context_length == 100) & measures.pooled].assign(share=0.0)
    rows = pd.concat([longest, perturbed[perturbed.pooled]])
    for row in table.itertuples():
        own = rows[
            (rows.model == row.model) & (rows.strategy == row.strategy) & (rows.split == row.of)
            & (rows.share == row.share)
        ]  # fmt: skip
        assert (row.extracted, row.samples) == (own.extracted.sum(), len(own))
        ends = wilson_interval(np.array([row.extracted]), np.array([row.samples]))
        assert np.allclose((row.ci_low, row.ci_high), np.concatenate(ends))
    lacking = perturbed.drop(perturbed[(perturbed.share == 0.5) & (perturbed["sample"] == 3)].index)
    with pytest.raises(UserError, match=r"found other samples at share 0\.5 than at 0, allowed: the same"):
        perturbed_table(measures, lacking)


def test_samples_that_are_fitted_to_are_in_one_table_alone(tmp_path):
    measures = drawn_measures()
    members = measures[measures.split == "member"]
    fitted = in_order(members.assign(split="fitted", extracted=True), MODELS, STRATEGIES)
    text = {"perplexity": {"dataset": "d", "data_split": "s", "revision": None, "window": 9}}
    written = {}
    for name, rows in (("without", measures), ("with", pd.concat([measures, fitted], ignore_index=True))):
        inputs, folder = tmp_path / f"{name} measures", tmp_path / name
        inputs.mkdir()
        folder.mkdir()
        published = {"sources": {}, "experiment": {}}
        write_tables(*write_measures(rows, inputs), MODELS, STRATEGIES, {}, text, published, folder)
        written[name] = {path.name: path.read_text() for path in folder.glob("*.csv")}
    table = pd.read_csv(tmp_path / "with/memorization_fitted.csv")
    assert (table.fraction == 1).all()
    assert (table.samples == 40).all()
    assert written["with"].keys() - written["without"].keys() == {"memorization_fitted.csv"}
    for name, content in written["without"].items():
        assert written["with"][name] == content, name


def test_an_experiment_has_the_tables_and_costs_of_what_it_asks_for():
    plain = check(EMBEDDED, "test")
    fitted = check(changed("samples/fitted", 501), "test")
    perturbed = check(changed("perturbed", {"shares": [0.1, 0.5, 0.7]}), "test")
    assert set(table_names(fitted)) - set(table_names(plain)) == {"memorization_fitted"}
    assert set(table_names(perturbed)) - set(table_names(plain)) == {"perturbed", "lasting"}
    assert blocks_of(fitted) == blocks_of(plain) + 2 * 3  # of 500 and 1 samples, at three context lengths
    texts = {name: sum(n for n, *_ in scored_texts(own)) for name, own in
             (("plain", plain), ("fitted", fitted), ("perturbed", perturbed))}  # fmt: skip
    assert texts["fitted"] == texts["plain"] + 3 * 501
    assert texts["perturbed"] == texts["plain"] + 3 * (144 + 24)
    assert min(score_bytes(fitted), score_bytes(perturbed)) > score_bytes(plain)
    assert (plain.text_kinds, perturbed.text_kinds) == ([], ["perturbed"])


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ([0.001], "perturbed.shares: found 0.001, which replaces 0 tokens of the longest context of 100"),
        ([0.999], "perturbed.shares: found 0.999, which replaces 100 tokens"),
        ([1], "perturbed.shares"),
        ([0.1, 0.1], "found 0.1 twice"),
    ],
)
def test_shares_that_say_nothing_are_refused(shares, message):
    with pytest.raises(UserError, match=message):
        check(changed("perturbed", {"shares": shares}), "test")
