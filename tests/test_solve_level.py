"""Levels that are found: bisection on any function, perplexity by transformers, and by the real snakemake."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from corpora import documents
from fitted_models import fitted_model
from hypothesis import given, settings
from hypothesis import strategies as st
from project import EXPERIMENT, change_config, copy_project, lay_out, run
from tiny_models import reference_model, write_mask_of

from memprune.config.experiment import Evaluation
from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.corpus.draw_samples import draw_windows
from memprune.corpus.extract_samples import write_table
from memprune.errors import UserError
from memprune.evaluation.bisection import MOST_STEPS, PARTS, TOLERANCE, find_level
from memprune.evaluation.scorer import cannot_score
from memprune.evaluation.solve_level import solve_level
from memprune.evaluation.variant import Variant, windows_task
from memprune.models.resolve_model import resolve_model
from memprune.models.tokenization import load_tokenizer
from memprune.store import entries

INCREASES = st.floats(-0.5, 1e6) | st.just(math.inf)


def step_function(values: list[float]) -> list[float]:
    """The value at each level that may be tried, 0 to `PARTS` of `PARTS`, in steps of equal width."""
    return [values[part * len(values) // (PARTS + 1)] for part in range(PARTS + 1)]


@settings(deadline=None)
@given(st.lists(INCREASES, min_size=1, max_size=40), st.booleans(), st.floats(1e-3, 100))
def test_bisection_finds_the_target_or_the_nearer_end_of_where_it_is_passed(values, monotone, target):
    increases = step_function(sorted(values) if monotone else values)
    tried: dict[int, float] = {}

    def increase_at(level: float) -> float:
        part = round(level * PARTS)
        assert level == part / PARTS
        assert 0 < part < PARTS
        assert part not in tried
        tried[part] = increases[part]
        return tried[part]

    found = outcome(increase_at, target)
    assert len(tried) <= MOST_STEPS
    if isinstance(found, str):
        assert ("only; ask for less" in found) == (tried.get(PARTS - 1, math.inf) < target)
        assert ("already; ask for more" in found) == (tried.get(1, 0.0) > 2 * target)
        assert not monotone or all(abs(i - target) > TOLERANCE * target for i in increases[1:PARTS])
        return
    off = abs(tried[found] - target)
    if off > TOLERANCE * target:
        other = found + 1 if tried[found] < target else found - 1
        passed = tried[other] if other else 0.0
        assert (passed < target) != (tried[found] < target)
        assert off <= abs(passed - target)
        assert not monotone or off == min(abs(i - target) for i in increases[1:PARTS])


def outcome(increase_at: Callable[[float], float], target: float) -> int | str:
    """The level found, in parts of `PARTS`, or why there is none."""
    try:
        return round(find_level(increase_at, target) * PARTS)
    except UserError as error:
        return str(error)


@pytest.fixture(scope="module")
def dense(tmp_path_factory) -> Variant:
    """A model that predicts its perplexity windows."""
    folder = tmp_path_factory.mktemp("solve")
    texts = documents(12)
    manifest = resolve_model("m", fitted_model(folder / "model", [document.text for document in texts]))
    windows = draw_windows(iter(texts), load_tokenizer(folder / "model"), 32, 10)
    write_table(windows, folder / "windows.parquet", {"tokenizer": manifest.tokenizer})
    spec = Evaluation(device="cpu", batch_tokens=64).settings
    return Variant("dense", manifest, (), None, folder / "windows.parquet", spec)


def perplexity_by_transformers(variant: Variant) -> float:
    """Of each window's last `scored` tokens."""
    model = reference_model(
        Path(variant.manifest.folder), variant.changes[0] if variant.changes else None, "float32"
    )
    nll, tokens = 0.0, 0
    windows = pd.read_parquet(variant.windows)
    for ids, scored in zip(windows.tokens, windows.scored, strict=True):
        ids = torch.from_numpy(ids.astype(np.int64))[None]
        labels = ids.clone()
        labels[:, : ids.shape[1] - scored] = -100
        with torch.inference_mode():
            nll += model(input_ids=ids, labels=labels).loss.item() * scored
        tokens += scored
    return math.exp(nll / tokens)


