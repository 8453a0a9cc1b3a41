"""A strategy in words, from what the configuration says of it."""

from collections.abc import Mapping

from memprune.findings.words import listed

CHOSEN = {
    "magnitude": "smallest weights",
    "random": "random weights",
    "wanda": "weights with the smallest product with their input (Wanda)",
    "sparsegpt": "weights that SparseGPT can make up for",
    "sensitivity": "weights that samples of training text depend on most",
}
ALLOCATED = {
    "row": "in each row by itself",
    "matrix": "in each by itself",
    "layer": "in each layer by itself",
    "global": "over all together",
    "owl": "in each row, by its layer's outliers (OWL)",
}
WHOLE = {"heads": "whole heads", "neurons": "whole neurons", "layers": "whole layers"}


def strategy_in_words(strategy: Mapping) -> str:
    """What a strategy does: `smallest weights of attention matrices, over all together`.

    `strategy` is a mapping of the configuration; what it leaves out has the defaults of the section.
    """
    words = DESCRIBED[strategy.get("method", "prune")](strategy)
    return f"{words}, after {after}" if (after := strategy.get("after")) else words


def pruned_in_words(strategy: Mapping) -> str:
    """What pruning removes."""
    chosen = CHOSEN[strategy.get("criterion", "magnitude")]
    words = f"{chosen} of {scope_in_words(strategy)}, {ALLOCATED[strategy.get('allocation', 'global')]}"
    if pattern := strategy.get("pattern"):
        words += f", {WHOLE.get(pattern, f'{pattern} along the input')}"
    return words


def quantized_in_words(strategy: Mapping) -> str:
    """What quantization keeps in few bits."""
    how = {"nearest": "rounded to nearest", "gptq": "rounded by GPTQ"}[strategy.get("algorithm", "nearest")]
    zeros = "" if strategy.get("symmetric", True) else " with zero points"
    return f"{scope_in_words(strategy)} {how} in groups of {strategy.get('group', 128)}{zeros}"


def low_rank_in_words(strategy: Mapping) -> str:
    """What is kept as products of two matrices."""
    by = ", weighted by activations" if strategy.get("weighting") == "activations" else ""
    return f"truncated SVD of {scope_in_words(strategy)}{by}"


def finetuned_in_words(strategy: Mapping) -> str:
    """How a model is trained further."""
    return f"finetuned on other text, learning rate {strategy.get('learning_rate', 1e-4):g}"


def scope_in_words(strategy: Mapping) -> str:
    """The matrices that a strategy may change."""
    if heads := strategy.get("heads"):
        return listed([f"head {head} of layer {layer}" for layer, head in heads])
    matrices, layers = strategy.get("matrices", "all"), strategy.get("layers", "all")
    which = f"{matrices if isinstance(matrices, str) else listed(matrices)} matrices"
    if layers == "all":
        return which
    return (
        f"{which} in {f'the {layers} of layers' if isinstance(layers, str) else f'layers {listed(layers)}'}"
    )


DESCRIBED = {
    "prune": pruned_in_words,
    "quantize": quantized_in_words,
    "low-rank": low_rank_in_words,
    "finetune": finetuned_in_words,
    "checkpoint": lambda _: "weights of other checkpoints",
}
