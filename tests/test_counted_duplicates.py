"""How often samples stand in the training data, as a column of the corpus or a lookup file tells."""

import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard
from corpora import corpus_of, documents
from hypothesis import given, settings
from hypothesis import strategies as st
from project import snakemake
from tiny_models import tiny_model

from memprune.config.experiment import check
from memprune.corpus.counted_duplicates import DUPLICATES, read_counts, token_hashes, with_counts
from memprune.corpus.document_windows import token_column
from memprune.corpus.sources.hub import read
from memprune.corpus.sources.tokens import read as read_tokens
from memprune.errors import UserError
from memprune.findings.duplicate_strata import duplicate_strata
from memprune.planning.draws import draw_settings

FORMS = ("parquet", "jsonl", "jsonl.zst")
counts = st.dictionaries(st.integers(0, 30), st.one_of(st.none(), st.integers(1, 2**31 - 1)), min_size=1)


def samples_of(count: int) -> pa.Table:
    """Samples of tokens that are all unlike, with duplicates that somebody else counted."""
    tokens = np.random.default_rng(0).integers(0, 50_000, (count, 12)).tolist()
    names = [f"row {number}" for number in range(count)]
    own = {"document": names, DUPLICATES: pa.array([7] * count, pa.int32()), "tokens": token_column(tokens)}
    return pa.table(own)


def hash_of(tokens: list[int]) -> str:
    return hashlib.sha256(struct.pack(f"<{len(tokens)}i", *tokens)).hexdigest()


def write(rows: list[dict], path: Path) -> Path:
    """Rows in the form that the path's ending names."""
    if path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path, index=False)
        return path
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(zstandard.compress(lines) if path.suffix == ".zst" else lines)
    return path


def line_of(action) -> str:
    """The one line that an action is refused with."""
    with pytest.raises(UserError) as caught:
        action()
    [line] = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("key", ["document", "sha256"])
@pytest.mark.parametrize("form", FORMS)
@given(known=counts)
@settings(max_examples=25, deadline=None)
def test_counts_are_joined_as_pandas_joins_them(tmp_path_factory, form, key, known):
    samples = samples_of(20)
    rows = samples.to_pylist()
    names = [row["document"] if key == "document" else hash_of(row["tokens"]) for row in rows]
    lookup = [{key: f"row {n}" if n >= 20 else names[n], DUPLICATES: count} for n, count in known.items()]
    path = write(lookup, tmp_path_factory.getbasetemp() / f"{key}.{form}")
    frame = pd.DataFrame({key: names}).merge(pd.DataFrame(lookup), on=key, how="left")
    expected = [None if pd.isna(count) else int(count) for count in frame[DUPLICATES]]
    if not any(count is not None for count in expected):
        assert f"column {key} counts none of 20 samples" in line_of(lambda: with_counts(samples, path))
        return
    counted, about = with_counts(samples, path)
    assert counted[DUPLICATES].to_pylist() == expected
    assert counted[DUPLICATES].type == pa.int32()
    assert counted.drop_columns([DUPLICATES]).equals(samples.drop_columns([DUPLICATES]))
    assert about == {"by": key, "samples": "20", "matched": str(sum(c is not None for c in expected))}


def test_the_hash_is_of_the_tokens_as_little_endian_int32():
    samples = pa.table({"tokens": token_column([[0, 1, 258], [2**31 - 1, 7, 7]])})
    whole = [b"\0\0\0\0\1\0\0\0\2\1\0\0", b"\xff\xff\xff\x7f\7\0\0\0\7\0\0\0"]
    assert token_hashes(samples) == [hashlib.sha256(own).hexdigest() for own in whole]


