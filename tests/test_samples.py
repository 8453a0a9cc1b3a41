"""Samples and windows: drawn reproducibly, asking for more keeps the first, sums add up."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import tiny_model, tiny_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from memprune.documents import Document, shuffled
from memprune.errors import UserError
from memprune.manifest import write_manifest
from memprune.models import resolve_model
from memprune.samples import balanced, draw_samples, draw_windows

SCRIPT = Path(__file__).parents[1] / "workflow_scripts/extract_samples.py"
TOKENIZER = tiny_tokenizer()
WINDOW = 40
texts = st.text(st.sampled_from("ab \n\t—ü\u3000😀x"), max_size=120)


def documents(count: int, duplicates=lambda i: 2 ** (i % 3)) -> list[Document]:
    """Documents of unequal length, some too short for a window."""
    generator = np.random.default_rng(0)
    words = ["In", "the", "beginning", "was", "word", "with", "them", "2026", "δ"]
    lengths = generator.integers(3, 60, count)
    return [
        Document(f"d{i}", "ABC"[i % 3], " ".join(generator.choice(words, n)), duplicates(i))
        for i, n in enumerate(lengths)
    ]


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


def test_the_script_writes_samples_with_where_they_come_from(tmp_path):
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model")
    manifest = resolve_model("tiny", folder)
    write_manifest(manifest, tmp_path / "manifest.json")
    files = {}
    for number, split in enumerate(["train", "validation", "test"]):
        files[split] = tmp_path / f"{split}.jsonl"
        lines = [json.dumps({"text": d.text}) for d in documents(80)[number * 25 : number * 25 + 25]]
        files[split].write_text("\n".join(lines) + "\n")
    spec = {
        "corpus": {"source": "files"} | {split: [str(path)] for split, path in files.items()},
        "seed": 7,
        "window": WINDOW,
        "suffix": 10,
        "members": 4,
        "non_members": 3,
        "perplexity_windows": 5,
        "perplexity_window": 16,
        "balance_duplicates": False,
    }
    outputs = {}
    for run in ("one", "two"):
        outputs[run] = [tmp_path / f"{run}-{name}.parquet" for name in ("samples", "windows")]
        subprocess.run(
            [
                sys.executable, SCRIPT, "--spec", json.dumps(spec), "--manifest", tmp_path / "manifest.json",
                "--samples", outputs[run][0], "--windows", outputs[run][1],
            ],
            check=True,
        )  # fmt: skip
    assert [p.read_bytes() for p in outputs["one"]] == [p.read_bytes() for p in outputs["two"]]
    samples = pq.read_table(outputs["one"][0])
    assert samples["split"].to_pylist() == ["member"] * 4 + ["non_member"] * 3
    assert samples["tokens"].type.list_size == WINDOW
    metadata = {key.decode(): value.decode() for key, value in samples.schema.metadata.items()}
    assert metadata["tokenizer"] == manifest.tokenizer
    assert metadata["seed"] == "7"
    assert json.loads(metadata["source"]) == spec["corpus"]
    column = pq.read_metadata(outputs["one"][0]).row_group(0).column(0)
    assert column.compression == "ZSTD"
    assert len(pq.read_table(outputs["one"][1])) == 5
