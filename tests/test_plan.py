"""The plan of an experiment: sizes against published ones, costs against what runs really took."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from tiny_models import family_config, tiny_model

from memprune.config.experiment import Model, check, load
from memprune.errors import UserError
from memprune.models.checkpoint import describe
from memprune.planning.costs import estimate
from memprune.planning.detectable import detectable
from memprune.planning.preflight import check_disk
from memprune.planning.sizes import PYTHIA, ModelSize, size_of

ROOT = Path(__file__).parents[1]
# All parameters, and those outside of the embeddings (Biderman et al. 2023, table 1).
PUBLISHED = {
    "70m": (70_426_624, 18_915_328),
    "160m": (162_322_944, 85_056_000),
    "410m": (405_334_016, 302_311_424),
    "1b": (1_011_781_632, 805_736_448),
    "1.4b": (1_414_647_808, 1_208_602_624),
    "2.8b": (2_775_208_960, 2_517_652_480),
    "6.9b": (6_857_302_016, 6_444_163_072),
    "12b": (11_846_072_320, 11_327_027_200),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_pythia_has_the_published_sizes(name):
    size = size_of(Model(repo=f"EleutherAI/pythia-{name}-deduped", revision="step143000"))
    a = size.architecture
    norms_and_biases = a.layers * (5 * a.hidden + 4 * a.hidden + 4 * a.hidden) + 2 * a.hidden
    total, blocks = PUBLISHED[name]
    assert size.weights + norms_and_biases == total
    assert size.layer_weights * a.layers + norms_and_biases == blocks


@pytest.mark.parametrize(
    ("repo", "weights"),
    [
        ("EleutherAI/gpt-neo-1.3B", 1_315_575_808),  # GPTNeoForCausalLM of GPTNeoConfig()
        ("allegrolab/hubble-1b-100b_toks-perturbed-hf", 1_179_191_296),  # LlamaForCausalLM of these sizes
    ],
)
def test_other_models_of_shipped_configurations_have_their_sizes(repo, weights):
    assert size_of(Model(repo=repo)).weights == pytest.approx(weights, rel=1e-3)


def test_file_bytes_of_pythia_are_its_weights_and_causal_masks():
    expected = 162_322_944 * 2 + 12 * 2048 * 2048
    assert size_of(Model(repo="EleutherAI/pythia-160m")).file_bytes == pytest.approx(expected, rel=1e-3)


def test_size_of_a_folder_is_that_of_its_tensors(tmp_path, family):
    folder = tiny_model(family, "float32", tmp_path / "model")
    size, checkpoint = size_of(Model(path=str(folder))), describe(folder)
    assert size.layer_weights * size.architecture.layers == sum(m.weights for m in checkpoint.matrices)
    assert size.vocabulary == family_config(family).vocab_size
    assert size.file_bytes == sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def test_configuration_in_the_hubs_cache_goes_before_the_name(tmp_path, monkeypatch):
    snapshot = tmp_path / "models--some--model/snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (tmp_path / "models--some--model/refs").mkdir()
    (tmp_path / "models--some--model/refs/main").write_text("0" * 40)
    sizes = {"n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16, "vocab_size": 9}
    (snapshot / "config.json").write_text(json.dumps({"model_type": "gpt2"} | sizes))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert size_of(Model(repo="some/model")).weights == 2 * 12 * 8**2 + 9 * 8 + 16 * 8


def test_unknown_repository_tells_how_to_fetch_its_configuration():
    with pytest.raises(UserError, match=re.escape("hf download some/other config.json --revision v1")):
        size_of(Model(repo="some/other", revision="v1"))


def test_bytes_of_changes_are_those_of_the_masks(tmp_path):
    content = yaml.safe_load((ROOT / "config/embedded.yaml").read_text())
    content["models"] = {"tiny": {"path": str(tiny_model("gpt_neox", "float16", tmp_path / "model"))}}
    bits = {"layer-wise": 4, "global": 4, "attention-only": 4, "first-25": 1, "last-25": 1}  # layers in scope
    levels = {name: len(content["strategies"][name]["levels"]) for name in content["strategies"]}
    bits["random"] = 4
    expected = sum(
        levels[name] * layers * (4 * 32**2 if name == "attention-only" else 4 * 32**2 + 2 * 32 * 64) // 8
        for name, layers in bits.items()
    )
    assert estimate("tiny", check(content, "test")).change_bytes == expected


def test_paper_is_planned_without_network():
    config = load(ROOT / "config/paper.yaml")
    estimates = {name: estimate(name, config) for name in config.models}
    assert set(PYTHIA) >= {name.removeprefix("pythia-") for name in estimates}
    large = estimates["pythia-12b"]
    # Σ (k + 50) over four context lengths, members and non-members, and the windows; 16 variants.
    assert large.tokens == 16 * (10_000 * 1050 + 500 * 2049)
    assert large.operations == pytest.approx(2 * 11.3e9 * large.tokens, rel=0.15)
    done = subprocess.run(
        [sys.executable, ROOT / "workflow_scripts/plan.py", ROOT / "config/paper.yaml"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.search(r"^pythia-12b +11,844 +16 ", done.stdout, re.MULTILINE)
    assert " ".join(done.stdout.split()).endswith(
        "5,000 members show a drop of 0.16 percentage points (one test) or 0.36 (after Holm over 420 tests), "
        "with a power of 80 %, if none is gained."
    )


def test_the_plan_shows_the_hours_of_float32_and_of_screening_side_by_side(tmp_path):
    content = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    large = estimate("pythia-12b", check(content, "test"))
    hours = {name: large.gpu_hours("A100", name) for name in ("float32", "screened", "bfloat16")}
    assert hours["bfloat16"] < hours["screened"] < hours["float32"] / 2
    # All that float32 does not do again is done once by each type's rate.
    every = replace(large, rescored=1.0)
    more = every.gpu_hours("A100", "screened") - hours["float32"]
    seconds = 16 * 10_000 * 1050 * 2 * 11.3e9 / (0.4 * 312e12)
    assert 3600 * more == pytest.approx(seconds, rel=0.15)
    for precision, columns in {"screened": 2, "float32": 2, "bfloat16": 1}.items():
        content["evaluation"]["precision"] = precision
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(content))
        done = subprocess.run(
            [sys.executable, ROOT / "workflow_scripts/plan.py", tmp_path / "own.yaml"],
            capture_output=True, text=True, check=True, cwd=tmp_path,
        )  # fmt: skip
        assert done.stdout.count("A100 h ") == columns
        assert f"precision: {precision}\n" in done.stdout


@pytest.mark.parametrize(
    ("members", "told"),
    [
        (96, "96 members show a drop of 8.1 percentage points (one test) or 18 (after Holm over 420 tests)"),
        (10, "10 members show a drop of 67 percentage points (one test) or none (after Holm over 420 tests)"),
        (5, "5 members are too few to show any drop, even if pruning forgets all of them."),
    ],
)
def test_the_plan_tells_what_few_members_can_show(members, told):
    content = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    content["samples"]["members"] = content["corpus"]["parts"] = members
    assert detectable(check(content, "test")).replace("\n", " ").startswith(told)


def test_anchor_changes_what_is_scored():
    content = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    by_suffix = estimate("pythia-160m", check(content, "test"))
    content["samples"]["anchor"] = "prefix"
    by_prefix = estimate("pythia-160m", check(content, "test"))
    assert by_prefix.tokens == 16 * (10_000 * 550 + 500 * 2049)
    assert by_prefix.operations < 0.65 * by_suffix.operations
    assert by_prefix.score_bytes < by_suffix.score_bytes  # as many rows, in fewer shards


def test_jobs_without_strategies_or_in_parts():
    content = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    content["evaluation"]["shards_per_job"] = 20  # of 4 × (10 + 10) + 1 blocks
    assert estimate("pythia-160m", check(content, "test")).jobs == 2 + 16 * (5 + 1 + 1) + 15 + 2
    content["strategies"] = {}
    assert estimate("pythia-160m", check(content, "test")).jobs == 2 + (5 + 1 + 1)


def test_a_control_costs_its_dense_model_alone():
    content = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    del content["models"]["pythia-160m"]["levels"]
    content["models"]["pythia-410m"]["control"] = "pythia-160m"
    cost = estimate("pythia-160m", check(content, "test"))
    assert (cost.variants, cost.change_bytes, cost.jobs) == (1, 0, 2 + 1 + 1)


def test_operations_are_those_that_torch_counts(tmp_path):
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModelForCausalLM

    from memprune.planning.operations import scoring_operations

    folder = tiny_model("llama", "float32", tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    size = size_of(Model(path=str(folder)))
    a, tokens = size.architecture, 64
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.zeros(1, tokens, dtype=torch.long))
    # torch counts all of attention's square, we half of it.
    half_square = a.layers * 2 * tokens**2 * a.heads * a.head_size
    assert scoring_operations(size, tokens + 1, tokens) == counter.get_total_flops() - half_square
    assert isinstance(size, ModelSize)


def test_masks_and_scores_that_do_not_fit_the_disk_are_an_error_before_any_job(tmp_path, monkeypatch):
    config = load(ROOT / "config/paper.yaml")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=26 * 10**9))
    with pytest.raises(UserError, match=r"changes and scores need 29\.\d GB, .* has 26\.0 GB free"):
        check_disk(config, str(tmp_path / "store"), tmp_path / "results/paper")
    mask = tmp_path / "results/paper/changes/pythia-12b/global@0.4.safetensors"
    mask.parent.mkdir(parents=True)
    mask.touch()
    os.truncate(mask, 5 * 10**9)  # a part is done
    check_disk(config, str(tmp_path / "store"), tmp_path / "results/paper")


def test_work_that_would_only_link_what_the_store_has_is_not_refused(tmp_path, monkeypatch):
    config = load(ROOT / "config/paper.yaml")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=10**9))
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
    for kind, size in {"change": 20 * 10**9, "magnitudes": 10**12, "memorization": 10 * 10**9}.items():
        with pytest.raises(UserError, match=r"changes and scores need .* has 1\.0 GB free"):
            check_disk(config, str(tmp_path / "store"), tmp_path / "results/paper")
        entry = tmp_path / "store" / kind / "0123"
        entry.mkdir(parents=True)
        (entry / "entry.json").write_text("{}")
        (entry / "file").touch()
        os.truncate(entry / "file", size)
    check_disk(config, str(tmp_path / "store"), tmp_path / "results/paper")
