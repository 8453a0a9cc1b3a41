"""Text for methods and samples that are fitted to: from documents of their own, whatever the source."""

import json
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from all_draws import documents_of, run_all_draws
from corpora import documents
from experiments import EMBEDDED
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny_model, tiny_tokenizer

from memprune.config.experiment import Config, check
from memprune.corpus.documents import shuffled
from memprune.corpus.draw_samples import draw, every_second
from memprune.corpus.draw_text import order_seed
from memprune.corpus.pool_seeds import pool_seeds
from memprune.corpus.taken import RUN, Taken, read_taken, run_hashes
from memprune.errors import UserError
from memprune.models.manifest import write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.planning import params
from memprune.planning.draws import all_draws, draw_settings, draws_left_out

TOKENIZER = tiny_tokenizer()
TRAINING = ("member", "fitted", "calibration", "retraining")
ROW = 100  # tokens of a row of a corpus of tokens
TEXTS = [
    {"text": d.text * 3, "meta": {"document": d.document, "duplicates": d.duplicates}} for d in documents(90)
]
MEMBERS = {"members": 8, "non_members": 2, "context_lengths": [20], "suffix": 20, "perplexity_window": 64}
METHODS = {"calibration": {"texts": 5, "tokens": 60}, "retraining": {"texts": 6, "tokens": 50}}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    path = folder / "manifest.json"
    write_manifest(resolve_model("tiny", tiny_model("gpt_neox", "float16", folder / "model", layers=2)), path)
    return path


def experiment(corpus: dict, samples: dict = MEMBERS, **changed) -> Config:
    content = {
        "experiment": "e",
        "corpus": corpus,
        "samples": samples,
        "models": {"m": {"path": "model"}},
        "strategies": {},
    }
    if corpus["source"] == "tokens":
        content["held_out"] = {"source": "embedded"}
    return check(content | changed, "test")


def lay_out(source: str, folder: Path) -> dict:
    """A corpus of one source, and its settings."""
    lines = [json.dumps(row) + "\n" for row in TEXTS]
    if source == "embedded":
        (folder / "results/mini-pile").mkdir(parents=True)
        with pa.CompressedOutputStream(str(folder / "results/mini-pile/train.jsonl.zst"), "zstd") as file:
            file.write("".join(lines).encode())
        return {"source": source}
    if source == "tokens":
        ids = np.random.default_rng(0).integers(1, 200, (90, ROW)).tolist()
        table = pa.table({"uid": range(90), "batch_idx": [0] * 90, "token_ids": ids})
        pq.write_table(table, folder / "a.parquet", row_group_size=30)
        return {"source": source, "dataset": str(folder), "files": "*.parquet"}
    files = [folder / f"data/{number}-train.jsonl" for number in range(3)]
    files[0].parent.mkdir()
    for number, file in enumerate(files):
        file.write_text("".join(lines[number::3]))
    if source == "files":
        return {
            "source": source,
            "train": list(map(str, files)),
            "validation": ["v.jsonl"],
            "test": ["t.jsonl"],
        }
    return {"source": source, "dataset": str(folder / "data"), "parts": 2, "shuffle_buffer": 7}