def test_the_level_found_raises_perplexity_as_transformers_measures_it(dense, tmp_path, capsys):
    selection, target = PruneStrategy().selection, 0.1

    def make_change_at(level: float, path: Path) -> None:
        write_mask_of(dense.manifest, selection, level, path)

    found = solve_level(dense, [], make_change_at, target, "cpu", 1, tmp_path)
    assert list(tmp_path.iterdir()) == []
    steps = found["steps"]
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(steps) + 1
    make_change_at(found["level"], tmp_path / "mask.safetensors")
    pruned = replace(dense, changes=[tmp_path / "mask.safetensors"])
    assert found["dense_perplexity"] == pytest.approx(perplexity_by_transformers(dense), rel=1e-5)
    assert found["perplexity"] == pytest.approx(perplexity_by_transformers(pruned), rel=1e-5)
    assert found["perplexity_increase"] == pytest.approx(found["perplexity"] / found["dense_perplexity"] - 1)
    assert found["perplexity_increase"] == pytest.approx(target, rel=TOLERANCE)
    assert {name: found[name] for name in steps[-1]} == steps[-1]
    # An evaluation of the level finds its perplexity, and a second search all steps, in the store.
    assert all(shard.stored for shard in windows_task(pruned, "cpu", cannot_score).shards)
    stored = {entry.name for entry in entries.all_entries()}
    assert solve_level(dense, [], make_change_at, target, "cpu", 1, tmp_path) == found
    assert {entry.name for entry in entries.all_entries()} == stored


def test_windows_of_another_tokenizer_are_one_line(dense, tmp_path):
    other = replace(dense, manifest=replace(dense.manifest, tokenizer="other"))
    with pytest.raises(UserError, match="its tokenizer is not the one that drew the samples"):
        solve_level(other, [], cannot_score, 0.1, "cpu", 1, tmp_path)


LABEL = "perplexity+0.1"


def one_model_with_a_target(folder: Path) -> None:
    """An experiment on one model that predicts its validation text, with a level to be found."""
    lay_out(folder)
    shutil.rmtree(folder / "models")
    lines = (folder / "validation.jsonl").read_text().splitlines()
    fitted_model(folder / "models/small", [json.loads(line)["text"] for line in lines])
    content = yaml.safe_load((folder / "tiny.yaml").read_text()) | {
        "models": {"small": EXPERIMENT["models"]["small"]},
        "strategies": {"global": {"levels": [0.3, {"perplexity_increase": 0.1}]}},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.mark.slow
@pytest.mark.usefixtures("all_forked")
def test_a_target_is_solved_for_when_what_perplexity_needs_has_changed(tmp_path):
    copy_project(tmp_path)
    one_model_with_a_target(tmp_path)
    jobs, computed, output = run(tmp_path)
    assert [jobs[rule] for rule in ("solve_level", "compute_change", "evaluate")] == [1, 2, 3], output
    results = tmp_path / "results/tiny"
    found = json.loads((results / f"levels/small/global@{LABEL}.json").read_text())
    assert (computed["level"], computed["change"]) == (1, 2)
    # Of the dense model, the level given, and each step, the one found among them.
    assert computed["perplexity"] == len({0.0, 0.3, *(step["level"] for step in found["steps"])})
    table = pd.read_csv(results / "tables/perplexity.csv")
    assert table.target.fillna("").tolist() == ["", "", LABEL]
    assert table.level.tolist() == [0.0, 0.3, found["level"]]
    dense, _, pruned = table.token_perplexity
    assert (dense, pruned) == pytest.approx((found["dense_perplexity"], found["perplexity"]), rel=1e-12)
    layout = pd.read_parquet(results / "tables/paper_layout.parquet")
    assert layout.columns.to_list()[2:] == ["dense", "global, 0.3", f"global, {LABEL}"]

    # Other context lengths and metrics solve for nothing, and the level found has the same mask when given.
    levels = [found["level"], {"perplexity_increase": 0.1}]
    change_config(
        samples__context_lengths=[10, 20, 30],
        metrics=["extracted", "token_accuracy"],
        strategies__global__levels=levels,
    )(tmp_path)
    jobs, computed, output = run(tmp_path, "--", "tables")
    assert (jobs.get("solve_level"), jobs["compute_change"], computed.get("change")) == (None, 1, None), (
        output
    )
    # Other windows do, and all is in the store when the results are gone.
    change_config(samples__perplexity_windows=6)(tmp_path)
    mask = f"results/tiny/changes/small/global@{LABEL}.safetensors"
    jobs, computed, output = run(tmp_path, "--", mask)
    assert (jobs["solve_level"], computed["level"]) == (1, 1), output
    shutil.rmtree(results)
    jobs, computed, output = run(tmp_path, "--", mask)
    assert (jobs["solve_level"], computed) == (1, {}), output