ROWS = [{"document": "row 1", DUPLICATES: 2}]
BAD = {
    "no key": ([{"name": "row 1", DUPLICATES: 2}], "found the columns name, duplicates, expected"),
    "no count": ([{"document": "row 1", "count": 2}], "found the columns document, count, expected"),
    "both keys": ([ROWS[0] | {"sha256": "00"}], "expected duplicates and one of document, sha256"),
    "two counts": ([*ROWS, {"document": "row 1", DUPLICATES: 3}], "document row 1 has two counts, 2 and 3"),
    "below 0": ([{"document": "row 1", DUPLICATES: -1}], "document row 1 has -1 in column duplicates"),
    "not once": ([{"document": "row 1", DUPLICATES: 0}], "has 0 in column duplicates, expected a whole"),
    "a share": ([{"document": "row 1", DUPLICATES: 1.5}], "document row 1 has 1.5 in column duplicates"),
    "too many": ([{"document": "row 1", DUPLICATES: 2**31}], "has 2147483648 in column duplicates"),
    "infinitely many": ([{"document": "row 1", DUPLICATES: float("inf")}], "has inf in column duplicates"),
    "nobody": ([{"document": "1", DUPLICATES: 2}], "column document counts none of 3 samples"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", BAD)
def test_each_mistake_of_a_lookup_file_is_one_line(tmp_path, form, case):
    rows, message = BAD[case]
    path = write(rows, tmp_path / f"a.{form}")
    line = line_of(lambda: with_counts(samples_of(3), path))
    assert line.startswith(f"corpus.counts: {path}: ")
    assert message in line


OTHER_TYPES = {
    "numbers as text": ("parquet", {"document": "row 1", DUPLICATES: "2"}, "found string in column dup"),
    "keys as numbers": ("parquet", {"document": 1, DUPLICATES: 2}, "found int64 in column document"),
    "truth": ("jsonl", {"document": "row 1", DUPLICATES: True}, "has True in column dup"),
    "text": ("jsonl", {"document": "row 1", DUPLICATES: "2"}, "has '2' in column dup"),
    "a key as a number": ("jsonl", {"document": 1, DUPLICATES: 2}, "row 0 has 1 in column doc"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER_TYPES)
def test_a_column_of_another_type_is_one_line(tmp_path, case):
    form, row, message = OTHER_TYPES[case]
    path = write([row], tmp_path / f"a.{form}")
    assert message in line_of(lambda: with_counts(samples_of(3), path)).replace("large_string", "string")


def test_a_file_that_is_not_what_its_name_says_is_one_line(tmp_path):
    for form in FORMS:
        path = tmp_path / f"a.{form}"
        path.write_bytes(b"\x93NUMPY")
        assert line_of(lambda path=path: with_counts(samples_of(3), path)).startswith(
            f"corpus.counts: {path}: "
        )
    path = write([*ROWS, {"document": "row 2"}], tmp_path / "a.jsonl")
    assert "row 1 has no column duplicates; found document" in line_of(
        lambda: with_counts(samples_of(3), path)
    )


def test_the_same_count_twice_and_nulls_beside_it_are_no_mistake(tmp_path):
    for form in FORMS:
        rows = [*ROWS, *ROWS, {"document": "row 1", DUPLICATES: None}, {"document": "row 9", DUPLICATES: -3}]
        path = write(rows, tmp_path / f"a.{form}")
        assert read_counts(path, "document", {"row 1"}) == {"row 1": 2}


def test_a_large_lookup_file_takes_little_memory(tmp_path):
    """Of a million rows of 64 letters, 64 MB, a process of its own holds a batch."""
    path, rows = tmp_path / "a.parquet", 10**6
    names = pa.array([f"{number:064x}" for number in range(rows)])
    pq.write_table(pa.table({"sha256": names, DUPLICATES: range(rows)}), path, row_group_size=20_000)
    code = (
        "import sys, pyarrow as pa; from memprune.corpus.counted_duplicates import read_counts; "
        "found = read_counts(sys.argv[1], 'sha256', {f'{7:064x}', f'{999_999:064x}'}); "
        "print(sorted(found.values()), pa.default_memory_pool().max_memory())"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1] / "workflow_scripts")},
    )  # fmt: skip
    found, _, taken = run.stdout.rpartition(" ")
    assert found == "[7, 999999]"
    assert int(taken) < 16 * 10**6


HUB = {"corpus": {"source": "hub", "dataset": "a/b"}, "experiment": "e", "strategies": {}}
HUB |= {"models": {"tiny": {"path": "tiny"}}}


