"""What stands in a model's files: read, or refused in one line with the file's name, never a traceback."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import EVERY_FAMILY
from experiments import local_experiment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_models import SMALL, random_weights, write_folder
from safetensors.torch import load_file, save_file
from tiny_models import family_config, log_probabilities, manifest_of, tiny_model
from transformers import PreTrainedConfig

from memprune.config.experiment import Model
from memprune.errors import UserError
from memprune.models.checkpoint import describe
from memprune.models.model_config import FIXED, NEUTRAL, read_architecture
from memprune.models.model_files import input_files, missing_files
from memprune.planning.preflight import check_experiment
from memprune.planning.sizes import size_of
from memprune.scoring.variant_model import load_variant

CPU = torch.device("cpu")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 45929032\n"
INDEX = "model.safetensors.index.json"
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


class Recording(dict):
    """A configuration that keeps which of its keys were asked for."""

    def __init__(self, *content):
        super().__init__(*content)
        self.asked = set()

    def get(self, key, default=None):
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key):
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key):
        self.asked.add(key)
        return super().__contains__(key)

    def __or__(self, other):
        both = Recording({**self, **other})
        both.asked = self.asked
        return both


@pytest.mark.parametrize("name", EVERY_FAMILY)
def test_every_field_of_transformers_configuration_is_read_fixed_or_known_to_change_nothing(name):
    config = type(family_config(name))
    fields = {field.name for field in (*dataclasses.fields(PreTrainedConfig), *dataclasses.fields(config))}
    recording = Recording(SMALL[name])
    read_architecture(recording)
    assert fields - recording.asked - NEUTRAL - set(FIXED) == set()
    assert not recording.asked & NEUTRAL


@pytest.mark.parametrize("words", [["global", "local"], []])
@pytest.mark.parametrize("times", [10**12, 10**400, -1, 1.0, "2", None])
def test_kinds_of_layers_that_are_not_as_many_as_layers_are_refused_in_one_line(words, times):
    config = SMALL["gpt_neo"] | {"attention_types": [[words, times]]}
    with pytest.raises(
        UserError, match=r"^config\.json: attention_types: found .*, allowed: global and local, 2"
    ):
        read_architecture(config)


KEYS = sorted(
    {
        *(key for config in SMALL.values() for key in config),
        *(field.name for name in EVERY_FAMILY for field in dataclasses.fields(family_config(name))),
        *FIXED,
        *(
            "rope_scaling",
            "rope_theta",
            "rotary_pct",
            "rotary_emb_base",
            "partial_rotary_factor",
            "torch_dtype",
        ),
        *(
            "rope_type",
            "type",
            "factor",
            "low_freq_factor",
            "high_freq_factor",
            "attention_factor",
            "truncate",
        ),
        *("original_max_position_embeddings", "beta_fast", "beta_slow", "mscale", "mscale_all_dim"),
    }
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 40),
    st.integers(),
    st.integers(10**9, 10**400),
    st.floats(),
    st.sampled_from([0.0, 1.0, 0.3, 1e-30, 1e30, 1e308]),
    st.text(max_size=5),
    st.sampled_from(
        ["yarn", "llama3", "linear", "dynamic", "proportional", "longrope", "gelu", "float16", "32"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A small model of each family."""
    folders = {name: tmp_path_factory.mktemp(name) for name in EVERY_FAMILY}
    for name, folder in folders.items():
        write_folder(folder, SMALL[name], random_weights(SMALL[name], seed=0), shards=2)
    return folders


def refused_or(action) -> object:
    """What an action gives, None where it refuses in one line."""
    try:
        return action()
    except UserError as error:
        lines = str(error).splitlines()
    assert len(lines) == 1
    return None


