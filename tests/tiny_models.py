"""Tiny random models of every family as folders on disk, what transformers and memprune compute with them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GPTJConfig,
    GPTNeoConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Olmo3Config,
    OlmoConfig,
    OPTConfig,
    PhiConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)
from transformers.utils import logging

from memprune.disk import sha256_of
from memprune.methods import prune
from memprune.methods.asked import Asked
from memprune.methods.criteria import magnitude
from memprune.methods.selection import Selection
from memprune.models.checkpoint import describe
from memprune.models.manifest import Manifest
from memprune.models.model_files import input_files
from memprune.scoring.batches import cut_batches, cut_blocks
from memprune.scoring.forced_pass import forced_pass
from memprune.scoring.logits import all_evidence
from memprune.variants.masks import read_mask

logging.disable_progress_bar()
VOCABULARY = 300

# Logits of random models reach 16, where the last place of half precision counts 2^-6 and 2^-3: two of these.
ALLOWED = {"float32": 2e-5, "float16": 2**-5, "bfloat16": 2**-2}

COMMON = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}

LIKE_LLAMA = {
    "gemma": GemmaConfig,
    "gemma2": Gemma2Config,
    "gemma3_text": Gemma3TextConfig,
    "llama": LlamaConfig,
    "mistral": MistralConfig,
    "olmo": OlmoConfig,
    "olmo2": Olmo2Config,
    "olmo3": Olmo3Config,
    "phi": PhiConfig,
    "qwen2": Qwen2Config,
    "qwen3": Qwen3Config,
}
# Windows that are shorter than the texts, heads of the size that the others have, caps that are reached.
GEMMA = {"head_dim": 8, "query_pre_attn_scalar": 6, "sliding_window": 10}
OWN = {
    "mistral": {"sliding_window": 10},
    "olmo3": {"sliding_window": 10},
    "gemma": {"head_dim": 8},
    "gemma3_text": GEMMA | {"sliding_window_pattern": 2},
    "gemma2": GEMMA | {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 6.0},
}


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
    if family in LIKE_LLAMA:
        return LIKE_LLAMA[family](
            **OWN.get(family, {}),
            hidden_size=32,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=48,
            max_position_embeddings=128,
            **COMMON,
        )
    if family == "gpt_neo":
        return GPTNeoConfig(
            hidden_size=32,
            num_layers=layers,
            num_heads=4,
            window_size=8,
            attention_types=[[["global", "local"], layers // 2], [["global"], layers % 2]],
            max_position_embeddings=128,
            **COMMON,
        )
    if family == "bloom":
        return BloomConfig(hidden_size=32, n_layer=layers, n_head=4, seq_length=128, **COMMON)
    if family == "falcon":
        return FalconConfig(
            hidden_size=32,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_kv_heads=2,
            new_decoder_architecture=True,
            max_position_embeddings=128,
            **COMMON,
        )
    if family == "gptj":
        return GPTJConfig(n_embd=32, n_layer=layers, n_head=4, n_positions=128, rotary_dim=4, **COMMON)
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
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tiny_model_files(family, dtype, layers, seed).items():
        (folder / name).write_bytes(content)
    return folder


@cache
def tiny_model_files(family: str, dtype: str, layers: int, seed: int) -> dict[str, bytes]:
    """The files of a tiny model by name; transformers builds each model once only."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(family_config(family, layers))
    # Larger weights than a new model's: else the random models' predictions are all near ties.
    for parameter in model.parameters():
        if parameter.ndim == 2:
            parameter.data.normal_(std=0.2)
    with TemporaryDirectory() as folder:
        model.to(getattr(torch, dtype)).save_pretrained(folder)
        tiny_tokenizer().save_pretrained(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def manifest_of(folder: Path) -> Manifest:
    """The manifest of a folder without a tokenizer."""
    checkpoint = describe(folder)
    hashes = {path.name: sha256_of(path) for path in input_files(folder)}
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


def evidence(model, texts: np.ndarray) -> list[np.ndarray]:
    """Log-probability, margin and rank of all tokens but each text's first, in batches of two texts."""
    batches = cut_batches(np.arange(len(texts)), texts, 2 * texts.shape[1])
    blocks = cut_blocks(batches, model.block_tokens)
    measured = [part for block in blocks for part in forced_pass(model, block, None, all_evidence)]
    return list(map(np.concatenate, zip(*measured, strict=True)))


def log_probabilities(model, texts: np.ndarray) -> np.ndarray:
    """Of all tokens but each text's first, from memprune's forced pass."""
    return evidence(model, texts)[0]


def write_mask_of(manifest: Manifest, selection: Selection, level: float, path: Path) -> None:
    """Compute and write a mask as the workflow does."""
    magnitudes = path.with_name(f"{path.name}.magnitudes")
    save_file(magnitude.count(manifest, 2), magnitudes)
    inputs = {"magnitudes": magnitudes} if selection.criterion == "magnitude" else {}
    prune.make(Asked(manifest, selection.settings, level, "tested", inputs=inputs, threads=2), path)


def greedy(model, context: np.ndarray, length: int) -> np.ndarray:
    """The tokens that `generate` appends to `context` (rows × tokens) with greedy decoding and KV cache."""
    ids = torch.from_numpy(context.astype(np.int64)).to(model.device)
    output = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=length,
        min_new_tokens=length,
        do_sample=False,
        use_cache=True,
        pad_token_id=0,
        eos_token_id=-1,
    )
    return output[:, ids.shape[1] :].cpu().numpy()


def half_memorized(reference: PreTrainedModel, context: int, suffix: int, rows: int = 8) -> np.ndarray:
    """Windows of which the even rows end as the model decodes, the odd ones differ at one token each."""
    vocabulary = reference.config.vocab_size
    contexts = np.random.default_rng(0).integers(1, vocabulary, (rows, context))
    suffixes = greedy(reference, contexts, suffix)
    for row in range(1, rows, 2):
        at = row % suffix
        suffixes[row, at] = (suffixes[row, at] + 1) % vocabulary
    return np.concatenate([contexts, suffixes], axis=1)
