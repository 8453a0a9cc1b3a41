"""Samples and windows: drawn reproducibly, asking for more keeps the first, sums add up."""

import copy
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora import documents
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
from tiny_models import tiny_model, tiny_tokenizer

from memprune.config.experiment import check
from memprune.corpus.documents import Document, shuffled
from memprune.corpus.draw_samples import balanced, draw_samples, draw_windows
from memprune.corpus.extract_samples import interleaved
from memprune.corpus.pool_seeds import pool_seeds
from memprune.errors import UserError
from memprune.evaluation.tasks import memorization_tasks
from memprune.models.manifest import write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.planning.draws import draw_settings

SCRIPTS = Path(__file__).parents[1] / "workflow_scripts"
TOKENIZER = tiny_tokenizer()
WINDOW = 40
NAMES = ("member-7-0", "non_member-7-0", "perplexity-7-0")
EXPERIMENT = {
    "experiment": "tiny",
    "corpus": {"source": "hub", "dataset": "a/b"},
    "models": {"tiny": {"path": "tiny"}},
    "strategies": {"global": {"levels": [0.1]}},
}
texts = st.text(st.sampled_from("ab \n\t—ü\u3000😀x"), max_size=120)


@given(few=st.integers(1, 20), more=st.integers(1, 20), seed=st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_asking_for_more_keeps_the_first(few, more, seed):
    few, more = sorted((few, more))
    order = list(balanced(shuffled(documents(60), seed)))
    first = draw_samples(order, TOKENIZER, WINDOW, few, seed, "member")
    second = draw_samples(order, TOKENIZER, WINDOW, more, seed, "member")
    assert second.slice(0, few).to_pylist() == first.to_pylist()


def test_a_longer_corpus_keeps_the_order_of_the_old_documents():
    old, new = documents(40), documents(60)
    names = {d.document for d in old}
    assert [d.document for d in shuffled(new, 3) if d.document in names] == [
        d.document for d in shuffled(old, 3)
    ]
    assert shuffled(old, 3) != shuffled(old, 4)


def test_a_sample_is_a_window_of_its_document():
    by_name = {d.document: d for d in documents(60)}
    table = draw_samples(shuffled(by_name.values(), 0), TOKENIZER, WINDOW, 20, 0, "member")
    assert table.schema.field("tokens").type.list_size == WINDOW
    assert len(set(table["document"].to_pylist())) == 20
    for row in table.to_pylist():
        document = by_name[row["document"]]
        ids = TOKENIZER(document.text, add_special_tokens=False).input_ids
        assert row["tokens"] == ids[row["offset"] : row["offset"] + WINDOW]
        assert (row["subset"], row["duplicates"]) == (document.subset, document.duplicates)


def test_balanced_members_come_equally_from_each_number_of_duplicates():
    table = draw_samples(balanced(documents(60)), TOKENIZER, 10, 30, 0, "member")
    assert [table["duplicates"].to_pylist().count(n) for n in (1, 2, 4)] == [10, 10, 10]


def test_members_whose_duplicates_nobody_counted_are_not_balanced(capsys):
    known = documents(30)
    unknown = [replace(d, document=f"unknown {d.document}", duplicates=None) for d in known]
    mixed = [document for pair in zip(unknown, known, strict=True) for document in pair]
    assert list(balanced(mixed)) == list(balanced(known))
    assert "30 documents left out, which do not tell how often they stand" in capsys.readouterr().out
    assert list(balanced([])) == []
    message = (
        r"samples.balance_duplicates: found true, but none of 30 documents has meta.duplicates: how often"
    )
    with pytest.raises(UserError, match=message):
        balanced(unknown)


def test_duplicates_that_nobody_counted_are_null_in_samples_and_scores(capsys):
    counted = documents(60, lambda i: None if i % 2 else i)
    table = draw_samples(shuffled(counted, 0), TOKENIZER, WINDOW, 12, 0, "member")
    by_name = {document.document: document.duplicates for document in counted}
    expected = [by_name[name] for name in table["document"].to_pylist()]
    assert table.schema.field("duplicates").type == pa.int32()
    assert table["duplicates"].to_pylist() == expected
    assert 0 < expected.count(None) < 12
    assert f"not counted: {expected.count(None)}" in capsys.readouterr().out

    samples = pool_seeds([table.replace_schema_metadata({"seed": "0"})])
    tasks = memorization_tasks(samples, [10, 20], 10, "suffix", {}, None)
    assert [task.described["duplicates"].to_pylist() for task in tasks] == [expected] * 2


def test_too_few_texts_are_an_error_with_the_number_found(capsys):
    long_enough = [
        d for d in documents(30) if len(TOKENIZER(d.text, add_special_tokens=False).input_ids) >= WINDOW
    ]
    message = f"samples.members: found {len(long_enough)} documents of at least 40 tokens, expected 30"
    with pytest.raises(UserError, match=message):
        draw_samples(documents(30), TOKENIZER, WINDOW, 30, 0, "member")
    skipped = 30 - len(long_enough)
    assert f"{skipped} documents skipped as shorter than 40 tokens" in capsys.readouterr().out


@given(st.lists(texts.filter(len), min_size=1, max_size=4), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_windows_are_those_of_lm_evaluation_harness(contents, window):
    expected = []
    for text in contents:
        ids = TOKENIZER(text, add_special_tokens=False).input_ids
        rolling = get_rolling_token_windows(ids, TOKENIZER.eos_token_id, window, 1)
        expected += [
            (context + scored, len(scored)) for context, scored in map(make_disjoint_window, rolling)
        ]
    rows = draw_windows(
        [Document(str(i), "test", text, 1) for i, text in enumerate(contents)],
        TOKENIZER,
        window,
        len(expected),
    ).to_pylist()
    assert [(row["tokens"], row["scored"]) for row in rows] == expected
    assert sum(row["bytes"] for row in rows) == sum(len(text.encode()) for text in contents)
    assert sum(row["words"] for row in rows) == sum(len(re.split(r"\s+", text)) for text in contents)


def test_too_few_windows_are_an_error():
    with pytest.raises(UserError, match=r"samples.perplexity_windows: found 1 windows .*, expected 9"):
        draw_windows([Document("a", "b", "word", 1)], TOKENIZER, 100, 9)


def run(script: str, *arguments) -> None:
    """Run a script as the workflow does."""
    subprocess.run([sys.executable, SCRIPTS / script, *map(str, arguments)], check=True)


@pytest.mark.slow
def test_the_scripts_write_samples_with_where_they_come_from(tmp_path, monkeypatch):
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model")
    manifest = resolve_model("tiny", folder)
    write_manifest(manifest, tmp_path / "manifest.json")
    files = {}
    for number, split in enumerate(["train", "validation", "test"]):
        files[split] = tmp_path / f"{split}.jsonl"
        lines = [json.dumps({"text": d.text}) for d in documents(80)[number * 25 : number * 25 + 25]]
        files[split].write_text("\n".join(lines) + "\n")
    content = {
        "experiment": "tiny",
        "seeds": [7],
        "corpus": {"source": "files"} | {split: [str(path)] for split, path in files.items()},
        "samples": {"members": 4, "non_members": 3, "context_lengths": [WINDOW - 10], "suffix": 10,
                    "perplexity_windows": 5, "perplexity_window": 16},
        "models": {"tiny": {"path": str(folder)}},
        "strategies": {"global": {"levels": [0.1]}},
    }  # fmt: skip
    checked = check(content, "my.yaml")

    def draw(name: str, store: str) -> Path:
        monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / store))
        path = tmp_path / f"{store}-{name}.parquet"
        spec = json.dumps(draw_settings(checked, name))
        run("draw_samples.py", "--spec", spec, "--manifest", tmp_path / "manifest.json", "--output", path)
        return path

    member, non_member, perplexity = (draw(name, "one") for name in NAMES)
    assert draw(NAMES[0], "two").read_bytes() == member.read_bytes()
    outputs = [tmp_path / f"{name}.parquet" for name in ("samples", "windows")]
    run(
        "extract_samples.py", "--members", member, "--non-members", non_member,
        "--perplexity", perplexity, "--spec", json.dumps({"suffix": "10"}),
        "--samples", outputs[0], "--windows", outputs[1],
    )  # fmt: skip
    samples = pq.read_table(outputs[0])
    assert samples["split"].to_pylist() == ["member"] * 4 + ["non_member"] * 3
    assert samples["sample"].to_pylist() == [0, 1, 2, 3, 0, 1, 2]
    assert samples["tokens"].type.list_size == WINDOW
    metadata = {key.decode(): value.decode() for key, value in samples.schema.metadata.items()}
    assert metadata["tokenizer"] == manifest.tokenizer
    assert (metadata["seeds"], metadata["suffix"]) == ("[7]", "10")
    assert set(samples["seed"].to_pylist()) == {7}
    assert all(samples["pooled"].to_pylist())
    assert json.loads(metadata["source"]) == {"source": "files", "train": [str(files["train"])]}
    assert json.loads(metadata["held_out"]) == {"source": "files", "test": [str(files["test"])]}
    column = pq.read_metadata(outputs[0]).row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert len(pq.read_table(outputs[1])) == 5


