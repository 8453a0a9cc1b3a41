"""The decoder against transformers: all families, dtypes and choices, masked, resident and streamed."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import EVERY_FAMILY
from devices import DEVICES
from tiny_models import (
    ALLOWED,
    evidence,
    family_config,
    log_probabilities,
    reference_model,
    tiny_tokenizer,
    write_mask_of,
)
from transformers import AutoModelForCausalLM

from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.devices import residency as residencies
from memprune.devices.footprint import BATCH_TOKENS, layer_bytes
from memprune.devices.residency import choose_block_tokens
from memprune.errors import UserError
from memprune.models.families import FAMILIES
from memprune.models.manifest import Manifest
from memprune.models.resolve_model import resolve_model
from memprune.scoring.decoder import leave, logits_of
from memprune.scoring.hidden_states import hidden_states
from memprune.scoring.variant_model import load_variant

CPU = torch.device("cpu")
LINEAR = {"rope_type": "linear", "rope_theta": 5e5, "factor": 4.0}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "mscale": 0.7}
CHOICES = {
    "gpt_neox": ("gpt_neox", {}),
    "gpt_neox, one after the other": ("gpt_neox", {"use_parallel_residual": False}),
    "gpt_neox, all features turn": ("gpt_neox", {"rope_parameters": {"partial_rotary_factor": 1.0}}),
    "gpt_neox, no bias, other activation": ("gpt_neox", {"attention_bias": False, "hidden_act": "gelu_fast"}),
    "gpt_neox, odd heads, odd width": (
        "gpt_neox",
        {"hidden_size": 36, "rope_parameters": {"partial_rotary_factor": 0.4}},
    ),
    "gpt_neox, proportional": ("gpt_neox", {"rope_parameters": {"rope_type": "proportional"}}),
    "gpt2": ("gpt2", {}),
    "gpt2, own width": ("gpt2", {"n_inner": 80, "activation_function": "gelu"}),
    "llama": ("llama", {}),
    "llama, no groups, tied": ("llama", {"num_key_value_heads": 4, "tie_word_embeddings": True}),
    "llama, head size": ("llama", {"head_dim": 16, "attention_bias": True, "mlp_bias": True}),
    "llama, linear": ("llama", {"rope_parameters": LINEAR}),
    "llama, llama3": ("llama", {"rope_parameters": LLAMA3}),
    "llama, yarn": ("llama", {"rope_parameters": YARN}),
    "opt": ("opt", {}),
    "opt, norm after, projected": ("opt", {"do_layer_norm_before": False, "word_embed_proj_dim": 16}),
    "opt, no bias": ("opt", {"enable_bias": False}),
    "bloom": ("bloom", {}),
    "bloom, six heads": ("bloom", {"n_head": 6, "hidden_size": 36, "tie_word_embeddings": False}),
    "falcon": ("falcon", {}),
    "falcon, one norm": ("falcon", {"num_ln_in_parallel_attn": 1, "bias": True, "ffn_hidden_size": 48}),
    "falcon, all heads share a key": ("falcon", {"new_decoder_architecture": False}),
    "falcon, one after the other": (
        "falcon",
        {
            "new_decoder_architecture": False,
            "parallel_attn": False,
            "multi_query": False,
            "num_kv_heads": 4,
        },
    ),
    "falcon, biases by distance": (
        "falcon",
        {
            "new_decoder_architecture": False,
            "parallel_attn": False,
            "multi_query": False,
            "num_kv_heads": 4,
            "alibi": True,
            "bias": True,
        },
    ),
    "falcon, biases by distance, shared keys": ("falcon", {"alibi": True, "tie_word_embeddings": False}),
    "gemma": ("gemma", {}),
    "gemma, an old name of its activation": ("gemma", {"hidden_act": "gelu", "attention_bias": True}),
    "gemma3_text": ("gemma3_text", {}),
    "gemma3_text, capped, stretched": (
        "gemma3_text",
        {
            "final_logit_softcapping": 6.0,
            "rope_parameters": {
                "full_attention": LINEAR,
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
            },
        },
    ),
    "gemma2": ("gemma2", {}),
    "gemma2, no caps": ("gemma2", {"attn_logit_softcapping": None, "final_logit_softcapping": None}),
    "gemma2, other layers, odd heads": (
        "gemma2",
        {
            "layer_types": ["full_attention", "sliding_attention"] * 2,
            "head_dim": 10,
            "num_key_value_heads": 1,
            "attention_bias": True,
            "tie_word_embeddings": False,
        },
    ),
    "gpt_neo": ("gpt_neo", {}),
    "gpt_neo, all local": ("gpt_neo", {"attention_layers": ["local"] * 4, "window_size": 7}),
    "gptj": ("gptj", {}),
    "gptj, all features turn": ("gptj", {"rotary_dim": 8}),
    "mistral": ("mistral", {}),
    "mistral, window": ("mistral", {"sliding_window": 11}),
    "mistral, head size": ("mistral", {"head_dim": 12, "sliding_window": None}),
    "olmo": ("olmo", {}),
    "olmo, bias": ("olmo", {"attention_bias": True, "num_key_value_heads": 4}),
    "olmo, clipped": ("olmo", {"clip_qkv": 0.5}),
    "olmo2": ("olmo2", {}),
    "olmo2, no groups, stretched": (
        "olmo2",
        {"num_key_value_heads": 4, "rope_parameters": LLAMA3, "attention_bias": True},
    ),
    "olmo3": ("olmo3", {}),
    "olmo3, layers without a window stretched": (
        "olmo3",
        {"rope_parameters": {"full_attention": YARN | {"rope_theta": 100.0}, "sliding_attention": None}},
    ),
    "phi": ("phi", {}),
    "phi, no groups": ("phi", {"num_key_value_heads": 4, "partial_rotary_factor": 0.25}),
    "phi, norms of queries and keys": ("phi", {"qk_layernorm": True, "partial_rotary_factor": 1.0}),
    "phi, norms of queries and keys, some features turn": ("phi", {"qk_layernorm": True}),
    "qwen2": ("qwen2", {}),
    "qwen2, windows in later layers": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 2, "layer_types": None},
    ),
    "qwen3": ("qwen3", {}),
    "qwen3, windows by layer": (
        "qwen3",
        {
            "use_sliding_window": True,
            "sliding_window": 9,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "head_dim": 12,
        },
    ),
}


def save_model(choice: str, folder: Path) -> Path:
    """A random model of a family with some settings changed, with its tokenizer."""
    family, settings = CHOICES[choice]
    config = family_config(family).to_dict() | settings
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(type(family_config(family))(**config))
    for name, parameter in model.named_parameters():
        # Norms and biases that do something, and predictions that are not all near ties.
        is_norm = "norm" in name or "ln_" in name
        parameter.data.normal_(mean=float(is_norm and not FAMILIES[family].plus_one), std=0.2)
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model_and_mask(tmp_path_factory) -> Callable[[str, str], tuple[Manifest, Path]]:
    """Gives a random model, and a mask of four tenths of some of its matrices; each is made once."""

    @cache
    def make(choice: str, matrices: str) -> tuple[Manifest, Path]:
        folder = tmp_path_factory.mktemp("masked")
        manifest = resolve_model("tiny", save_model(choice, folder / "model"))
        write_mask_of(manifest, PruneStrategy(matrices=matrices).selection, 0.4, folder / "mask.safetensors")
        return manifest, folder / "mask.safetensors"

    return make


@pytest.fixture
def texts() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 300, (5, 60))


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("choice", CHOICES)
def test_evidence_is_that_of_transformers_logits_of_the_masked_model(
    choice, dtype, device, texts, model_and_mask
):
    manifest, mask = model_and_mask(choice, "all")
    found, margin, rank = evidence(load_variant(manifest, (mask,), getattr(torch, dtype), device), texts)

    ids = torch.from_numpy(texts)
    reference = reference_model(Path(manifest.folder), mask, dtype)
    with torch.inference_mode():
        logits = reference(input_ids=ids[:, :-1], use_cache=False).logits.float()
    expected = logits.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0].numpy()
    np.testing.assert_allclose(found, expected, atol=ALLOWED[dtype])
    logits, targets = logits.numpy(), texts[:, 1:, None]
    chosen = np.take_along_axis(logits, targets, 2)
    others = logits.copy()
    np.put_along_axis(others, targets, -np.inf, 2)
    np.testing.assert_allclose(margin, chosen[..., 0] - others.max(2), atol=2 * ALLOWED[dtype])
    # A rank can differ by tokens whose logits are as near as the two computations are.
    surely, perhaps = ((others > chosen + sign * 2 * ALLOWED[dtype]).sum(2) for sign in (1, -1))
    assert (surely <= rank).all()
    assert (rank <= perhaps).all()
    nearness = {"float32": 0.1, "float16": 1, "bfloat16": 5}  # places among 300 tokens, on average
    assert np.abs(rank - (others > chosen).sum(2)).mean() < nearness[dtype]
    dense = log_probabilities(load_variant(manifest, (), getattr(torch, dtype), device), texts)
    assert np.abs(found - dense).max() > 2 * ALLOWED[dtype]


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("dtype", ALLOWED)
@pytest.mark.parametrize("choice", EVERY_FAMILY)
def test_a_streamed_model_gives_the_same_bits(choice, dtype, device, texts, model_and_mask):
    manifest, mask = model_and_mask(choice, "mlp")
    resident = log_probabilities(load_variant(manifest, (mask,), getattr(torch, dtype), device), texts)
    for block_tokens in (1, 2 * texts.size // 3, 10**6):
        streamed = load_variant(manifest, (mask,), getattr(torch, dtype), device, block_tokens)
        np.testing.assert_array_equal(log_probabilities(streamed, texts), resident)


def test_a_streamed_block_asks_for_each_layer_once(texts, tmp_path):
    manifest = resolve_model("tiny", save_model("gpt2", tmp_path))
    asked = []

    def layers(given):
        for number, layer in enumerate(given()):
            asked.append(number)
            yield layer

    model = load_variant(manifest, (), torch.float32, CPU, block_tokens=10**6)
    counted = replace(model, layers=lambda: layers(model.layers))
    log_probabilities(counted, texts)
    assert asked == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("residency", "memory", "streamed"),
    [("auto", None, False), ("auto", 1e-3, True), ("streamed", None, True), ("resident", 1e-3, False)],
)
def test_a_model_is_streamed_when_told_to_or_when_it_does_not_fit(residency, memory, streamed, tmp_path):
    manifest = resolve_model("tiny", save_model("llama", tmp_path))
    spec = {"residency": residency, "memory": memory, "batch_tokens": 100}
    block_tokens = choose_block_tokens(manifest.architecture, torch.float32, CPU, spec)
    assert (block_tokens > 0) == streamed
    assert block_tokens == 0 or block_tokens >= 100


def test_more_memory_makes_longer_blocks(tmp_path):
    manifest = resolve_model("tiny", save_model("opt", tmp_path))
    blocks = [
        choose_block_tokens(
            manifest.architecture,
            torch.float32,
            CPU,
            {"residency": "streamed", "memory": memory, "batch_tokens": 100},
        )
        for memory in (2, 3)
    ]
    assert blocks[1] - blocks[0] == pytest.approx(10**9 / (32 * 4), rel=0.1)


def test_states_of_a_block_wait_on_the_gpu_beside_a_layer_and_a_batch(tmp_path, monkeypatch):
    architecture = resolve_model("tiny", save_model("opt", tmp_path)).architecture
    spec = {"residency": "streamed", "memory": 1e-3, "batch_tokens": None}
    blocks = []
    for free in (0, 1e9, 2e9):
        monkeypatch.setattr(residencies, "free_on_gpu", lambda device, free=free: free)
        blocks.append(choose_block_tokens(architecture, torch.float32, torch.device("cuda"), spec))
        room = free - max(layer_bytes(architecture, 4))
        assert blocks[-1] == BATCH_TOKENS or blocks[-1] * 32 * 4 < room / 2
    assert blocks[0] == BATCH_TOKENS < blocks[1] < blocks[2]
    assert blocks[2] - blocks[1] == pytest.approx(1e9 / 2 / (32 * 4), rel=0.01)


def test_a_mask_of_another_model_is_named(tmp_path):
    other, manifest = (
        resolve_model("tiny", save_model(choice, tmp_path / choice)) for choice in ("gpt2, own width", "gpt2")
    )
    write_mask_of(other, PruneStrategy(matrices="mlp").selection, 0.4, tmp_path / "mask.safetensors")
    with pytest.raises(UserError, match=r"found a change of other weights"):
        load_variant(manifest, [tmp_path / "mask.safetensors"], torch.float32, CPU)


def test_settings_that_no_decoder_has_are_named(tmp_path):
    folder = save_model("gpt2", tmp_path)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scale_attn_by_inverse_layer_idx": True}))
    with pytest.raises(UserError, match="scale_attn_by_inverse_layer_idx: found True, allowed: False"):
        resolve_model("tiny", folder)


@pytest.mark.parametrize("choice", EVERY_FAMILY)
def test_hidden_states_stand_by_themselves(choice, texts, model_and_mask):
    """They lead to transformers' logits, of some batches at once, of all tokens or of the last ones."""
    manifest, _ = model_and_mask(choice, "all")
    model = load_variant(manifest, (), torch.float32, CPU)
    block = [torch.from_numpy(texts), torch.from_numpy(texts[:2, :31])]
    reference = reference_model(Path(manifest.folder), None, "float32")
    for first in (None, [55, 4]):
        for ids, states, start in zip(
            block, hidden_states(model, block, first), first or [0, 0], strict=True
        ):
            assert states.shape == (len(ids), ids.shape[1] - start, manifest.architecture.hidden)
            head = model.head()
            with torch.inference_mode():
                logits = logits_of(head, leave(states.flatten(0, 1), head, manifest.architecture))
                expected = reference(input_ids=ids).logits[:, start:]
            torch.testing.assert_close(logits.view(expected.shape), expected, atol=1e-4, rtol=0)
