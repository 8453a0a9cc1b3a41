"""Tiny models that predict some text well, so that pruning raises their perplexity."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tiny_models import reference_model, tiny_model
from transformers import AutoTokenizer

STEPS = 40


def fitted_model(folder: Path, texts: Sequence[str], dtype: str = "float32") -> Path:
    """A random GPT-NeoX whose head is fitted to its last hidden states, so that it predicts these texts."""
    tiny_model("gpt_neox", dtype, folder, layers=2)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), reference_model(folder, None, "float32")
    tokens = [torch.tensor([tokenizer.bos_token_id, *tokenizer(text)["input_ids"]])[:128] for text in texts]
    with torch.no_grad():
        states = torch.cat([model.base_model(ids[None]).last_hidden_state[0, :-1] for ids in tokens])
    targets = torch.cat([ids[1:] for ids in tokens])
    head = torch.zeros_like(model.get_output_embeddings().weight, requires_grad=True)
    optimizer = torch.optim.LBFGS([head], max_iter=STEPS)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        found = torch.nn.functional.cross_entropy(states @ head.T, targets)
        found.backward()
        return found

    optimizer.step(loss)
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["embed_out.weight"] = head.detach().to(weights["embed_out.weight"].dtype)
    save_file(weights, path, {"format": "pt"})
    return folder