@pytest.mark.parametrize("source", ["embedded", "files", "hub", "tokens"])
def test_no_two_draws_of_training_text_share_a_document(source, manifest, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    corpus = lay_out(source, tmp_path)
    config = experiment(corpus, MEMBERS | {"fitted": 7}, seeds=[3, 4], **METHODS)
    tables = run_all_draws(config, manifest, tmp_path / "drawn", TRAINING)
    drawn = {kind: documents_of(tables, kind) for kind in TRAINING}
    assert {kind: len(names) for kind, names in drawn.items()} == {
        "member": 16, "fitted": 7, "calibration": 5, "retraining": 6,
    }  # fmt: skip
    for first, second in combinations(drawn.values(), 2):
        assert not set(first) & set(second)
    for kind in TRAINING[1:]:
        assert len(set(drawn[kind])) == len(drawn[kind])
    of_first = documents_of(tables, "member-3")
    assert len(of_first) == len(set(of_first)) == 8
    calibration, first = tables["calibration-3-0"], tables["member-3-0"]
    assert calibration.column_names == ["sample", "document", "subset", "offset", "tokens"]
    assert calibration.schema.field("tokens").type == pa.list_(pa.int32(), 60)
    assert calibration.schema.metadata[b"tokenizer"] == first.schema.metadata[b"tokenizer"]
    assert calibration.schema.metadata[b"seed"] == b"3"

    alone = run_all_draws(experiment(corpus, seeds=[3, 4]), manifest, tmp_path / "alone", ("member",))
    more = run_all_draws(
        experiment(corpus, MEMBERS | {"members": 10, "fitted": 7}, seeds=[3, 4], **METHODS),
        manifest, tmp_path / "more", TRAINING,
    )  # fmt: skip
    assert documents_of(more, "fitted") == drawn["fitted"]
    kept = [name for name in drawn["calibration"] if name not in documents_of(more, "member")]
    assert documents_of(more, "calibration")[: len(kept)] == kept
    assert len(documents_of(alone, "member")) == 16


def simulated(config: Config, texts: list) -> dict[str, list[str]]:
    """The documents of each draw of training text, from texts at hand."""
    found: dict[str, list[str]] = {}
    for name in all_draws(config):
        if name.startswith(TRAINING):
            spec = draw_settings(config, name)
            taken = Taken(frozenset(own for other in draws_left_out(config, name) for own in found[other]))
            order = shuffled(texts, order_seed(spec["kind"], spec["seed"]))
            found[name] = draw(order, TOKENIZER, spec, taken)["document"].to_pylist()
    return found


@given(
    count=st.integers(60, 90), members=st.integers(1, 6), more=st.integers(1, 4), fitted=st.integers(0, 6),
    balance=st.booleans(), seed=st.integers(0, 9),
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_more_members_change_no_other_draw_but_where_they_take_its_documents(
    count, members, more, fitted, balance, seed
):
    def drawn(members: int) -> dict[str, list[str]]:
        own = {"members": members, "fitted": fitted, "balance_duplicates": balance}
        methods = {kind: {"texts": 3, "tokens": 30} for kind in METHODS}
        config = experiment({"source": "embedded"}, MEMBERS | own, seeds=[seed, seed + 1], **methods)
        return simulated(config, documents(count))

    few, many = drawn(members), drawn(members + more)
    for own in (few, many):
        kinds = {}
        for name, names in own.items():
            kinds.setdefault(name.split("-")[0], set()).update(names)
        assert all(not a & b for a, b in combinations(kinds.values(), 2))
    first = f"member-{seed}-0"
    assert many[first][:members] == few[first]
    assert [many[name] for name in many if name.startswith("fitted")] == [
        few[name] for name in few if name.startswith("fitted")
    ]
    taken = {name for draw, names in many.items() if draw.startswith("member") for name in names}
    calibration = f"calibration-{seed}-0"
    if not taken & set(few[calibration]):
        assert many[calibration] == few[calibration]


@given(st.lists(st.sampled_from([1, 2, None]), max_size=30))
def test_every_second_document_is_of_the_one_draw_or_of_the_other(duplicates):
    texts = documents(len(duplicates), dict(enumerate(duplicates)).get)
    first, second = (list(every_second(texts, place)) for place in (0, 1))
    assert [d for d in texts if d in first or d in second] == texts
    assert not set(first) & set(second)
    counts, others = (Counter(d.duplicates for d in own) for own in (first, second))
    assert all(counts[number] - others[number] in (0, 1) for number in duplicates)


def test_the_draws_of_an_experiment_that_asks_for_nothing_more_are_what_they_were():
    config = check(EMBEDDED, "embedded.yaml")
    assert all_draws(config) == ["member-0-0", "non_member-0-0", "perplexity-0-0"]
    assert [params.draw_spec(config, name) for name in all_draws(config)] == [
        '{"balance_duplicates": true, "corpus": {"source": "embedded"}, "count": 144, "kind": "member", '
        '"offset": null, "part": 0, "parts": 1, "seed": 0, "split": "train", "window": 150}',
        '{"corpus": {"source": "embedded"}, "count": 24, "kind": "non_member", "offset": null, "part": 0, '
        '"parts": 1, "seed": 0, "split": "test", "window": 150}',
        '{"corpus": {"source": "embedded"}, "count": 48, "kind": "perplexity", "part": 0, "parts": 1, '
        '"seed": 0, "split": "validation", "window": 256}',
    ]
    assert not any(draws_left_out(config, name) for name in all_draws(config))


def test_samples_that_are_fitted_to_are_drawn_like_members():
    corpus = {"source": "hub", "dataset": "a/b", "parts": 3}
    config = experiment(corpus, MEMBERS | {"fitted": 7}, seeds=[5, 6], **METHODS)
    specs = {name: json.loads(params.draw_spec(config, name)) for name in all_draws(config)}
    fitted = [name for name in specs if name.startswith("fitted")]
    assert fitted == ["fitted-5-0", "fitted-5-1", "fitted-5-2"]
    assert sum(specs[name]["count"] for name in fitted) == 7
    for name in fitted:
        own, others = specs[name], specs[name.replace("fitted", "member")]
        assert (own["every_second"], others["every_second"]) == (1, 0)
        different = ("kind", "count", "every_second")
        assert all(own[key] == others[key] for key in others if key not in different)
    assert "every_second" not in specs["member-6-0"]
    assert draws_left_out(config, "member-6-0") == fitted
    assert draws_left_out(config, "member-5-0") == []
    of_one_part = experiment(corpus | {"parts": 1}, seeds=[5], **METHODS)
    assert specs["calibration-5-0"] == json.loads(params.draw_spec(of_one_part, "calibration-5-0"))


def test_they_come_after_members_and_non_members():
    tables = [
        draw(documents(40), TOKENIZER, {
            "kind": kind, "window": 10, "count": 4, "seed": 0, "offset": None, "every_second": place,
        }).replace_schema_metadata({"seed": "0"})
        for place, kind in enumerate(("member", "fitted"))
    ]  # fmt: skip
    members, fitted = (pool_seeds([table]).to_pylist() for table in tables)
    assert [row["split"] for row in (*members, *fitted)] == ["member"] * 4 + ["fitted"] * 4
    assert [row["sample"] for row in fitted] == [0, 1, 2, 3]
    assert all(row["pooled"] for row in fitted)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("calibration", r"^calibration.texts: found 0 documents of at least 9000 tokens that no other draw "
                        r"took, expected 3; ask for fewer, or for fewer calibration.tokens$"),
        ("fitted", r"^samples.fitted: found 0 documents of at least 9000 tokens, expected 3; ask for fewer"),
    ],
)  # fmt: skip
def test_too_little_text_is_one_line(kind, message):
    spec = {"kind": kind, "window": 9000, "count": 3, "seed": 0, "offset": None}
    with pytest.raises(UserError, match=message):
        draw(documents(20), TOKENIZER, spec)


