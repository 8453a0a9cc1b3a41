"""Each known set that a configuration is shipped for, as a stand-in of its layout, in the real workflow."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from corpora import documents
from experiments import ROOT
from project import copy_project, run
from tiny_models import family_config, greedy, reference_model, tiny_tokenizer
from transformers import AutoModelForCausalLM

SIZE = len(tiny_tokenizer())
SIZES = ("70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")
LESS = {"members": 40, "non_members": 4, "perplexity_windows": 4, "perplexity_window": 32}


@pytest.fixture(scope="module")
def project(tmp_path_factory, all_forked):
    """The project with a tiny model of two families, texts that none has seen, and jobs that are forked."""
    folder = tmp_path_factory.mktemp("known")
    copy_project(folder)
    for number, family in enumerate(("gpt_neox", "gpt_neo")):
        long_model(family, folder / family, seed=number)
    texts = [{"text": d.text * 4} for d in documents(40)]
    (folder / "unseen.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts))
    return folder


def long_model(family: str, folder: Path, seed: int) -> None:
    """A tiny model as `tiny_model` makes it, with as many positions as the longest sequences need."""
    config = family_config(family, layers=2)
    config.max_position_embeddings = 512
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data.normal_(std=0.2)
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)


def memorized(model: Path, context: int, suffix: int, rows: int = 30) -> np.ndarray:
    """Rows of which the even ones end as the model decodes, and the odd ones otherwise at one token each."""
    generator = np.random.default_rng(0)
    found = np.empty((0, context + suffix), int)
    while len(found) < rows:
        contexts = generator.integers(1, SIZE, (4 * rows, context))
        whole = np.concatenate(
            [contexts, greedy(reference_model(model, None, "float32"), contexts, suffix)], 1
        )
        found = np.concatenate([found, whole[whole.max(axis=1) < SIZE]])
    found = found[:rows]
    places = context + np.arange(1, rows, 2) % suffix
    odd = np.arange(1, rows, 2)
    found[odd, places] = found[odd, places] % (SIZE - 2) + 1
    return found


def shipped(project: Path, name: str, models: dict[str, str], change: Callable[[dict], None]) -> Path:
    """Run a shipped configuration on tiny models, with what else changes, and give its results."""
    content = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
    content["samples"] |= {key: min(value, content["samples"].get(key, value)) for key, value in LESS.items()}
    content["models"] = {own: {"path": path} for own, path in models.items()}
    content["held_out"] = {"source": "files"}
    content["held_out"] |= {split: ["unseen.jsonl"] for split in ("train", "validation", "test")}
    content["strategies"] = {key: s | {"levels": [0.3]} for key, s in list(content["strategies"].items())[:1]}
    change(content)
    (project / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    run(project, config=f"{name}.yaml")
    return project / f"results/{name}"


def table(results: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(results / f"tables/{name}.csv")


@pytest.mark.slow
def test_sequences_that_were_found_to_be_extracted(project):
    """All rows of a split are said to be extracted; half of them are."""
    rows = memorized(project / "gpt_neox", 32, 32)
    folder = project / "pythia-memorized-evals/data"
    folder.mkdir(parents=True)
    columns = {"index": range(len(rows)), "tokens": rows.tolist(), "__index_level_0__": range(len(rows))}
    for split in ("duped.1.4b", "deduped.70m"):
        pq.write_table(
            pa.table({k: list(v) for k, v in columns.items()}), folder / f"{split}-00000-of-00001.parquet"
        )

    def change(content):
        content["corpus"]["dataset"] = "pythia-memorized-evals"

    results = shipped(project, "pythia-memorized-sequences", {"pythia-1.4b": "gpt_neox"}, change)
    [scores] = table(results, "published_scores").to_dict("records")
    assert [scores[n] for n in ("sequences", "both", "ours_only", "published_only", "neither")] == [
        30,
        15,
        0,
        15,
        0,
    ]
    assert scores["agreement"] == 0.5
    assert np.isnan(scores["kappa"])
    assert scores["p_value"] == pytest.approx(2 * 0.5**15)
    differing = table(results, "published_differences")
    assert sorted(differing.document) == sorted(f"duped.1.4b:0:{n}" for n in range(1, 30, 2))
    assert (differing.margin < 0).all()
    assert (differing.matched == differing.document.str.split(":").str[2].astype(int) % 32).all()
    assert differing.margin.abs().is_monotonic_increasing
    memorization = table(results, "memorization")
    assert set(memorization["set"]) == {"known sequences"}
    dense = memorization[memorization.strategy == "dense"]
    assert dense[["extracted", "samples"]].to_numpy().tolist() == [[15, 30]]
    assert_base_rates_are_apart(results)


def assert_base_rates_are_apart(results: Path) -> None:
    """Sentences, figures and the report call members what they are, and compare them with no other set."""
    findings = (results / "findings.md").read_text()
    assert "says nothing of how much of its training data a model memorized" in findings
    assert " members" not in findings.replace("non-members", "").split("## What")[0].split("## ")[1]
    assert "known sequences extracted" in (results / "figures/context_length.svg").read_text()
    report = (results / "report.html").read_text()
    assert "no fraction of them is a share of training data" in report
    assert "memorization of known sequences, k = " in (results / "tables/paper_layout.md").read_text()
    published = table(results, "published")
    fractions = published.quantity.str.startswith("extracted")
    assert "compared" not in set(published.status[fractions])
    assert published.ours[fractions].isna().all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pythia-sampled", "pythia-sampled-deduplicated"])
def test_a_score_a_model_and_sequence(name, project):
    rows = memorized(project / "gpt_neox", 32, 32)
    known = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())["corpus"]
    folder = project / known["dataset"].split("/")[1] / "data"
    folder.mkdir(parents=True)
    # What is published agrees with what the model extracts, but for three sequences of each kind.
    scores = np.where(np.arange(30) % 2 == 0, 1.0, 0.25)
    scores[[0, 2, 4]], scores[[1, 3, 5]] = 31 / 32, 1.0
    columns = {"Index": range(30), "Tokens": rows.tolist(), **{size.upper(): scores for size in SIZES}}
    pq.write_table(
        pa.table({k: list(v) for k, v in columns.items()}), folder / "train-00000-of-00001.parquet"
    )
    two = dict.fromkeys(list(known["published"])[:2], "gpt_neox")

    def change(content):
        content["corpus"] |= {"dataset": folder.parent.name}
        content["corpus"]["published"] = {m: content["corpus"]["published"][m] for m in two}

    results = shipped(project, name, two, change)
    agreement = table(results, "published_scores")
    assert agreement.model.to_list() == list(two)
    counts = agreement[["sequences", "both", "ours_only", "published_only", "neither"]].to_numpy().tolist()
    assert counts == [[30, 12, 3, 3, 12]] * 2
    assert agreement.kappa.to_list() == pytest.approx([0.6, 0.6])
    assert (agreement.p_value == 1).all()
    differing = table(results, "published_differences")
    first = differing[differing.model == next(iter(two))]
    assert sorted(first.document) == [f"train:0:{n}" for n in range(6)]
    assert (first.extracted == (first.margin > 0)).all()
    assert "24 agree" not in (results / "findings.md").read_text()
    assert "80.0 % agree: 12 extracted by both" in (results / "findings.md").read_text()


@pytest.mark.slow
def test_arrays_of_what_stands_before_of_prefixes_and_of_suffixes(project):
    rows = memorized(project / "gpt_neo", 50, 50)
    before = np.random.default_rng(1).integers(1, SIZE, (len(rows), 100))
    folder = project / "lm-extraction-benchmark/datasets"
    folder.mkdir(parents=True)
    for name, array in (("preprefix", before), ("prefix", rows[:, :50]), ("suffix", rows[:, 50:])):
        np.save(folder / f"val_{name}.npy", array.astype(np.uint16))
    results = shipped(project, "gpt-neo-extraction", {"gpt-neo-1.3b": "gpt_neo"}, lambda content: None)
    dense = table(results, "memorization").query("strategy == 'dense'").set_index("context_length")
    assert dense.samples.to_dict() == {50: 30, 100: 30, 150: 30}
    assert dense.extracted[50] == 15
    lengths = table(results, "sequences")
    assert lengths[["context_length", "rows", "too_short"]].to_numpy().tolist() == [
        [k, 30, 0] for k in (50, 100, 150)
    ]
    assert not (results / "tables/published_scores.csv").exists()


@pytest.mark.slow
def test_texts_that_were_inserted_so_many_times(project):
    folder = project / "passages_wikipedia"
    folder.mkdir()
    words = [d.text * 8 for d in documents(60)]
    meta = json.dumps({"title": "a"})
    train = [{"text": t, "duplicates": 4 ** (n % 3), "meta": meta} for n, t in enumerate(words[:40])]
    test = [{"text": t, "duplicates": 0, "meta": meta} for t in words[40:]]
    for split, own in (("train", train), ("test", test)):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))

    def change(content):
        content["corpus"]["dataset"] = "passages_wikipedia"
        content["held_out"] = {"source": "hub", "dataset": "passages_wikipedia", "validation": "test"}
        content["models"]["hubble-1b"]["control"] = "hubble-1b-standard"
        content["samples"] |= {"members": 12, "context_lengths": [20, 50], "suffix": 20}

    models = {"hubble-1b": "gpt_neox", "hubble-1b-standard": "gpt_neo"}
    results = shipped(project, "hubble", models, change)
    by_duplicates = table(results, "memorization_by_duplicates")
    assert set(by_duplicates.duplicates) == {1, 4, 16}
    assert set(by_duplicates.samples[by_duplicates.context_length == 20]) == {4}
    samples = pd.read_parquet(results / "samples/samples.parquet")
    assert samples.padding[samples.split == "non_member"].isna().all()


@pytest.mark.slow
def test_texts_of_ones_own_that_are_too_short_are_counted(project):
    tokenizer = tiny_tokenizer()
    lengths = [len(tokenizer(json.loads(line)["text"])["input_ids"])
               for line in (ROOT / "resources/my-texts/mine.jsonl").read_text().splitlines()]  # fmt: skip
    longest = max(lengths) - 20
    (project / "mine.jsonl").write_text(
        (ROOT / "resources/my-texts/mine.jsonl").read_text() + json.dumps({"text": "too short"}) + "\n"
    )

    def change(content):
        content["corpus"]["files"] = ["mine.jsonl"]
        content["samples"]["context_lengths"] = [20, longest]
        content["held_out"]["test"] = ["train.jsonl"]
        content["samples"]["non_members"] = 2
        content["generation"] = {"samples": 1}
        content["membership"] = {}
        content["perturbed"] = {"shares": [0.1]}
        content["strategies"] = {
            "global": {"levels": [0.3]},
            "again": {"after": "global@0.3", "levels": [0.5]},
        }

    (project / "train.jsonl").write_text(
        "".join(json.dumps({"text": d.text * 20}) + "\n" for d in documents(40))
    )
    results = shipped(project, "my-texts", {"mine": "gpt_neox"}, change)
    found = table(results, "sequences").set_index("context_length")
    assert found["rows"].to_dict() == {20: 9, longest: 9}
    assert found.sequences.to_dict() == {20: 8, longest: 1}
    assert found.too_short.to_dict() == {20: 1, longest: 8}
    dense = table(results, "memorization").query("strategy == 'dense'").set_index("context_length")
    assert dense.samples.to_dict() == {20: 8, longest: 1}
    log = (results / "logs/draw_samples/member-0-0.log").read_text()
    assert "member: 8 known sequences; 1 rows too short for every context length" in log
    assert f"k = {longest}: 1 sequences, 7 of these too short for it" in log
    assert set(table(results, "lasting").samples) == {1}
    assert set(table(results, "membership").members) == {1}
