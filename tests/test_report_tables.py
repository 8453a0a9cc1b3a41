"""The report's tables and words: its numbers are the tables', and it says what there is in every bad case."""

import base64
import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from measure_files import TEXTS, write_measure_files
from random_measures import MODELS, STRATEGIES, both_splits, random_windows

from memprune.findings.aggregate_tables import write_tables
from memprune.findings.frames import variant_label
from memprune.findings.how_to_read import HOW_TO_READ
from memprune.models.architecture import Architecture
from memprune.models.manifest import Manifest, write_manifest
from memprune.report import page_tables
from memprune.report.blobs import blob, columns
from memprune.report.cautions import cautions
from memprune.report.facts import facts, in_words
from memprune.report.headline import headline
from memprune.report.markdown_text import as_html
from memprune.report.page_tables import bounded, report_tables
from memprune.report.provenance_tables import files_of, provenance_tables, with_names
from memprune.report.strategy_words import strategy_in_words
from memprune.results import Results, load

CONFIG = {
    "experiment": "tiny",
    "corpus": {"source": "hub", "dataset": "a/b", "revision": "v1"},
    "strategies": {
        "global": {"levels": [0.1, 0.3]},
        "attention-only": {"matrices": "attention", "allocation": "matrix", "levels": [0.1, 0.3]},
    },
}
SIZES = {"small": 1_000, "b_10%": 1_500_000, "large": 2_800_000_000}


ARCHITECTURE = Architecture(
    family="gpt_neox", vocabulary=8, layers=1, hidden=4, intermediate=8, heads=1, key_heads=1, head_size=4,
    positions=16, embedding_width=4, scaled_embedding=False, norm="layer", epsilon=1e-5, norm_first=True,
    final_norm=True, norm_weights=True, block_norms=[], attention_bias=True, output_bias=True,
    mlp_bias=True, head_bias=False, parallel=True, activation="gelu", attention_scale=None, clip=None,
    alibi=None, attention_cap=None, logit_cap=None, rotary=None, local_rotary=None, windows=[None],
    tied=False,
)  # fmt: skip


def manifest_of(model: str) -> Manifest:
    """A manifest with nothing in it but a size."""
    return Manifest(
        files=[],
        dtype="float32",
        tensor_bytes=4 * SIZES[model],
        architecture=ARCHITECTURE,
        matrices=[],
        model=model,
        folder="",
        hashes={},
        fingerprint="",
        tokenizer="",
    )


def results_of(measures: pd.DataFrame, windows: pd.DataFrame, folder: Path) -> Results:
    """Results with the tables of some measures, a manifest a model, and samples; without scores."""
    (folder / "tables").mkdir(parents=True)
    (folder / "samples").mkdir()
    (folder / "measures").mkdir()
    files = (
        write_measure_files(measures, "memorization", folder / "measures"),
        write_measure_files(windows, "perplexity", folder / "measures"),
    )
    models = [name for name in MODELS if name in set(measures.model)]
    unpublished = {"sources": [], "experiment": {}}
    write_tables(*files, models, STRATEGIES, {}, TEXTS, unpublished, folder / "tables")
    for model in models:
        (folder / "models" / model).mkdir(parents=True)
        write_manifest(manifest_of(model), folder / "models" / model / "manifest.json")
    drawn = measures.drop_duplicates(["split", "sample"])[["split", "sample", "seed", "pooled", "duplicates"]]
    drawn.assign(tokens=[np.zeros(150, "int32")] * len(drawn)).to_parquet(folder / "samples/samples.parquet")
    return load(folder)


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Results:
    return results_of(both_splits(), random_windows(), tmp_path_factory.mktemp("tiny"))


def content(packed: str) -> object:
    """What a blob of JSON holds."""
    return json.loads(gzip.decompress(base64.b64decode(packed)))


def frame_of(held: dict) -> pd.DataFrame:
    """A frame of a blob as a data frame."""
    return pd.DataFrame(dict(zip(held["columns"], held["values"], strict=True)))


def test_the_page_has_every_table_as_its_file_has_it_to_the_last_digit(own):
    held = content(blob(report_tables(own, MODELS, STRATEGIES)))["tables"]
    assert {table["name"] for table in held} == set(own.tables) - {"paper_layout"}
    for table in held:
        written = pd.read_csv(own.folder / table["file"], dtype=str, keep_default_na=False)
        assert table["how_to_read"] == HOW_TO_READ[table["name"]]
        assert table["rows"] == len(written)
        assert table["frame"]["columns"] == list(written.columns)
        for name, values in zip(table["frame"]["columns"], table["frame"]["values"], strict=True):
            for value, text in zip(values, written[name], strict=True):
                if value is None:
                    assert text in ("", "inf", "-inf"), (table["name"], name)
                elif isinstance(value, bool | str):
                    assert str(value) == text, (table["name"], name)
                else:
                    assert value == float(text), (table["name"], name)