@pytest.mark.parametrize("name", EVERY_FAMILY)
@QUICK
@given(
    changes=st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=4),
    lost=st.sets(st.sampled_from(KEYS), max_size=1),
)
def test_any_value_of_any_key_is_described_or_refused_in_one_line(folders, name, changes, lost):
    config = {key: value for key, value in (SMALL[name] | changes).items() if key not in lost}
    (folders[name] / "config.json").write_text(json.dumps(config))
    checkpoint = refused_or(lambda: describe(folders[name]))
    size = refused_or(lambda: size_of(Model(path=str(folders[name]))))
    if checkpoint is not None:
        assert size.weights > 0
        # What was accepted can be computed: no setting fails later, in a job.
        manifest = manifest_of(folders[name])
        log_probabilities(load_variant(manifest, (), torch.float32, CPU), np.zeros((1, 3), dtype=np.int64))


@pytest.fixture
def folder(tmp_path) -> Path:
    """A GPT-2 of three shards."""
    write_folder(tmp_path, SMALL["gpt2"], random_weights(SMALL["gpt2"], seed=0), shards=3)
    return tmp_path


@QUICK
@given(data=st.data())
def test_a_file_that_is_cut_off_or_overwritten_is_named(folders, data):
    folder = folders["opt"]
    path = data.draw(
        st.sampled_from([*sorted(folder.glob("*.safetensors")), folder / "config.json", folder / INDEX])
    )
    (folder / "config.json").write_text(json.dumps(SMALL["opt"]))
    whole = path.read_bytes()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    tail = data.draw(st.sampled_from([b"", b"\x00", b"\xff\xfe"]))
    path.write_bytes(cut + tail if len(cut + tail) != len(whole) else cut)
    try:
        refusal = message_of(lambda: describe(folder))
        assert path.name in refusal
        assert len(refusal.splitlines()) == 1
        refused_or(lambda: size_of(Model(path=str(folder))))
    finally:
        path.write_bytes(whole)


def message_of(action) -> str:
    """The line that an action refuses with."""
    with pytest.raises(UserError) as caught:
        action()
    return str(caught.value)


@pytest.mark.parametrize("file", ["config.json", INDEX, "model-00002-of-00003.safetensors"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (POINTER, "found a Git LFS pointer; fetch the file itself"),
        ("", "not"),
        ("[" * 10**5, "not"),
        ("[]", ""),
    ],
)
def test_a_pointer_or_something_else_in_place_of_a_file(folder, file, content, message):
    (folder / file).write_text(content)
    refusal = message_of(lambda: describe(folder))
    assert f"{folder / file}: {message}" in refusal
    assert len(refusal.splitlines()) == 1
    if file == "config.json":
        assert message_of(lambda: size_of(Model(path=str(folder)))) == refusal


def test_only_what_the_index_names_is_read(folder):
    """Other safetensors beside them, by whatever name, change nothing."""
    texts = np.random.default_rng(0).integers(0, 37, (2, 12))
    before = log_probabilities(load_variant(manifest_of(folder), (), torch.float32, CPU), texts)
    others = {name: values + 1 for name, values in random_weights(SMALL["gpt2"], seed=0).items()}
    for name in ("adapter_model", "backup", "model-00004-of-00004", "zz"):
        save_file(others, folder / f"{name}.safetensors")
    manifest = manifest_of(folder)
    assert manifest.files == [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    after = log_probabilities(load_variant(manifest, (), torch.float32, CPU), texts)
    np.testing.assert_array_equal(before, after)


def change_index(folder: Path, change) -> None:
    index = json.loads((folder / INDEX).read_text())
    change(index)
    (folder / INDEX).write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda f: (f / "model-00002-of-00003.safetensors").unlink(),
            r"index.json: names model-00002-of-00003",
        ),
        (
            lambda f: (f / INDEX).unlink(),
            "no model.safetensors and no model.safetensors.index.json; found config",
        ),
        (lambda f: change_index(f, lambda i: i.pop("metadata")), "metadata: found None"),
        (
            lambda f: change_index(f, lambda i: i.update(weight_map=[])),
            r"weight_map: found \[\], allowed: names",
        ),
        (lambda f: change_index(f, lambda i: i.update(weight_map={})), "weight_map: found no file"),
        (
            lambda f: change_index(f, lambda i: i["weight_map"].update(x="../a.safetensors")),
            "beside the index",
        ),
        (lambda f: change_index(f, lambda i: i["weight_map"].update(x=3)), "found the file 3, allowed"),
        (
            lambda f: shutil.copy(
                f / "model-00001-of-00003.safetensors", f / "model-00002-of-00003.safetensors"
            ),
            "found twice, in model-00001-of-00003.safetensors and in model-00002-of-00003.safetensors",
        ),
        (
            lambda f: (f / "adapter_config.json").write_text("{}"),
            "found an adapter .*, allowed: a whole model",
        ),
        (
            lambda f: (f / "shard-00000-model-00001-of-00001.safetensors").touch(),
            "found a distributed checkpoint",
        ),
    ],
)
def test_files_that_do_not_make_a_model(folder, spoil, message):
    spoil(folder)
    with pytest.raises(UserError, match=message):
        describe(folder)