def test_fewer_fitted_samples_than_parts_are_refused():
    with pytest.raises(UserError, match=r"samples.fitted: found 2, allowed: 0, or at least corpus.parts, 3"):
        experiment({"source": "hub", "dataset": "a/b", "parts": 3}, MEMBERS | {"fitted": 2})


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_windows_share_text_where_they_share_a_run_of_tokens(data):
    """Beside the plain search for one list in another; few ids, so that runs repeat and nearly match."""
    ids = st.lists(st.integers(0, 2), min_size=1, max_size=40)
    length = data.draw(st.integers(1, 12))
    taken, window = data.draw(st.lists(ids, max_size=4)), data.draw(ids)
    runs = frozenset().union(*(run_hashes(own, length) for own in taken))
    shared = any(
        own[start : start + length] == window[there : there + length]
        for own in taken
        for start in range(len(own) - length + 1)
        for there in range(len(window) - length + 1)
    )
    assert Taken(frozenset(), runs, length).has_run_of(window) == shared


def test_text_under_another_name_is_in_no_draw_for_methods(manifest, tmp_path, monkeypatch):
    """Each text stands in the corpus under three names, and in all splits."""
    monkeypatch.chdir(tmp_path)
    rows = [row for number in range(3) for row in renamed(TEXTS[:50], f"copy {number} of ")]
    files = {split: [tmp_path / f"{split}.jsonl"] for split in ("train", "validation", "test")}
    for [file] in files.values():
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = {"source": "files", **{split: list(map(str, own)) for split, own in files.items()}}
    asked = MEMBERS | {"members": 8, "fitted": 8, "perplexity_windows": 2}
    tables = run_all_draws(experiment(corpus, asked, **METHODS), manifest, tmp_path / "drawn", ("",))
    methods = {name for name in tables if name.startswith(tuple(METHODS))}
    assert len(methods) == 2
    for name in methods:
        for other in tables.keys() - {name}:
            assert share_no_run(tables[name], tables[other]), (name, other)
    assert share_no_run(tables["member-0-0"], tables["fitted-0-0"])


def renamed(rows: list[dict], start: str) -> list[dict]:
    """The same texts under other names."""
    return [row | {"meta": row["meta"] | {"document": start + row["meta"]["document"]}} for row in rows]


def share_no_run(first: pa.Table, second: pa.Table) -> bool:
    """Whether no two windows of two draws have a run of 40 tokens in common, as many as samples have here."""
    windows = (table["tokens"].to_pylist() for table in (first, second))
    runs = [{tuple(ids[i : i + 40]) for ids in own for i in range(len(ids) - 39)} for own in windows]
    return not runs[0] & runs[1]


def test_runs_are_as_long_as_the_shortest_windows_allow(tmp_path):
    files = []
    for tokens in (30, 90):
        files.append(tmp_path / f"{tokens}.parquet")
        ids = pa.array([range(tokens)], pa.list_(pa.int32()))
        pq.write_table(pa.table({"document": ["a"], "tokens": ids}), files[-1])
    assert read_taken(files[:1], files[1:], 256).length == 30
    assert read_taken([], files[1:], 256).length == RUN == 50
    assert read_taken([], files[1:], 40).length == 40
    assert read_taken([], [], 256) == Taken()
    assert read_taken(files[:1], files[1:], 256).documents == {"a"}
