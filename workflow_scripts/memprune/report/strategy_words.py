"""A strategy in words, from what the configuration says of it."""

from collections.abc import Mapping

from memprune.findings.words import listed

CHOSEN = {"magnitude": "smallest weights", "random": "random weights"}
ALLOCATED = {"matrix": "in each by itself", "layer": "in each layer by itself", "global": "over all together"}


def strategy_in_words(strategy: Mapping) -> str:
    """What a strategy removes: `smallest weights of attention matrices, over all together`.

    `strategy` is a mapping of the configuration; what it leaves out has the defaults of the section.
    """
    chosen = CHOSEN[strategy.get("criterion", "magnitude")]
    return f"{chosen} of {scope_in_words(strategy)}, {ALLOCATED[strategy.get('allocation', 'global')]}"


def scope_in_words(strategy: Mapping) -> str:
    """The matrices from which a strategy may remove weights."""
    if heads := strategy.get("heads"):
        return listed([f"head {head} of layer {layer}" for layer, head in heads])
    matrices, layers = strategy.get("matrices", "all"), strategy.get("layers", "all")
    which = f"{matrices if isinstance(matrices, str) else listed(matrices)} matrices"
    if layers == "all":
        return which
    return (
        f"{which} in {f'the {layers} of layers' if isinstance(layers, str) else f'layers {listed(layers)}'}"
    )