def test_the_layout_has_the_papers_values_and_the_paired_tests(own):
    cells = frame_of(content(blob(report_tables(own, MODELS, STRATEGIES)))["layout"]["frame"])
    layout = own.tables["paper_layout"].melt(["quantity", "model"], var_name="variant").dropna(subset="value")
    both = cells.merge(layout, on=["quantity", "model", "variant"], suffixes=("", "_written"))
    assert len(both) == len(cells) == len(layout)
    assert (both.value == both.value_written).all()
    names = list(own.tables["paper_layout"].columns[2:])
    for _, block in cells.groupby("quantity"):
        found = list(dict.fromkeys(block.variant))
        assert found == [name for name in names if name in found]
    paired = own.tables["paired"]
    tested = cells[cells.p_holm.notna()]
    assert len(tested) == len(paired)
    numbers = ["model", "context_length", "extracted", "lost", "gained", "p_holm", "difference"]
    rows = [sorted(table[numbers].itertuples(index=False, name=None)) for table in (tested, paired)]
    assert rows[0] == rows[1]
    mean = cells[(cells.quantity == "memorization, mean over k") & (cells.model == "small")].set_index(
        "variant"
    )
    assert mean.difference["global, level 2"] == pytest.approx(
        mean.value["global, level 2"] - mean.value["dense"]
    )
    assert np.isnan(mean.difference["dense"])
    assert mean.p_holm.isna().all()


