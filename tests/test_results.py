"""Results as those who analyse them read them: what was written comes back, without torch or a model."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from project import ROOT
from tiny_models import tiny_model

from memprune.errors import UserError
from memprune.evaluation.columns import suffix_columns, window_columns, write_evidence
from memprune.findings.frames import COMPUTED
from memprune.models.manifest import write_manifest
from memprune.models.resolve_model import resolve_model
from memprune.results import load
from memprune.scoring.evidence import Evidence
from memprune.variants.changes import About, write_change

MODEL, PRUNED = "007", "global@0.3"
SAMPLES, SUFFIX = 5, 4
ACHIEVED = {"sparsity": 0.3, "removed": 0.2, "variant_bytes": 1000}
HOW = {"compute_dtype": "float32", "device": "cpu"}
WINDOWS = [np.float32([-1.5, -0.25]), np.float32([-3])]
EXAMPLE = re.search(r"```python\n(.*?)```", (ROOT / "docs/results.md").read_text(), re.DOTALL)[1]


def random_evidence(variant: str) -> Evidence:
    generator = np.random.default_rng(len(variant))
    floats = generator.normal(size=(2, SAMPLES, SUFFIX)).astype(np.float32)
    return Evidence(*floats, generator.integers(0, 2, (SAMPLES, SUFFIX), dtype=np.uint16))


def described(variant: str, rows: int) -> dict:
    strategy, _, level = variant.partition("@")
    return {
        "model": [MODEL] * rows,
        "strategy": [strategy] * rows,
        "level": [float(level or 0)] * rows,
        "target": pa.array([None] * rows, pa.string()),
    }


@pytest.fixture(scope="module")
def kept() -> np.ndarray:
    return np.random.default_rng(0).random((96, 32)) < 0.7


@pytest.fixture(scope="module")
def folder(tmp_path_factory, kept) -> Path:
    """The results folder of a small experiment, laid out as the workflow does it."""
    results = tmp_path_factory.mktemp("results") / "embedded"
    for kind in ("models", "changes", "scores", "measures"):
        (results / kind / MODEL).mkdir(parents=True)
    (results / "tables").mkdir()
    (results / "samples").mkdir()
    manifest = resolve_model(MODEL, tiny_model("gpt_neox", "float16", results.parent / "model"))
    write_manifest(manifest, results / f"models/{MODEL}/manifest.json")
    (results / "tables/memorization.csv").write_text("model,strategy,fraction\n007,NA,0.5\n")
    (results / "tables/memorization_by_duplicates.csv").write_text("model,duplicates\n007,2\n007,\n")
    pd.DataFrame({"quantity": ["p"], "model": [MODEL]}).to_parquet(results / "tables/paper_layout.parquet")
    tokens = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(SAMPLES * 6, dtype=np.int32)), 6)
    samples = pa.table({"sample": range(SAMPLES), "tokens": tokens})
    pq.write_table(samples, results / "samples/samples.parquet")
    windows = pa.table({"window": [0, 1], "tokens": pa.array([[1, 2, 3], [4, 5]], pa.list_(pa.int32()))})
    pq.write_table(windows, results / "samples/windows.parquet")

    def about(rows: int) -> dict[str, str]:
        return {"achieved": json.dumps(ACHIEVED), "shards": json.dumps([{"rows": rows, **HOW}])}

    for variant in ("dense", PRUNED, "global@1e-05"):
        rows = described(variant, SAMPLES) | {
            "sample": range(SAMPLES),
            "split": ["member"] * SAMPLES,
            "duplicates": pa.array([1, None, 3, 4, 5], pa.int32()),
            "context_length": [10] * SAMPLES,
        }
        table = pa.table({**rows, **suffix_columns(random_evidence(variant))}, metadata=about(SAMPLES))
        write_evidence(table, results / f"scores/{MODEL}/{variant}.memorization.parquet")
        columns = described(variant, 2) | {"window": [0, 1], "tokens": [2, 1], **window_columns(WINDOWS)}
        table = pa.table(columns, metadata=about(2))
        write_evidence(table, results / f"scores/{MODEL}/{variant}.perplexity.parquet")
    for kind in ("memorization", "perplexity"):
        pq.write_table(pa.table({"of": [kind]}), results / f"measures/{MODEL}/{PRUNED}.{kind}.parquet")
    matrix = manifest.matrices[0]
    assert matrix.shape == kept.shape
    packed, path = np.packbits(kept, bitorder="little"), results / f"changes/{MODEL}/{PRUNED}.safetensors"
    counts = {matrix.name: int(kept.sum())}
    shapes, details = {matrix.name: matrix.shape}, {"kept": counts}
    about = About("mask", {}, 0.3, manifest.fingerprint, shapes, counts, details=details)
    write_change(about, [(matrix.name, packed)], path)
    return results


def test_tables_keep_names_and_what_is_unknown(folder):
    tables = load(folder).tables
    assert set(tables) == {"memorization", "memorization_by_duplicates", "paper_layout"}
    assert tables["memorization"].to_numpy().tolist() == [["007", "NA", 0.5]]
    assert tables["memorization_by_duplicates"].duplicates.tolist() == [2, pd.NA]
    assert tables["paper_layout"].model.tolist() == [MODEL]


def test_models_variants_and_what_was_drawn(folder):
    results = load(str(folder))
    assert results.models == [MODEL]
    assert results.variants(MODEL) == ["dense", "global@1e-05", PRUNED]
    assert results.manifest(MODEL).architecture.family == "gpt_neox"
    assert np.stack(results.samples.tokens).tolist() == np.arange(SAMPLES * 6).reshape(SAMPLES, 6).tolist()
    assert [row.tolist() for row in results.windows.tokens] == [[1, 2, 3], [4, 5]]


@pytest.mark.parametrize("variant", ["dense", PRUNED])
def test_evidence_comes_back_as_it_was_written(folder, variant):
    rows, evidence = load(folder).evidence(MODEL, variant)
    for name, values in vars(random_evidence(variant)).items():
        np.testing.assert_array_equal(getattr(evidence, name), values)
    own = ["sample", "split", "duplicates", "context_length"]
    assert list(rows) == ["model", "strategy", "level", "target", *ACHIEVED, *own, *COMPUTED]
    assert rows.screened.isna().all()
    assert rows.loc[0, list(ACHIEVED)].to_dict() == ACHIEVED
    assert set(evidence.compute_dtype) == {"float32"}
    assert rows.duplicates.tolist() == [1, pd.NA, 3, 4, 5]
    assert set(rows.model) == {MODEL}
    assert rows.attrs == {"shards": [{"rows": SAMPLES, **HOW}]}


def test_windows_evidence_and_measures(folder):
    results = load(folder)
    windows = results.perplexity_evidence(MODEL, PRUNED)
    for found, expected in zip(windows.log_probability, WINDOWS, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    assert windows.attrs == {"shards": [{"rows": 2, **HOW}]}
    assert windows.loc[0, list(ACHIEVED)].to_dict() == ACHIEVED
    assert results.measures(MODEL, PRUNED).of.tolist() == ["memorization"]
    assert results.perplexity_measures(MODEL, PRUNED).of.tolist() == ["perplexity"]


def test_measures_of_texts(folder):
    measures = folder / "measures" / MODEL
    written = pd.DataFrame({"model": MODEL, "strategy": "dense", "item": [0, 1], "acc": [0.0, 1.0]})
    written.to_parquet(measures / "dense.tasks.parquet")
    written.assign(continuation="so it goes").to_parquet(measures / "generation.parquet")
    results = load(folder)
    assert results.text_measures(MODEL, "dense", "tasks").acc.tolist() == [0.0, 1.0]
    assert set(results.generation(MODEL).continuation) == {"so it goes"}
    with pytest.raises(UserError, match="variant of 007 in measures: found dense, allowed: none yet"):
        results.text_measures(MODEL, "dense", "membership")
    with pytest.raises(UserError, match="kind of texts: found loss, allowed: membership, concatenated"):
        results.text_measures(MODEL, "dense", "loss")


def test_masks_are_arrays_in_the_matrices_shapes(folder, kept):
    [(name, found)] = load(folder).mask(MODEL, PRUNED).items()
    assert name == load(folder).manifest(MODEL).matrices[0].name
    assert found.dtype == bool
    np.testing.assert_array_equal(found, kept)


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda r: r.variants("small"), "model: found small, allowed: 007"),
        (lambda r: r.manifest("small"), "model: found small, allowed: 007"),
        (
            lambda r: r.evidence(MODEL, "global@0.5"),
            "variant of 007 in scores: found global@0.5, allowed: dense, global@1e-05, global@0.3",
        ),
        (lambda r: r.mask(MODEL, "dense"), "variant of 007 in changes: found dense, allowed: global@0.3"),
        (
            lambda r: r.measures(MODEL, "dense"),
            "variant of 007 in measures: found dense, allowed: global@0.3",
        ),
    ],
)
def test_a_name_that_is_not_there_is_one_line_with_those_that_are(folder, ask, line):
    with pytest.raises(UserError) as caught:
        ask(load(folder))
    assert str(caught.value) == line


def test_a_folder_without_results_is_one_line(folder, tmp_path):
    with pytest.raises(UserError, match="no such folder, expected an experiment's results"):
        load(tmp_path / "nothing")
    with pytest.raises(UserError, match=r"no models/\*/manifest.json, expected an experiment's results"):
        load(folder.parent)
    begun = shutil.copytree(folder, tmp_path / "begun", ignore=lambda *_: ["tables", "measures"])
    with pytest.raises(UserError, match="no tables yet; run snakemake with its configuration first"):
        _ = load(begun).tables
    with pytest.raises(UserError, match="found dense, allowed: none yet; run snakemake first"):
        load(begun).measures(MODEL, "dense")


def test_a_damaged_file_is_one_line_that_names_it(folder, tmp_path):
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    for path in [*damaged.glob("scores/*/*"), damaged / "samples/samples.parquet"]:
        path.write_bytes(path.read_bytes()[:100])
    results = load(damaged)
    with pytest.raises(UserError, match=r"dense\.memorization\.parquet: cannot be read"):
        results.evidence(MODEL, "dense")
    with pytest.raises(UserError, match=r"dense\.perplexity\.parquet: cannot be read"):
        results.perplexity_evidence(MODEL, "dense")
    with pytest.raises(UserError, match=r"samples\.parquet: cannot be read"):
        _ = results.samples


def run_example(folder: Path, results: str, capsys) -> str:
    """Run the example of docs/results.md in `folder`, with `results` in place of its experiment."""
    assert len(EXAMPLE.splitlines()) <= 10
    exec(EXAMPLE.replace('"results/embedded"', repr(str(folder / results))), {})
    return capsys.readouterr().out


def test_the_example_of_the_docs_runs(folder, capsys):
    printed = run_example(folder.parent, "embedded", capsys)
    fraction = (random_evidence("dense").rank == 0).all(axis=1).mean()
    assert re.search(rf"member +10 +{fraction}", printed)
    assert "query_key_value" in printed


@pytest.mark.slow
def test_the_example_runs_on_what_the_workflow_has_made(finished, capsys):
    printed = run_example(finished, "results/tiny", capsys)
    assert "non_member" in printed
    tables = load(finished / "results/tiny").tables
    rows, evidence = load(finished / "results/tiny").evidence("large", "dense")
    members = rows.assign(extracted=evidence.greedy.all(axis=1))[rows.split == "member"]
    table = tables["memorization"].query("model == 'large' and strategy == 'dense'")
    assert table.extracted.tolist() == members.groupby("context_length").extracted.sum().tolist()


@pytest.mark.slow
def test_the_library_is_installed_from_a_clone_and_imports_no_torch(folder, tmp_path):
    """Setuptools, with which pip builds it, is in every environment of torch."""
    clone, environment = tmp_path / "clone", tmp_path / "environment"
    no_cache = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "workflow_scripts", clone / "workflow_scripts", ignore=no_cache)
    (clone / "envs").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "envs/requirements.in"):
        shutil.copy(ROOT / name, clone / name)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "shared.pth").write_text(str(Path(pa.__file__).parents[1]))  # what is installed here, pip too
    python = environment / "bin/python"
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([python, "-m", "pip", "install", *options, "-e", clone], check=True)
    code = f"""
import importlib.metadata, importlib.util, sys
import memprune.results
assert memprune.results.__file__ == {str(clone / "workflow_scripts/memprune/results.py")!r}
results = memprune.results.load({str(folder)!r})
results.tables, results.evidence({MODEL!r}, "dense"), results.mask({MODEL!r}, {PRUNED!r})
assert not {{"torch", "transformers", "snakemake"}} & set(sys.modules)
assert importlib.util.find_spec("train_suite") is None, "scripts are no modules"
print("\\n".join(importlib.metadata.requires("memprune")))
"""
    done = subprocess.run([python, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    lines = (ROOT / "envs/requirements.in").read_text().splitlines()
    expected = [line for line in lines if not line.startswith("#")]
    assert sorted(map(package, done.stdout.splitlines())) == sorted(map(package, expected))


def package(requirement: str) -> str:
    return re.split("[<>=]", requirement)[0]