@pytest.mark.parametrize("name", EVERY_FAMILY)
def test_every_tensor_that_is_asked_for_must_be_there_in_its_shape(folders, tmp_path, name):
    weights = random_weights(SMALL[name], seed=0)
    for tensor in weights:
        write_folder(tmp_path, SMALL[name], {n: v for n, v in weights.items() if n != tensor}, shards=1)
        refusal = message_of(lambda: describe(tmp_path))
        assert "found none, config.json asks for" in refusal or "no head" in refusal
        write_folder(tmp_path, SMALL[name], weights | {tensor: weights[tensor][:-1]}, shards=1)
        assert ": found [" in message_of(lambda: describe(tmp_path))


def test_what_the_configuration_does_not_ask_for_is_named(tmp_path):
    config = SMALL["opt"] | {"do_layer_norm_before": False}
    write_folder(tmp_path, config, random_weights(SMALL["opt"], seed=0), shards=1)
    assert "final_layer_norm.bias: found final_norm bias, which config.json does not ask" in message_of(
        lambda: describe(tmp_path)
    )
    write_folder(
        tmp_path, SMALL["opt"] | {"num_hidden_layers": 1}, random_weights(SMALL["opt"], seed=0), shards=1
    )
    assert "of layer 1 of 1 layers, which config.json does not ask" in message_of(lambda: describe(tmp_path))


def test_a_folder_whose_weights_are_pickled_tells_the_way_out(folder):
    for path in folder.glob("model*"):
        path.unlink()
    (folder / "pytorch_model.bin").touch()
    assert message_of(lambda: describe(folder)).endswith(
        "no safetensors file; found config.json, pytorch_model.bin; another revision may have one, or write "
        f"it anew: `make convert MODEL={folder} TO=FOLDER`, and give that folder as path"
    )
    (folder / "pytorch_model.bin").rename(folder / "tf_model.h5")
    assert message_of(lambda: describe(folder)).endswith(
        "found config.json, tf_model.h5; another revision may have one, or convert the model: load it with "
        "transformers and `save_pretrained` it"
    )


def test_input_files_are_those_that_decide_what_is_computed_or_how_text_is_cut(folder):
    tokenizer = ["added_tokens.json", "merges.txt", "spiece.model", "tokenizer.json", "tokenizer_config.json"]
    for name in (
        *tokenizer,
        "README.md",
        "generation_config.json",
        "backup.safetensors",
        "pytorch_model.bin",
    ):
        (folder / name).touch()
    weights = [f"model-0000{i}-of-00003.safetensors" for i in (1, 2, 3)]
    expected = sorted(["config.json", INDEX, *weights, *tokenizer])
    assert [path.name for path in input_files(folder)] == expected
    (folder / weights[0]).unlink()
    assert folder / "config.json" in input_files(folder)


