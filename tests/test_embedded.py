"""The embedded experiment as shipped: the forced pass says what decoding does, and it means something."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from tiny_models import greedy, reference_model

from memprune.config.experiment import load
from memprune.devices.footprint import BATCH_TOKENS
from memprune.models.manifest import read_manifest
from memprune.scoring.continuations import continue_suffixes
from memprune.scoring.variant_model import load_variant

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "results/.store"
EMBEDDED = load(ROOT / "config/embedded.yaml")
SUFFIX = EMBEDDED.samples.suffix
VARIANTS = [
    (model, variant)
    for model in EMBEDDED.models
    for variant in ("dense", "global@0.5")
    if variant in EMBEDDED.variants(model)
]
CONTROL = "tiny-pythia-3.5m-once"
FIRST = 4  # tokens, after which only what still matches is decoded on


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """The results folder of a run of the embedded experiment, up to the measures of two variants a model.

    What `make demo` has computed with the same code and inputs is taken from a copy of its store.
    """
    folder = tmp_path_factory.mktemp("embedded")
    (folder / "resources").symlink_to(ROOT / "resources")
    if DEMO.exists():
        shutil.copytree(DEMO, folder / "results/.store", ignore=shutil.ignore_patterns("roots", "tmp"))
    targets = [
        f"results/embedded/measures/{model}/{variant}.{kind}.parquet"
        for model, variant in VARIANTS
        for kind in ("memorization", "perplexity")
    ]
    subprocess.run(
        [
            sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "all",
            "--directory", str(folder), *targets,
        ],
        cwd=folder,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "MEMPRUNE_STORE": ""},
        check=True,
    )  # fmt: skip
    return folder / "results/embedded"


@pytest.fixture(scope="module")
def windows(results) -> np.ndarray:
    column = pq.read_table(results / "samples/samples.parquet")["tokens"].combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), EMBEDDED.samples.window)


def tokens_reproduced(model, texts: np.ndarray, k: int) -> np.ndarray:
    """How many tokens after the first k of each text `generate` reproduces, until its first mismatch."""
    matched = np.full(len(texts), FIRST)
    for length in (FIRST, SUFFIX):
        rows = np.flatnonzero(matched == FIRST)
        if len(rows):
            same = greedy(model, texts[rows, :k], length) == texts[rows, k : k + length]
            matched[rows] = np.cumprod(same, axis=1).sum(axis=1)
    return matched


@pytest.mark.slow
@pytest.mark.parametrize(("model", "variant"), VARIANTS)
def test_every_samples_exact_match_equals_greedy_decoding(results, windows, model, variant):
    mask = None if variant == "dense" else results / f"changes/{model}/{variant}.safetensors"
    path = EMBEDDED.models[model].path
    threads = torch.get_num_threads()
    # Beside other processes that compute, threads would wait for one another.
    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else os.cpu_count())
    pruned = reference_model(ROOT / path, mask, "float32")
    measures = pd.read_parquet(results / f"measures/{model}/{variant}.memorization.parquet")
    for k, rows in measures.groupby("context_length"):
        matched = tokens_reproduced(pruned, windows[:, -SUFFIX - k :], k)
        np.testing.assert_array_equal(rows.extracted, matched == SUFFIX)
        np.testing.assert_array_equal(rows.matched, matched)
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "variant"), VARIANTS)
def test_every_continuation_is_what_generate_gives_from_the_start(results, windows, model, variant):
    mask = None if variant == "dense" else results / f"changes/{model}/{variant}.safetensors"
    manifest = read_manifest(results / f"models/{model}/manifest.json")
    ours = load_variant(manifest, [mask] if mask else [], torch.float32, torch.device("cpu"))
    reference = reference_model(ROOT / EMBEDDED.models[model].path, mask, "float32")
    expected = greedy(reference, windows[:, :-SUFFIX], SUFFIX)
    np.testing.assert_array_equal(continue_suffixes(ours, windows, SUFFIX, BATCH_TOKENS), expected)


def fractions(results: Path, split: str) -> pd.DataFrame:
    """Fraction extracted from the dense models: context lengths in rows, models in columns by size."""
    measures = pd.concat(
        pd.read_parquet(results / f"measures/{model}/dense.memorization.parquet") for model in EMBEDDED.models
    )
    own = measures[measures.split == split]
    table = own.pivot_table(index="context_length", columns="model", values="extracted", aggfunc="mean")
    return table[list(EMBEDDED.models)]


@pytest.mark.slow
def test_the_experiment_means_something(results):
    members, studied = fractions(results, "member"), EMBEDDED.studied
    assert members.loc[100, studied].between(0.05, 0.6).all()
    assert members.loc[100, studied].is_monotonic_increasing
    assert all(members[model].is_monotonic_increasing for model in studied)
    assert (members.loc[100, studied] > members.loc[10, studied]).all()
    assert fractions(results, "non_member").to_numpy().max() <= 0.02
    assert members[CONTROL].max() == 0 == members.loc[10, CONTROL]


@pytest.mark.slow
@pytest.mark.parametrize("model", EMBEDDED.studied)
def test_what_is_repeated_more_often_is_extracted_more_and_not_at_one_number_alone(results, model):
    measures = pd.read_parquet(results / f"measures/{model}/dense.memorization.parquet")
    own = measures[(measures.split == "member") & (measures.context_length == 25)]
    by_duplicates = own.groupby("duplicates").extracted.mean()
    assert by_duplicates.is_monotonic_increasing
    assert by_duplicates.loc[1] == 0 < 1 == by_duplicates.loc[192]
    assert by_duplicates.nunique() >= 4


@pytest.mark.slow
@pytest.mark.parametrize("model", EMBEDDED.models)
def test_validation_perplexity_is_far_below_a_unigram_models(results, model):
    measured = json.loads((ROOT / "resources/tiny-pythia/training.json").read_text())
    measures = pd.read_parquet(results / f"measures/{model}/dense.perplexity.parquet")
    perplexity = np.exp(measures.nll.sum() / measures.tokens.sum())
    assert perplexity < measured["unigram_validation_perplexity"] / 5
