"""Tiny random models of every family, complete with a tokenizer, as folders on disk, and a stand-in Hub."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from hub_server import Hub, serve
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    OPTConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow_scripts"))

from memprune.disk import sha256_of
from memprune.models.checkpoint import describe
from memprune.models.manifest import Manifest
from memprune.variants.masks import read_mask

torch.set_num_threads(1)
VOCABULARY = 300
FAMILIES = ("gpt_neox", "gpt2", "llama", "opt")
COMMON = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}


def family_config(family: str, layers: int = 4):
    """A configuration with a hidden size of 32 and 128 positions."""
    if family == "gpt_neox":
        return GPTNeoXConfig(
            hidden_size=32,
            num_hidden_layers=layers,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=128,
            **COMMON,
        )
    if family == "gpt2":
        return GPT2Config(n_embd=32, n_layer=layers, n_head=4, n_positions=128, **COMMON)
    if family == "llama":
        return LlamaConfig(
            hidden_size=32,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            max_position_embeddings=128,
            **COMMON,
        )
    return OPTConfig(
        hidden_size=32,
        word_embed_proj_dim=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        ffn_dim=64,
        max_position_embeddings=128,
        **{**COMMON, "pad_token_id": 1},
    )


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with `VOCABULARY` entries at most."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["In the beginning was the word, and the word was with them."] * 3, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    )


def tiny_model(family: str, dtype: str, folder: Path, layers: int = 4, seed: int = 0) -> Path:
    """Save a random model of the family with its tokenizer in `folder`, weights in `dtype`."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(family_config(family, layers))
    # Larger weights than a new model's: else the random models' predictions are all near ties.
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data.normal_(std=0.2)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def manifest_of(folder: Path) -> Manifest:
    """The manifest of a folder without a tokenizer."""
    checkpoint = describe(folder)
    hashes = {file: sha256_of(folder / file) for file in checkpoint.files}
    about = {"model": "tiny", "folder": str(folder), "fingerprint": "", "tokenizer": ""}
    return Manifest(**vars(checkpoint), **about, hashes=hashes)


def reference_model(folder: Path, mask: Path | None, dtype: str) -> PreTrainedModel:
    """The model in a folder as transformers loads and runs it, with the pruned weights set to zero."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype), local_files_only=True)
    parameters = dict(model.named_parameters())
    for name, kept in (read_mask(mask) if mask else {}).items():
        own = name if name in parameters else f"{model.base_model_prefix}.{name}"
        parameters[own].data.masked_fill_(torch.from_numpy(~kept), 0)
    return model.eval()


LONGEST = ("test_reruns", "test_deaths", "test_workflow", "test_embedded", "test_keys")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes come first, so that several processes end at about one time."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(scope="session", autouse=True)
def own_store(tmp_path_factory):
    """A store for what tests call by themselves; a workflow run by a test has one in its own results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMPRUNE_STORE", str(tmp_path_factory.mktemp("store")))
        yield


@pytest.fixture
def hub(tmp_path) -> Iterator[Hub]:
    """A server of the repositories under `tmp_path / "served"`, which a test fills."""
    root = tmp_path / "served"
    root.mkdir()
    with serve(root) as running:
        yield running


@pytest.fixture(params=FAMILIES)
def family(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A copy of the project in which the whole small experiment has run; tests copy it before they change it.

    Where strace is installed it wrote down which files were opened, in `trace.txt` beside it.
    """
    from project import copy_project, job_counts, lay_out, snakemake

    base = tmp_path_factory.getbasetemp()
    base = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    folder, jobs = base / "project", base / "jobs.json"
    base.mkdir(exist_ok=True)
    with FileLock(base / "lock"):  # one of several processes makes it for all
        if jobs.exists():
            return folder
        folder.mkdir()
        copy_project(folder)
        lay_out(folder)
        calls, trace = "trace=open,openat,execve,/clone|fork", base / "trace.txt"
        tracer = ("strace", "--seccomp-bpf", "-f", "-qq", "-s", "9999", "-e", calls, "-o", str(trace))
        tracer = tracer if shutil.which("strace") else ()
        done = snakemake(folder, "--configfile", "tiny.yaml", snakefile=folder / "Snakefile", tracer=tracer)
        assert done.returncode == 0, done.stdout + done.stderr
        jobs.write_text(json.dumps(job_counts(done.stdout + done.stderr)))
    return folder


@pytest.fixture
def project(finished, tmp_path) -> Path:
    """A copy of the finished project, times and links included."""
    return shutil.copytree(finished, tmp_path / "project", symlinks=True)