def test_a_table_too_large_for_the_page_keeps_the_longest_context(monkeypatch):
    table = pd.DataFrame({"context_length": [50, 100] * 30, "x": range(60)})
    assert bounded(table) is table
    whole = len(blob(columns(table)))
    monkeypatch.setattr(page_tables, "BYTES", whole * 2 // 3)
    kept = bounded(table)
    assert 38 <= len(kept) <= 40
    assert (kept.context_length == 100).sum() == 30
    assert kept.x.is_monotonic_increasing
    monkeypatch.setattr(page_tables, "BYTES", whole // 2)
    first = bounded(table[["x"]].assign(y=table.x / 7))
    assert 0 < len(first) < 60
    assert list(first.x) == list(range(len(first)))


def test_the_headline_is_of_the_largest_model_with_a_drop_and_has_the_tables_numbers(own):
    text = headline(own, MODELS)
    row = (
        own.tables["paired"]
        .query("model == 'large' and context_length == 100")
        .sort_values("difference")
        .iloc[0]
    )
    assert row.p_holm < 0.05
    assert text.startswith("In large the largest drop of extracted members without collapse is that of ")
    assert f"from {row.dense} to {row.extracted} of {row.samples} (" in text
    assert f"{variant_label(row.to_frame().T).iloc[0]}, at k = 100" in text
    assert "the dense model's perplexity." in text
    assert headline(own, ["small"]).startswith("In small the")
    assert "*" not in text


def test_the_headline_passes_over_a_model_without_a_drop(tmp_path):
    measures = both_splits()
    measures.loc[measures.model == "large", "extracted"] = False
    own = results_of(measures, random_windows(), tmp_path)
    assert headline(own, MODELS).startswith("In b_10% the largest drop")


def test_the_headline_where_nothing_can_be_concluded(tmp_path):
    own = results_of(both_splits().assign(extracted=False), random_windows(), tmp_path)
    assert headline(own, MODELS) == (
        "No reduction can be concluded for small, b_10% and large: of large's 4 pruned variants 0 extract "
        "fewer members after Holm's correction, 0 more, 4 cannot be told from dense, and 0 have collapsed."
    )
    assert any("small, b_10% and large extract no member at any k" in text for text in cautions(own, MODELS))


def test_without_a_strategy_the_page_says_what_the_dense_model_extracts(tmp_path):
    measures, windows = (frame[frame.strategy == "dense"] for frame in (both_splits(), random_windows()))
    own = results_of(measures, windows, tmp_path)
    assert headline(own, MODELS).startswith("large, dense, extracts ")
    assert "No strategy was run: nothing here says what pruning does." in cautions(own, MODELS)
    assert facts(own, MODELS, CONFIG)["Strategies"] == ["none: dense models alone"]
    held = report_tables(own, MODELS, [])
    assert set(frame_of(held["layout"]["frame"]).variant) == {"dense"}
    assert json.dumps(held, allow_nan=False)


def test_one_model_unknown_duplicates_and_few_samples_are_said_first(tmp_path):
    measures, windows = (frame[frame.model == "small"] for frame in (both_splits(), random_windows()))
    own = results_of(measures.assign(duplicates=None), windows, tmp_path)
    said = cautions(own, ["small"])
    assert "small is the only model: nothing here says how size matters." in said
    assert "There are 64 members only, so intervals are wide." in said
    assert "How often any member stands in the training data is unknown." in said
    assert (
        "how often members stand in the training data is unknown" in facts(own, ["small"], CONFIG)["Samples"]
    )


def test_collapsed_variants_and_missing_scores_are_said_first(tmp_path):
    measures = both_splits()
    measures["token_accuracy"] = np.where(
        (measures.strategy == "global") & (measures.level >= 0.3), 0.01, 0.5
    )
    own = results_of(measures, random_windows(), tmp_path)
    said = cautions(own, MODELS)
    collapsed = (own.tables["verdicts"].verdict == "collapsed").sum()
    assert any(text.startswith(f"{collapsed} of 12 changed variants collapsed") for text in said)
    assert said[0].startswith("The scores of 15 of 15 variants are not in the results' folder")
    told = facts(own, MODELS, CONFIG)
    assert told["Scored"] == told["Evidence computed"] == ["unknown: there are no scores"]


def test_facts_tell_what_was_run(own):
    told = facts(own, MODELS[1:], CONFIG)
    assert told["Models"] == [
        "b_10%: 1.5 million parameters, float32",
        "large: 2.8 billion parameters, float32",
        "small: 1,000 parameters, float32, a control that stays dense",
    ]
    assert told["Strategies"] == [
        "global: smallest weights of all matrices, over all together, at 10 %, 30 %, 20 % and 40 %",
        "attention-only: smallest weights of attention matrices, in each by itself, at 10 %, 30 %, 20 % "
        "and 40 %",
        "12 pruned variants in all",
    ]
    assert told["Samples"] == [
        "64 members and 64 non-members, drawn with seed 0",
        "k = 50 and 100 tokens of context before a suffix of 50",
        "members stand 1 to 128 times in the training data",
    ]
    assert told["Corpus"] == ["data set a/b, revision v1"]
    assert told["Held-out text"][0] == "a/b, split test"
    assert all(isinstance(line, str) for lines in told.values() for line in lines)


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ({}, "smallest weights of all matrices, over all together"),
        (
            {"allocation": "layer", "criterion": "random"},
            "random weights of all matrices, in each layer by itself",
        ),
        (
            {"layers": "first 25 %"},
            "smallest weights of all matrices in the first 25 % of layers, over all together",
        ),
        (
            {"layers": [0, 3], "matrices": ["query", "key"]},
            "smallest weights of query and key matrices in layers 0 and 3, over all together",
        ),
        ({"heads": [[1, 2]]}, "smallest weights of head 2 of layer 1, over all together"),
    ],
)
def test_a_strategy_in_words(strategy, words):
    assert strategy_in_words(strategy) == words


def test_large_numbers_in_words():
    assert [in_words(count) for count in (999, 1_070_000, 12_000_000_000)] == [
        "999",
        "1.07 million",
        "12 billion",
    ]


def test_markdown_stands_below_the_pages_headings_and_holds_no_markup():
    html = as_html("# One\n\n## <script>two</script>\n\n- **a** <b>x</b>\n")
    assert html.startswith("<h3>One</h3>\n<h4>&lt;script&gt;two&lt;/script&gt;</h4>")
    assert "<strong>a</strong> &lt;b&gt;x&lt;/b&gt;" in html


def test_files_of_the_page_are_named_with_their_entries_as_text(own):
    names = [str(path.relative_to(own.folder)) for path in files_of(own.folder)]
    assert len(set(names)) == len(names)
    assert {"tables/paired.csv", "samples/samples.parquet", "models/small/manifest.json"} <= set(names)
    held = content(blob(provenance_tables(own)))
    assert held["files"]["values"][0] == names
    assert held["costs"]["columns"][0] == "rule"
    assert held["saved"]["values"][0] == []
    files = pd.DataFrame({"entries": [["x/1", "y/2"], [], None]}, dtype=object)
    assert with_names(files).entries.tolist() == ["x/1 y/2", "", None]
