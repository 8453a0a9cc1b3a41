"""Perplexity of concatenated text: the pruning papers' windows, order of text and number, and its table."""

import json
import runpy
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from corpora import corpus_of, documents, json_lines
from hypothesis import given, settings
from hypothesis import strategies as st
from random_measures import random_windows
from tiny_models import reference_model, tiny_model, tiny_tokenizer
from tokenizer_folders import ADDED, FORMS, folder_of
from tokenizers.pre_tokenizers import ByteLevel

from memprune.config.experiment import Config, check
from memprune.corpus.documents import Document
from memprune.corpus.draw_concatenated import MARGIN, draw_concatenated
from memprune.corpus.sources import embedded, files, hub
from memprune.errors import UserError
from memprune.findings.concatenated_table import concatenated_table
from memprune.findings.frames import VARIANT, in_order
from memprune.findings.naming_text import naming_text
from memprune.models.manifest import write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.models.tokenization import load_tokenizer
from memprune.planning import params, preflight
from memprune.planning.draws import CONCATENATED, draw_files
from memprune.planning.perplexity_texts import perplexity_texts
from memprune.planning.preflight import check_experiment
from memprune.planning.protocol import compared

SCRIPTS = Path(__file__).parents[1] / "workflow_scripts"
texts = st.text(st.sampled_from("ab \n\tword—ü😀"), max_size=40)


def as_documents(contents: list[str]) -> list[Document]:
    return [Document(str(number), "all", text, None) for number, text in enumerate(contents)]


