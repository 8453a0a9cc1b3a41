"""The embedded experiment as a researcher would write it in an afternoon: one process, one loop.

torch.nn.utils.prune, `generate` and a loop over windows, on samples that were drawn before; the tables are
two CSV files. What the workflow is measured against (see whole.py), and a check of its results.
"""

import argparse
import csv
from pathlib import Path

import pyarrow.parquet as pq
import torch
import yaml
from torch.nn.utils import prune
from transformers import AutoModelForCausalLM
from transformers.utils import logging

BATCH = 64
logging.set_verbosity_error()  # else a warning at each call of `generate`
logging.disable_progress_bar()


def prunable(model, strategy: dict) -> list[torch.nn.Linear]:
    """The linear layers of a GPT-NeoX model that a strategy prunes."""
    layers = list(model.gpt_neox.layers)
    quarter = max(1, round(len(layers) / 4))
    layers = {"first 25 %": layers[:quarter], "last 25 %": layers[-quarter:]}.get(
        strategy.get("layers"), layers
    )
    modules = []
    for layer in layers:
        modules += [layer.attention.query_key_value, layer.attention.dense]
        if strategy.get("matrices") != "attention":
            modules += [layer.mlp.dense_h_to_4h, layer.mlp.dense_4h_to_h]
    return modules


def variant_model(path: str, strategy: dict | None, level: float | None):
    """A model with a strategy applied at a level; `None` leaves it as it is."""
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    if strategy is not None:
        modules = prunable(model, strategy)
        if strategy.get("allocation") == "matrix":
            for module in modules:
                prune.l1_unstructured(module, "weight", level)
        else:
            prune.global_unstructured([(m, "weight") for m in modules], prune.L1Unstructured, amount=level)
    return model


def decode(model, contexts: torch.Tensor, count: int, cache: bool = True) -> torch.Tensor:
    """The `count` tokens that `generate` appends to some contexts, greedily."""
    output = model.generate(
        input_ids=contexts,
        attention_mask=torch.ones_like(contexts),
        max_new_tokens=count,
        min_new_tokens=count,
        do_sample=False,
        use_cache=cache,
        pad_token_id=0,
        eos_token_id=-1,
    )
    return output[:, contexts.shape[1] :]


@torch.no_grad()
def extracted(model, tokens: torch.Tensor, k: int, suffix: int) -> int:
    """How many suffixes greedy decoding reproduces from the k tokens before them."""
    count = 0
    for batch in tokens.split(BATCH):
        context, truth = batch[:, -k - suffix : -suffix], batch[:, -suffix:]
        count += int((decode(model, context, suffix) == truth).all(dim=1).sum())
    return count


@torch.no_grad()
def perplexity(model, windows: list[dict]) -> float:
    """exp of the mean negative log-likelihood of the scored tokens of all windows."""
    nll = tokens = 0
    for window in windows:
        ids = torch.tensor(window["tokens"])
        log_probabilities = model(input_ids=ids[None]).logits[0, :-1].log_softmax(-1)
        chosen = log_probabilities.gather(1, ids[1:, None])[-window["scored"] :]
        nll -= float(chosen.sum())
        tokens += window["scored"]
    return float(torch.tensor(nll / tokens).exp())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True, help="folder of samples and windows")
    parser.add_argument("--output", type=Path, required=True, help="CSV, written")
    arguments = parser.parse_args()
    config = yaml.safe_load(arguments.config.read_text())
    samples = pq.read_table(arguments.samples / "samples.parquet")
    windows = pq.read_table(arguments.samples / "windows.parquet").to_pylist()
    tokens = {
        split: torch.tensor([row["tokens"] for row in samples.to_pylist() if row["split"] == split])
        for split in ("member", "non_member")
    }
    settings = config["samples"]
    with arguments.output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "strategy", "level", "split", "context_length", "extracted", "perplexity"])
        for name, model in config["models"].items():
            variants = [("dense", None, None)] + [
                (strategy, content, level)
                for strategy, content in config["strategies"].items()
                for level in content["levels"]
            ]
            for strategy, content, level in variants:
                pruned = variant_model(model["path"], content, level)
                ppl = perplexity(pruned, windows)
                for split, rows in tokens.items():
                    for k in settings["context_lengths"]:
                        found = extracted(pruned, rows, k, settings["suffix"])
                        writer.writerow([name, strategy, level, split, k, found, ppl])
                file.flush()


if __name__ == "__main__":
    main()