def test_only_training_text_is_asked_for_its_duplicates():
    given_column = check(HUB | {"corpus": HUB["corpus"] | {"duplicates": "copies"}}, "my.yaml")
    given_file = check(HUB | {"corpus": HUB["corpus"] | {"counts": "a.parquet"}}, "my.yaml")
    for draw, has in (("member-0-0", True), ("non_member-0-0", False), ("perplexity-0-0", False)):
        assert ("duplicates" in draw_settings(given_column, draw)["corpus"]) == has
        assert draw_settings(given_file, draw) == draw_settings(check(HUB, "my.yaml"), draw)


@pytest.mark.parametrize(
    ("part", "changed", "message"),
    [
        (
            "corpus",
            {"duplicates": "n", "counts": "a.jsonl"},
            "corpus.counts: found a.jsonl, and corpus.duplicates n;",
        ),
        (
            "held_out",
            {"counts": "a.jsonl"},
            "held_out.counts: found a.jsonl; only members are counted, in corpus",
        ),
        (
            "held_out",
            {"duplicates": "n"},
            "held_out.duplicates: found n; only members are counted, in corpus",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line(part, changed, message):
    assert message in line_of(lambda: check(HUB | {part: HUB["corpus"] | changed}, "my.yaml"))


@pytest.mark.parametrize("form", ["parquet", "jsonl", "jsonl.gz", "csv"])
def test_a_column_of_a_data_set_tells_duplicates(tmp_path, form):
    frame = pd.DataFrame({"content": ["a", "b", "c"], "copies": pd.array([1, None, 30], "Int64")})
    if form == "parquet":
        frame.to_parquet(tmp_path / "train.parquet")
    elif form == "csv":
        frame.to_csv(tmp_path / "train.csv", index=False)
    else:
        frame.to_json(tmp_path / f"train.{form}", orient="records", lines=True)
    corpus = corpus_of(str(tmp_path)) | {"duplicates": "copies"}
    found = {row.text: row.duplicates for row in read(corpus, [], "train", 0)}
    assert found == {"a": 1, "b": None, "c": 30}
    corpus |= {"duplicates": "count"}
    assert "train:0:0 has no column count; found content" in line_of(
        lambda: list(read(corpus, [], "train", 0))
    )


@pytest.mark.parametrize(
    ("value", "message"), [(0, "has 0 in column n, expected"), (0.5, "has 0.5 in column n, ex")]
)
def test_a_column_of_a_data_set_that_counts_wrongly(tmp_path, value, message):
    pd.DataFrame({"content": ["a"], "n": [value]}).to_parquet(tmp_path / "train.parquet")
    corpus = corpus_of(str(tmp_path)) | {"duplicates": "n"}
    assert message in line_of(lambda: list(read(corpus, [], "train", 0)))


def table_of_tokens(folder: Path, **columns) -> dict:
    """A token table of 3 rows, and the settings that read it."""
    rows = {"uid": [0, 1, 2], "batch_idx": [0, 0, 0], "token_ids": [[5] * 40] * 3} | columns
    pq.write_table(pa.table(rows), folder / "a.parquet")
    settings = {"dataset": str(folder), "revision": "main", "files": "a.*", "window": 20, "offset": None}
    return settings | {"vocabulary": 9, "duplicates": "n"}


def test_a_column_of_a_token_table_tells_duplicates(tmp_path):
    corpus = table_of_tokens(tmp_path, n=pa.array([4, None, 1], pa.int64()))
    assert {row.document: row.duplicates for row in read_tokens(corpus, [], "train", 0)} == {
        "row 0": 4, "row 1": None, "row 2": 1,
    }  # fmt: skip
    for columns, message in (
        ({}, "no column n; found uid, batch_idx, token_ids"),
        ({"n": ["1"] * 3}, "found string in column n, expected whole numbers"),
        ({"n": [-1] * 3}, "has -1 in column n, expected a whole number"),
    ):
        corpus = table_of_tokens(tmp_path, **columns)
        assert message in line_of(lambda corpus=corpus: list(read_tokens(corpus, [], "train", 0)))
    (tmp_path / "a.bin").write_bytes(bytes(2 * 2049))
    corpus |= {"files": "*.bin"}
    line = line_of(lambda: list(read_tokens(corpus, [], "train", 0)))
    assert "corpus.duplicates: found n, but .bin files have no columns; give corpus.counts" in line


@given(st.lists(st.one_of(st.none(), st.integers(0, 2**31 - 1)), max_size=60))
def test_strata_are_numbers_as_long_as_they_are_few_and_then_powers_of_two(numbers):
    strata = duplicate_strata(pd.Series(numbers, dtype="Int64"))
    few = len(set(numbers) - {None}) <= 24
    for number, stratum in zip(numbers, strata, strict=True):
        if number is None:
            assert stratum is pd.NA
        elif few or number == 0:
            assert stratum == number
        else:
            assert stratum == 2 ** (number.bit_length() - 1) <= number < 2 * stratum


@pytest.mark.slow
def test_the_workflow_stratifies_by_counts_that_come_after_the_samples(tmp_path):
    """Counts are given by the hash of samples that were drawn before; these stay, and their scores too."""
    tiny_model("gpt_neox", "float32", tmp_path / "models/tiny", layers=2)
    rows = np.random.default_rng(1).integers(1, 256, (40, 60))
    (tmp_path / "tokens").mkdir()
    columns = {"uid": range(40), "batch_idx": [0] * 40, "token_ids": rows.tolist()}
    pq.write_table(pa.table(columns), tmp_path / "tokens/a.parquet")
    texts = "".join(json.dumps({"text": document.text}) + "\n" for document in documents(40))
    (tmp_path / "texts.jsonl").write_text(texts)
    content = {
        "experiment": "counted",
        "corpus": {"source": "tokens", "dataset": "tokens", "files": "*.parquet"},
        "held_out": {"source": "files", "validation": ["texts.jsonl"], "test": ["texts.jsonl"]},
        "samples": {"members": 12, "non_members": 3, "context_lengths": [10], "suffix": 10,
                    "perplexity_windows": 4, "perplexity_window": 32},
        "models": {"tiny": {"path": "models/tiny"}},
        "strategies": {},
    }  # fmt: skip

    def run(*targets: str) -> pd.DataFrame:
        (tmp_path / "my.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        done = snakemake(tmp_path, "--configfile", "my.yaml", "--", *targets)
        assert done.returncode == 0, done.stdout + done.stderr
        return pd.read_parquet(tmp_path / "results/counted/samples/samples.parquet")

    before = run("tables")
    assert before.duplicates.isna().all()
    members = before[before.split == "member"]
    lookup = [
        {"sha256": hash_of(tokens), DUPLICATES: 2 ** (number % 3)}
        for number, tokens in enumerate(map(list, members.tokens[:9]))
    ]
    write(lookup, tmp_path / "counts.jsonl")
    content["corpus"]["counts"] = "counts.jsonl"
    after = run("tables", "figures")
    pd.testing.assert_frame_equal(after.drop(columns=DUPLICATES), before.drop(columns=DUPLICATES))
    assert after.duplicates[:9].tolist() == [1, 2, 4] * 3
    assert after.duplicates[9:].isna().all()
    results = tmp_path / "results/counted"
    about = pq.read_schema(results / "samples/samples.parquet").metadata[b"counts"]
    assert json.loads(about) == {"by": "sha256", "samples": "12", "matched": "9"}
    assert (
        "counts 9 of 12 samples of training text, by sha256"
        in (results / "logs/extract_samples.log").read_text()
    )
    strata = pd.read_csv(results / "tables/memorization_by_duplicates.csv")
    assert strata.groupby("duplicates", dropna=False).samples.sum().tolist() == [3, 3, 3, 3]
    assert (results / "figures/duplicates.svg").exists()
    write([{"sha256": "0" * 64, DUPLICATES: 3}], tmp_path / "counts.jsonl")
    done = snakemake(tmp_path, "--configfile", "my.yaml", "--", "tables")
    assert "counts.jsonl: column sha256 counts none of 12 samples" in done.stdout + done.stderr