def experiment(**parts) -> Config:
    content = {
        "experiment": "tiny",
        "corpus": {"source": "embedded"},
        "samples": {"context_lengths": [10], "suffix": 10, "perplexity_window": 16},
        "models": {"tiny": {"path": "tiny"}},
        "strategies": {"global": {"levels": [0.3]}},
        "concatenated": {"window": 16},
        "evaluation": {"device": "cpu", "precision": "float32"},
    }
    return check(content | parts, "my.yaml")


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize("form", FORMS)
@given(contents=st.lists(texts, min_size=1, max_size=6), window=st.integers(2, 9))
@settings(max_examples=25, deadline=None)
def test_windows_are_the_pruning_papers(form, added, contents, window):
    """Their `testenc[:, i * seqlen : (i + 1) * seqlen]`, with tokens that the tokenizer adds by itself."""
    tokenizer = load_tokenizer(folder_of(form, "two tokens", added))
    ids = tokenizer("\n\n".join(contents)).input_ids
    if len(ids) < window:
        with pytest.raises(UserError, match=rf"concatenated.window: found {window}, .* text, {len(ids)}$"):
            draw_concatenated(as_documents(contents), tokenizer, window, None)
        return
    table = draw_concatenated(as_documents(contents), tokenizer, window, None)
    expected = [ids[i * window : (i + 1) * window] for i in range(len(ids) // window)]
    assert table["tokens"].to_pylist() == expected
    assert table["window"].to_pylist() == list(range(len(expected)))
    assert table.schema.field("tokens").type == pa.list_(pa.int32())


@pytest.mark.parametrize("form", [*FORMS, "unsplit"])
def test_fewer_windows_are_the_first_of_all_and_no_more_text_is_read_than_they_need(form):
    tokenizer = load_tokenizer(folder_of(form.replace("unsplit", "bytes"), "two tokens", "both"))
    if form == "unsplit":  # merged over the whole text as one word, as Llama's does
        tokenizer.backend_tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    long = documents(900)
    whole = draw_concatenated(long, tokenizer, 32, None)
    read = []
    for windows in (1, 3, len(whole) + 5):
        left = iter(long)
        few = draw_concatenated(left, tokenizer, 32, windows)
        assert few.equals(whole.slice(0, windows))
        read.append(len(long) - len(list(left)))
    assert read[0] <= read[1] < 900 == read[2]
    assert len(whole) * 32 > MARGIN + 3 * 32


def texts_read(source, corpus: dict, paths: list[str], split: str, seed: int | None) -> list[str]:
    return [document.text for document in source.read(corpus, paths, split, seed)]


def test_local_text_stays_in_the_order_of_its_files(tmp_path):
    parts = {"b.jsonl": ["1", "2", ""], "a.jsonl": ["4", "3"]}
    for name, contents in parts.items():
        (tmp_path / name).write_bytes(json_lines([{"text": text} for text in contents]))
    paths = [str(tmp_path / name) for name in parts]
    corpus = {"source": "files", "train": paths, "validation": paths, "test": paths}
    config = experiment(corpus=corpus)
    spec = json.loads(params.draw_spec(config, CONCATENATED))
    read = texts_read(files, spec["corpus"], draw_files(config, CONCATENATED), "validation", spec["seed"])
    assert read == ["1", "2", "", "4", "3"]
    assert texts_read(embedded, {}, paths, "validation", None) == read


def test_text_of_the_hub_stays_in_the_order_of_its_files_and_is_read_as_far_as_needed(
    hub_client, monkeypatch
):
    folder = hub_client.root / "datasets/someone/texts"
    folder.mkdir(parents=True)
    for number in range(3):
        rows = [{"content": f"{number} {row} {'x' * 5000}"} for row in range(1500)]
        (folder / f"validation-{number}.jsonl").write_bytes(json_lines(rows))
    (folder / "train.jsonl").write_bytes(json_lines([{"content": "seen"}]))
    corpus = corpus_of("someone/texts")
    table = draw_concatenated(hub.read(corpus, [], "validation", None), tiny_tokenizer(), 64, 2)
    assert tiny_tokenizer().decode(table["tokens"][0].as_py()).startswith("0 0 xxx")
    assert hub_client.sent < 12 * 10**6
    names = [document.document for document in hub.read(corpus, [], "validation", None)]
    assert names == [f"validation:{number}:{row}" for number in range(3) for row in range(1500)]


@pytest.fixture
def hub_client(hub, monkeypatch, tmp_path):
    hub.point(monkeypatch, tmp_path / "home")
    return hub


def test_a_data_set_of_several_configurations(tmp_path):
    lines = ["---", "configs:"]
    for name in ("small", "large"):
        lines += [f"- config_name: {name}", "  data_files:"]
        for split in ("train", "validation", "test"):
            (tmp_path / f"{name}-{split}.jsonl").write_bytes(json_lines([{"content": f"{name} {split}"}]))
            lines += [f"  - split: {split}", f"    path: {name}-{split}.jsonl"]
    (tmp_path / "README.md").write_text("\n".join([*lines, "---", ""]))
    corpus = corpus_of(str(tmp_path))
    for name in ("small", "large"):
        assert texts_read(hub, corpus | {"config": name}, [], "test", None) == [f"{name} test"]
    with pytest.raises(UserError, match=r"revision main: .*small.*large") as caught:
        texts_read(hub, corpus, [], "test", None)
    assert "\n" not in str(caught.value)


def test_a_draw_of_concatenated_text_depends_on_its_own_settings_only():
    data = {"source": "hub", "dataset": "a/b"}

    def spec(corpus: dict, draw: str = CONCATENATED, **parts) -> str:
        return params.draw_spec(experiment(corpus=corpus, **parts), draw)

    first = json.loads(spec(data))
    assert (first["seed"], first["window"], first["windows"]) == (None, 16, None)
    assert first["corpus"] == {
        "source": "hub", "dataset": "a/b", "revision": "main", "text": "text", "validation": "validation",
    }  # fmt: skip
    assert spec(data) == spec(data | {"shuffle_buffer": 7, "parts": 2}, seeds=[5])
    assert spec(data) != spec(data | {"config": "small"})
    assert spec(data, "perplexity-0-0") != spec(data | {"shuffle_buffer": 7}, "perplexity-0-0")


def test_windows_beyond_the_models_positions_are_one_line_before_any_job(tmp_path, monkeypatch):
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model", layers=2)
    local = {"tiny": {"path": str(folder)}}
    check_experiment(experiment(models=local, concatenated={"window": 128}), "my.yaml")
    refusal = (
        "^my.yaml: models.tiny: concatenated.window: found a text of 129 tokens, allowed at most the "
        "model's 128 positions$"
    )
    with pytest.raises(UserError, match=refusal):
        check_experiment(experiment(models=local, concatenated={"window": 129}), "my.yaml")
    content = json.loads((folder / "config.json").read_text())
    monkeypatch.setattr(preflight, "cached_config", lambda model: content)
    hub_models = {"tiny": {"repo": "someone/tiny"}}
    with pytest.raises(UserError, match=refusal):
        check_experiment(experiment(models=hub_models, concatenated={"window": 129}), "my.yaml")


def run(script: str, *arguments) -> None:
    """Run a script of the workflow in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(SCRIPTS / script), *map(str, arguments)])
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")


def plain_perplexity(folder: Path, ids: list[int], window: int) -> float:
    """As SparseGPT and Wanda compute it: mean loss of each window, times its length, exp of their mean."""
    model = reference_model(folder, None, "float32")
    losses = []
    with torch.no_grad():
        for start in range(0, len(ids) - window + 1, window):
            inputs = torch.tensor([ids[start : start + window]])
            logits = model(inputs).logits
            loss = torch.nn.functional.cross_entropy(logits[0, :-1], inputs[0, 1:])
            losses.append(loss * window)
    return torch.exp(torch.stack(losses).sum() / (len(losses) * window)).item()


def test_the_jobs_end_in_the_perplexity_of_a_plain_loop(tmp_path, monkeypatch):
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model", layers=2)
    manifest = tmp_path / "manifest.json"
    write_manifest(resolve_model("tiny", folder), manifest)
    contents = [document.text for document in documents(40)]
    path = tmp_path / "texts.jsonl"
    path.write_bytes(json_lines([{"text": text} for text in contents]))
    corpus = {"source": "files", "train": [str(path)], "validation": [str(path)], "test": [str(path)]}
    config = experiment(corpus=corpus, concatenated={"window": 50})

    drawn, scores, measures = (tmp_path / f"{name}.parquet" for name in ("drawn", "scores", "measures"))
    spec = ("--spec", params.draw_spec(config, CONCATENATED))
    run("draw_samples.py", *spec, "--files", path, "--manifest", manifest, "--output", drawn)
    assert set(pq.read_schema(drawn).metadata) == {b"tokenizer", b"source"}
    run(
        "score_texts.py", "--kind", "concatenated", "--model", "tiny", "--variant", "dense", "--manifest",
        manifest, "--texts", drawn, "--spec", params.scoring_spec(config), "--threads", 1, "--output", scores,
    )  # fmt: skip
    run("measure_concatenated.py", "--scores", scores, "--output", measures)

    ids = tiny_tokenizer()("\n\n".join(contents)).input_ids
    table = pq.read_table(measures)
    assert table.column_names == [*VARIANT, "window", "tokens", "nll"]
    assert table.schema.field("nll").metadata == {b"better": b"lower"}
    assert table["tokens"].to_pylist() == [49] * (len(ids) // 50)
    [row] = concatenated_table(in_order(table.to_pandas(), ["tiny"], [])).to_dict("records")
    assert (row["windows"], row["tokens"]) == (len(ids) // 50, 49 * (len(ids) // 50))
    assert row["perplexity"] == pytest.approx(plain_perplexity(folder, ids, 50), rel=1e-5)


def windows_of_equal_length() -> pd.DataFrame:
    """Measures of twelve windows of all variants."""
    rows = random_windows(12).drop(columns=["document", "bytes", "words"]).query("window < 12")
    return rows.assign(nll=rows.nll / rows.tokens * 49, tokens=49)


def test_the_table_has_the_exp_of_the_mean_loss_of_windows_and_ratios_to_dense():
    measures = windows_of_equal_length()
    table = concatenated_table(measures)
    assert table.columns.to_list() == [
        *VARIANT, "windows", "tokens", "perplexity", "perplexity_ratio", "perplexity_ratio_ci_low",
        "perplexity_ratio_ci_high",
    ]  # fmt: skip
    dense = table[table.strategy == "dense"].set_index("model").perplexity
    for row in table.itertuples():
        own = measures.query("model == @row.model and strategy == @row.strategy and level == @row.level")
        assert (row.windows, row.tokens) == (12, 12 * 49)
        assert row.perplexity == pytest.approx(np.exp((own.nll / own.tokens).mean()))
        assert row.perplexity_ratio == pytest.approx(row.perplexity / dense[row.model])
    pruned = table[table.strategy != "dense"]
    assert (pruned.perplexity_ratio_ci_low < pruned.perplexity_ratio).all()
    assert (pruned.perplexity_ratio < pruned.perplexity_ratio_ci_high).all()
    lacking = measures[~((measures.strategy == "global") & (measures.window == 3))]
    with pytest.raises(UserError, match="measures of small: found other windows of some variants"):
        concatenated_table(lacking)


HELD_OUT = {"source": "hub", "dataset": "someone/wikitext", "config": "wikitext-2-raw-v1", "revision": "abc"}
LOCAL = {"source": "files", "validation": ["x/b.jsonl", "y/a.parquet"], "test": ["t.jsonl"]}


@pytest.mark.parametrize(
    ("held_out", "named"),
    [
        ({"source": "embedded"}, ("mini-pile", "validation", None)),
        (LOCAL, ("b.jsonl, a.parquet", "validation", None)),
        (HELD_OUT | {"validation": "test"}, ("someone/wikitext wikitext-2-raw-v1", "test", "abc")),
    ],
)
def test_tables_of_perplexity_name_data_set_split_revision_and_window(held_out, named):
    config = experiment(held_out=held_out, concatenated={"window": 20})
    names = dict(zip(("dataset", "data_split", "revision"), named, strict=True))
    expected = {"perplexity": names | {"window": 16}, "concatenated": names | {"window": 20}}
    assert perplexity_texts(config) == json.loads(params.tables_spec(config))["texts"] == expected
    assert "concatenated" not in perplexity_texts(experiment(concatenated=None))

    table = concatenated_table(windows_of_equal_length())
    text = naming_text(table, json.loads(params.tables_spec(config))["texts"]["concatenated"])
    assert text.columns.to_list() == list(chain(VARIANT, names, ["window"], table.columns[len(VARIANT) :]))
    assert set(text.dataset) == {named[0]}
    assert set(text.window) == {20}
    pd.testing.assert_frame_equal(text[table.columns], table)


def test_a_folder_laid_out_as_a_data_set_has_no_revision(tmp_path):
    text = perplexity_texts(experiment(held_out={"source": "hub", "dataset": str(tmp_path)}))["perplexity"]
    assert (text["dataset"], text["revision"]) == (str(tmp_path), None)


def test_the_protocol_names_the_configuration_of_a_data_set():
    protocol = compared(experiment(held_out=HELD_OUT))["protocol"]
    assert protocol["perplexity_text"] == "someone/wikitext wikitext-2-raw-v1 validation"
