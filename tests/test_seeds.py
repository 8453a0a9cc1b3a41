"""Several seeds: each draws samples of its own, tables pool them, one more leaves the others' scores."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from corpora import documents
from drawn_measures import CONTEXT_LENGTHS, MODELS, STRATEGIES, drawn_measures, pooled, write_measures
from hypothesis import given, settings
from hypothesis import strategies as st
from measure_files import TEXTS
from project import EXPERIMENT
from score_files import random_evidence
from tiny_models import tiny_tokenizer

from memprune.config.experiment import Config, check
from memprune.corpus.documents import shuffled
from memprune.corpus.draw_samples import draw_samples
from memprune.corpus.extract_samples import interleaved
from memprune.corpus.pool_seeds import pool_seeds
from memprune.evaluation.columns import suffix_columns
from memprune.evaluation.score_shards import score_shards
from memprune.evaluation.tasks import memorization_tasks
from memprune.findings.aggregate_tables import write_tables
from memprune.findings.frames import VARIANT
from memprune.findings.memorization_table import memorization_table
from memprune.findings.seeds import with_seed_spread
from memprune.planning.costs import score_bytes
from memprune.planning.operations import variant_tokens
from memprune.planning.parts import blocks_of
from memprune.results import load

TOKENIZER = tiny_tokenizer()
CORPUS = documents(120)
WINDOW, SUFFIX, LENGTHS = 20, 10, [5, 10]
by_seed_and_part = st.dictionaries(st.integers(0, 9), st.integers(1, 3), min_size=1, max_size=4)


UNPUBLISHED = {"sources": [], "experiment": {}}


def draw(seed: int, count: int = 6, part: int = 0, parts: int = 1, split: str = "member") -> pa.Table:
    """One draw of a small corpus, of which seeds draw many documents in common."""
    own = CORPUS[60:] if split == "non_member" else CORPUS[:60]
    order = shuffled(own, seed)[part::parts]
    table = draw_samples(order, TOKENIZER, WINDOW, count, seed, split)
    return table.replace_schema_metadata({"seed": str(seed)})


@given(by_seed_and_part)
@settings(max_examples=10, deadline=None)
def test_each_seeds_samples_come_whole_and_a_document_is_pooled_once(parts):
    draws = {seed: [draw(seed, 6, part, of) for part in range(of)] for seed, of in parts.items()}
    rows = pool_seeds([table for own in draws.values() for table in own]).to_pylist()
    assert [row["sample"] for row in rows] == list(range(len(rows)))
    assert list(dict.fromkeys(row["seed"] for row in rows)) == list(parts)
    seen: set[str] = set()
    for seed, own in draws.items():
        found = [row for row in rows if row["seed"] == seed]
        expected = interleaved(own).to_pylist()
        assert [row["tokens"] for row in found] == [row["tokens"] for row in expected]
        assert [row["pooled"] for row in found] == [row["document"] not in seen for row in found]
        seen |= {row["document"] for row in found}
    once = [row["document"] for row in rows if row["pooled"]]
    assert len(once) == len(set(once)) == len(seen)


def test_a_seed_more_keeps_the_rows_of_those_before_it():
    two, three = (pool_seeds(list(map(draw, seeds))) for seeds in ([0, 1], [0, 1, 2]))
    assert three.slice(0, len(two)).equals(two)
    assert not all(three["pooled"].to_pylist())
    assert three.schema.field("seed").type == pa.int64()


def scored(seeds: list[int], members: int = 5) -> tuple[list[pa.Table], int]:
    """What identifies the rows of each task, and how many rows were scored, not read from the store."""
    counts = []

    def score(tokens, lengths, advance):
        counts.append(len(tokens) * len(lengths))
        return pa.table(suffix_columns(random_evidence(counts[-1], SUFFIX)))

    samples = pa.concat_tables(
        [
            pool_seeds([draw(seed, members) for seed in seeds]),
            pool_seeds([draw(seed, 3, split="non_member") for seed in seeds]),
        ]
    )
    tasks = memorization_tasks(samples, LENGTHS, SUFFIX, "suffix", {"a": 1}, score)
    score_shards(tasks)
    return [task.described for task in tasks], sum(counts)


def test_a_seed_or_samples_more_score_the_new_samples_alone(monkeypatch, tmp_path):
    monkeypatch.setattr("memprune.evaluation.shards.SHARD_ROWS", 2)
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    described, count = scored([0, 1])
    assert count == len(LENGTHS) * 2 * (5 + 3)
    assert [set(table["seed"].to_pylist()) for table in described] == 2 * [{0}, {1}, {0}, {1}]
    assert scored([0, 1])[1] == scored([0])[1] == scored([1, 0])[1] == 0
    assert scored([0, 1, 2])[1] == len(LENGTHS) * (5 + 3)
    assert scored([0, 1, 2], members=6)[1] == len(LENGTHS) * 3


def experiment_of(*seeds: int) -> Config:
    content = EXPERIMENT | {"corpus": {"source": "embedded"}, "seeds": list(seeds)}
    return check(content | {"samples": {"members": 600, "non_members": 100}}, "test")


def test_the_plan_counts_the_samples_of_all_seeds_and_the_windows_once():
    one, three = experiment_of(0), experiment_of(4, 0, 1)
    windows = one.samples.perplexity_windows * (one.samples.perplexity_window + 1)
    assert variant_tokens(three) - windows == 3 * (variant_tokens(one) - windows)
    assert (blocks_of(one), blocks_of(three)) == (4 * (2 + 1) + 1, 3 * 4 * (2 + 1) + 1)
    assert score_bytes(one) < score_bytes(three) < 3 * score_bytes(one)


def test_the_spread_is_that_of_the_seeds_own_fractions():
    measures = drawn_measures([0, 5, 9])
    members = measures[measures.split == "member"]
    for strata in ([], ["subset"], ["duplicates"]):
        plain = memorization_table(members[members.pooled], strata)
        table = with_seed_spread(plain, members)
        pd.testing.assert_frame_equal(table.drop(columns="seed_spread"), plain)
        assert table.columns[table.columns.get_loc("ci_high") + 1] == "seed_spread"
        for row in table.to_dict("records"):
            keys = ["model", "strategy", "context_length", *strata]
            known = {key: row[key] for key in keys if not pd.isna(row[key])}
            same = [members[key].eq(value).fillna(False) for key, value in known.items()]
            same += [members[key].isna() for key in keys if key not in known]
            own = members[np.logical_and.reduce(same)]
            fractions = [own[own.seed == seed].extracted.mean() for seed in (0, 5, 9)]
            assert row["seed_spread"] == pytest.approx(np.std(fractions, ddof=1), abs=1e-12)


def test_one_seed_has_no_spread():
    members = pooled(drawn_measures([3]), "member")
    assert with_seed_spread(memorization_table(members), members).seed_spread.isna().all()


@pytest.mark.parametrize("seeds", [[7], [0, 7]])
def test_tables_pool_the_seeds_and_one_tells_them_apart(seeds, tmp_path):
    measures = drawn_measures(seeds)
    write_tables(
        *write_measures(measures, tmp_path),
        MODELS,
        STRATEGIES,
        {"big": "once"},
        TEXTS,
        UNPUBLISHED,
        tmp_path,
    )
    tables = {path.stem: pd.read_csv(path) for path in tmp_path.glob("*.csv")}
    pooled_members = 40 if seeds == [7] else 40 + 30
    assert set(tables["memorization"].samples) == set(tables["excess"].query("by == 'all'").samples)
    assert set(tables["memorization"].samples) == {pooled_members}
    by_seed = tables["memorization_by_seed"]
    assert by_seed.columns.to_list() == [
        *VARIANT, "seed", "set", "context_length", "extracted", "samples", "fraction", "ci_low", "ci_high",
        "token_accuracy", "compute_dtype",
    ]  # fmt: skip
    assert (set(by_seed.seed), set(by_seed.samples)) == (set(seeds), {40})
    assert len(by_seed) == 4 * len(seeds) * len(CONTEXT_LENGTHS)
    if seeds == [7]:
        whole = tables["memorization"].drop(columns=["seed_spread", "verdict"])
        pd.testing.assert_frame_equal(by_seed.drop(columns="seed"), whole)


def test_the_table_of_excess_is_read_with_what_is_unknown(tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "models/m").mkdir(parents=True)
    (tmp_path / "models/m/manifest.json").touch()
    files = write_measures(drawn_measures(), tmp_path)
    write_tables(*files, MODELS, STRATEGIES, {"big": "once"}, TEXTS, UNPUBLISHED, tmp_path / "tables")
    table = load(tmp_path).tables["excess"]
    assert table.stratum.dropna().map(type).eq(str).all()
    assert set(table[table.by == "duplicates"].stratum.fillna("unknown")) == {"1", "2", "4", "unknown"}
    assert table[table.model == "once"].control_extracted.isna().all()
    assert table[table.model == "big"].control_samples.dtype == "Int64"