def test_missing_files_are_named_as_far_as_the_folder_tells(folder):
    assert missing_files(folder) == ["tokenizer.json"]
    (folder / "vocab.json").touch()
    (folder / "model-00003-of-00003.safetensors").unlink()
    (folder / "config.json").unlink()
    assert missing_files(folder) == ["config.json", "model-00003-of-00003.safetensors"]
    assert missing_files(folder / "gone") == ["config.json", "model.safetensors", "tokenizer.json"]


def test_what_starts_a_run_imports_nothing_heavy():
    code = "import sys, memprune.models.model_files, memprune.models.tokenizer_files; print(*sys.modules)"
    environment = {"PYTHONPATH": str(Path(__file__).parents[1] / "workflow_scripts")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert not {"torch", "transformers", "huggingface_hub", "safetensors", "numpy"} & set(done.stdout.split())


def cached(root: Path, config: str) -> None:
    """Put the configuration of some/model into a cache of the Hub."""
    (root / "models--some--model/refs").mkdir(parents=True)
    (root / "models--some--model/refs/main").write_text("0" * 40)
    snapshot = root / "models--some--model/snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(config)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            '{"model_type": 3, "vocab_size": 9}',
            "model_type: found 3, allowed: gpt_neox, gpt2, llama, opt",
        ),
        ("{", "config.json: not JSON"),
        (POINTER, "found a Git LFS pointer"),
        (
            json.dumps({k: v for k, v in SMALL["gpt2"].items() if k != "vocab_size"}),
            "config.json: no vocab_size",
        ),
        (
            json.dumps(SMALL["gpt2"]),
            "samples.perplexity_window: found 64 tokens, allowed at most the model's 24",
        ),
    ],
)
def test_a_configuration_in_the_hubs_cache_is_checked_before_any_job(tmp_path, monkeypatch, config, message):
    cached(tmp_path, config)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    samples = {"context_lengths": [4], "suffix": 4, "perplexity_window": 64}
    checked = local_experiment(tmp_path, models={"m": {"repo": "some/model"}}, samples=samples)
    refusal = message_of(lambda: check_experiment(checked, "my.yaml"))
    assert refusal.startswith("my.yaml: models.m: ")
    assert message in refusal
    if "samples" not in message:
        assert message in message_of(lambda: size_of(Model(repo="some/model")))


def test_a_name_that_no_repository_has():
    assert message_of(lambda: size_of(Model(repo="a b/c"))).startswith(
        "repo: found 'a b/c', allowed: a repository's"
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_weights_that_are_no_numbers_are_named(tmp_path, dtype):
    folder = tiny_model("gpt2", dtype, tmp_path)
    weights = load_file(folder / "model.safetensors")
    weights["transformer.h.1.mlp.c_fc.weight"][3, 2] = float("nan")
    weights["transformer.ln_f.bias"][0] = float("-inf")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    for block_tokens in (0, 10):
        model = load_variant(manifest_of(folder), (), torch.float32, CPU, block_tokens)
        refusal = message_of(lambda model=model: log_probabilities(model, np.ones((1, 5), dtype=np.int64)))
        assert refusal.startswith("log-probabilities: found a non-finite one at row 0 of those scored")
        assert refusal.endswith(
            "infinite or not a number in transformer.h.1.mlp.c_fc.weight, transformer.ln_f.bias"
        )


@pytest.mark.parametrize(
    ("dtype", "advice"),
    [
        ("float16", "try evaluation.precision: float32"),
        ("float32", "the weights are finite, but what is computed from them exceeds float32"),
    ],
)
def test_what_exceeds_a_dtype_is_not_blamed_on_the_weights(tmp_path, dtype, advice):
    large = {"float16": 6e4, "float32": 3e38}[dtype]
    weights = random_weights(SMALL["gpt2"], seed=0)
    weights["transformer.ln_f.weight"][:] = large
    write_folder(tmp_path, SMALL["gpt2"], weights, shards=1)
    model = load_variant(manifest_of(tmp_path), (), getattr(torch, dtype), CPU)
    refusal = message_of(lambda: log_probabilities(model, np.ones((1, 5), dtype=np.int64)))
    assert refusal.endswith(advice)
