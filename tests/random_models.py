"""Folders of models of any configuration with random weights, held against transformers."""

import json
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from tiny_models import log_probabilities, manifest_of
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

from memprune.errors import UserError
from memprune.models.families import FAMILIES
from memprune.scoring.variant_model import load_variant

logging.set_verbosity(logging.CRITICAL)

CPU = torch.device("cpu")

VOCABULARY, POSITIONS, LENGTH = 37, 24, 14


HEAD = "lm_head.weight"


GATE = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


some = st.sampled_from


booleans = st.booleans()


def random_weights(config: dict, seed: int) -> dict[str, torch.Tensor]:
    """Weights for a configuration, by transformers' names; a tied head is left out."""
    return {name: values.clone() for name, values in weights_once(json.dumps(config), seed).items()}


@lru_cache
def weights_once(config: str, seed: int) -> dict[str, torch.Tensor]:
    """Weights for a configuration, given as JSON."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**json.loads(config)))
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, parameter in model.state_dict().items():
        is_norm = any(part in name for part in ("norm", "ln_")) and name.endswith("weight")
        values = torch.randn(parameter.shape, generator=generator) * (0.1 if parameter.ndim == 1 else 0.25)
        weights[name] = values + float(is_norm and not FAMILIES[model.config.model_type].plus_one)
    if model.config.tie_word_embeddings:
        del weights[HEAD]
    return weights


def save(weights: dict[str, torch.Tensor], path: Path) -> None:
    save_file({name: values.contiguous() for name, values in weights.items()}, path, {"format": "pt"})


def write_folder(folder: Path, config: dict, weights: dict[str, torch.Tensor], shards: int) -> None:
    """A model folder of one file, or of some shards with an index."""
    (folder / "config.json").write_text(json.dumps(config))
    if shards == 1:
        return save(weights, folder / "model.safetensors")
    names = list(weights)
    files = {name: f"model-{i % shards + 1:05}-of-{shards:05}.safetensors" for i, name in enumerate(names)}
    for file in set(files.values()):
        save({name: weights[name] for name in names if files[name] == file}, folder / file)
    index = {"metadata": {"total_size": 0}, "weight_map": files}
    return (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def check_against_transformers(folder: Path, supported: bool, odd: str = "none") -> None:
    """Compare log-probabilities; where `supported` they must be had, else a line that refuses will do.

    So will a line that ends with `odd`.
    """
    texts = np.random.default_rng(0).integers(0, VOCABULARY, (2, LENGTH))
    try:
        model, info = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, local_files_only=True, output_loading_info=True
        )
        with torch.inference_mode():
            logits = model.eval()(input_ids=torch.from_numpy(texts)[:, :-1]).logits
        loaded = not info["missing_keys"] and not info["mismatched_keys"]
    except Exception:
        loaded = False
    refusal, manifest = None, None
    try:
        manifest = manifest_of(folder)
    except UserError as error:
        refusal = str(error)
    if refusal is not None:
        assert "\n" not in refusal
        assert not (loaded and supported) or refusal.endswith(odd), refusal
        return
    assert loaded, "transformers does not load this"
    found = log_probabilities(load_variant(manifest, (), torch.float32, CPU), texts)
    targets = torch.from_numpy(texts)[:, 1:, None]
    expected = logits.log_softmax(-1).gather(2, targets)[..., 0].numpy()
    # A log-probability of -30 is itself rounded by 2e-6: four such steps of float32 are let pass beside.
    np.testing.assert_allclose(found, expected, atol=2e-5, rtol=2.0**-21)


def check_configuration(data: st.DataObject, configurations: st.SearchStrategy[dict]) -> None:
    """A drawn configuration with random weights, against transformers."""
    config = data.draw(configurations)
    try:
        weights = random_weights(config, seed=data.draw(st.integers(0, 5)))
    except Exception:  # transformers makes no such model
        weights = {HEAD: torch.zeros(1, 1)}
    with TemporaryDirectory() as folder:
        write_folder(Path(folder), config, weights, shards=1)
        # transformers broadcasts YaRN's three features, or one, into something that nobody trained.
        check_against_transformers(
            Path(folder), supported=True, odd="features a head', allowed: an even number"
        )


SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": POSITIONS,
}


# Of families whose files may say how large a head is, and whose caps and windows are reached.
GEMMA = {
    "intermediate_size": 12,
    "num_key_value_heads": 1,
    "head_dim": 6,
    "sliding_window": 5,
    "query_pre_attn_scalar": 3,
}


SMALL = {
    "gpt_neox": {"model_type": "gpt_neox", "intermediate_size": 12} | SIZES,
    "gpt2": {"model_type": "gpt2"} | SIZES,
    "llama": {"model_type": "llama", "intermediate_size": 12} | SIZES,
    "bloom": {"model_type": "bloom", "seq_length": POSITIONS} | SIZES,
    "falcon": {"model_type": "falcon", "new_decoder_architecture": True, "num_kv_heads": 1} | SIZES,
    "gemma": {"model_type": "gemma", "intermediate_size": 12, "num_key_value_heads": 1, "head_dim": 6}
    | SIZES,
    "gemma3_text": {"model_type": "gemma3_text", "sliding_window_pattern": 2} | GEMMA | SIZES,
    "gemma2": {
        "model_type": "gemma2",
        "attn_logit_softcapping": 0.5,
        "final_logit_softcapping": 3.0,
    }
    | GEMMA
    | SIZES,
    "gpt_neo": {"model_type": "gpt_neo", "window_size": 5, "attention_types": [[["global", "local"], 1]]}
    | SIZES,
    "gptj": {"model_type": "gptj", "rotary_dim": 2} | SIZES,
    "mistral": {
        "model_type": "mistral",
        "intermediate_size": 12,
        "num_key_value_heads": 1,
        "sliding_window": 5,
    }
    | SIZES,
    "olmo": {"model_type": "olmo", "intermediate_size": 12} | SIZES,
    "olmo2": {"model_type": "olmo2", "intermediate_size": 12, "num_key_value_heads": 1} | SIZES,
    "olmo3": {"model_type": "olmo3", "intermediate_size": 12, "sliding_window": 5} | SIZES,
    "phi": {"model_type": "phi", "intermediate_size": 12} | SIZES,
    "qwen2": {"model_type": "qwen2", "intermediate_size": 12, "num_key_value_heads": 1} | SIZES,
    "qwen3": {"model_type": "qwen3", "intermediate_size": 12, "num_key_value_heads": 1, "head_dim": 6}
    | SIZES,
    "opt": {"model_type": "opt", "ffn_dim": 12} | SIZES,
}
