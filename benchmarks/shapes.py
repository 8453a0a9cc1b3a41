"""Checkpoints of Pythia's shapes with random weights, made on the spot: speed and memory do not ask what
a model has learned."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from memprune.planning.sizes import known_config

SHARD = 2 * 10**9  # bytes of a file, as the Hub's large models are cut


def tensor_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors, as Pythia's files have them."""
    d, vocabulary = config["hidden_size"], config["vocab_size"]
    tensors = {"gpt_neox.embed_in.weight": (vocabulary, d)}
    for layer in range(config["num_hidden_layers"]):
        block = f"gpt_neox.layers.{layer}"
        for name, (rows, columns) in {
            "attention.query_key_value": (3 * d, d),
            "attention.dense": (d, d),
            "mlp.dense_h_to_4h": (4 * d, d),
            "mlp.dense_4h_to_h": (d, 4 * d),
        }.items():
            tensors[f"{block}.{name}.weight"] = (rows, columns)
            tensors[f"{block}.{name}.bias"] = (rows,)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors |= {f"{block}.{norm}.weight": (d,), f"{block}.{norm}.bias": (d,)}
    for name in ("gpt_neox.final_layer_norm.weight", "gpt_neox.final_layer_norm.bias"):
        tensors[name] = (d,)
    return tensors | {"embed_out.weight": (vocabulary, d)}


def make_checkpoint(size: str, dtype: str, folder: Path, layers: int | None = None) -> Path:
    """Write a checkpoint of a size, in files of `SHARD` bytes at most, unless the folder has it.

    With `layers` it has the first of these alone.
    """
    config, name = known_config(f"EleutherAI/pythia-{size}"), f"pythia-{size}-{dtype}"
    if layers is not None:
        config, name = config | {"num_hidden_layers": layers}, f"{name}-{layers}"
    folder = folder / name
    if (folder / "config.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    shard, number, index = {}, 0, {}
    for name, dimensions in tensor_shapes(config).items():
        weights = torch.randn(dimensions) * 0.02 if len(dimensions) == 2 else torch.zeros(dimensions)
        if "norm.weight" in name:
            weights += 1
        shard[name] = weights.to(getattr(torch, dtype))
        last = name == "embed_out.weight"
        if last or sum(tensor.nbytes for tensor in shard.values()) > SHARD - 3 * 10**8:
            file = "model.safetensors" if last and not index else f"model-{number:05}.safetensors"
            save_file(shard, folder / file, {"format": "pt"})
            index |= dict.fromkeys(shard, file)
            shard, number = {}, number + 1
    if number > 1:
        content = {"metadata": {}, "weight_map": index}
        (folder / "model.safetensors.index.json").write_text(json.dumps(content) + "\n")
    config |= {"architectures": ["GPTNeoXForCausalLM"], "rotary_pct": 0.25, "torch_dtype": dtype}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    return folder