@given(few=st.integers(5, 20), more=st.integers(5, 20), parts=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_more_samples_of_several_parts_keep_the_first(few, more, parts):
    few, more = sorted((few, more))
    order = shuffled(documents(300), 0)

    def members(count: int) -> list[dict]:
        content = EXPERIMENT | {"samples": {"members": count}}
        checked = check(content | {"corpus": content["corpus"] | {"parts": parts}}, "my.yaml")
        counts = [draw_settings(checked, f"member-0-{part}")["count"] for part in range(parts)]
        assert sum(counts) == count
        tables = [
            draw_samples(order[part::parts], TOKENIZER, WINDOW, own, 0, "member")
            for part, own in enumerate(counts)
        ]
        return interleaved(tables).to_pylist()

    assert members(more)[:few] == members(few)


def test_a_draw_has_the_settings_that_it_uses_and_no_others():
    held_out = {"source": "files", "validation": ["v.jsonl"], "test": ["t.jsonl"]}
    changed = copy.deepcopy(EXPERIMENT) | {"held_out": held_out, "samples": {"members": 10}}
    changed["corpus"]["parts"] = 3
    checked = check(changed, "my.yaml")
    member, non_member, perplexity = (draw_settings(checked, n) for n in ("member-7-1", *NAMES[1:]))
    assert (member["part"], member["parts"], member["count"]) == (1, 3, 3)
    assert member["corpus"] == {
        "source": "hub", "dataset": "a/b", "revision": "main", "text": "text", "train": "train",
        "shuffle_buffer": 10000,
    }  # fmt: skip
    assert non_member["corpus"] == {"source": "files", "test": ["t.jsonl"]}
    assert perplexity["corpus"] == {"source": "files", "validation": ["v.jsonl"]}
    assert (perplexity["count"], perplexity["window"]) == (500, 512)
