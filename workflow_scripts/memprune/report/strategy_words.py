"""A strategy in words, from what the configuration says of it."""

from collections.abc import Mapping

from memprune.findings.words import listed

WHERE = {
    "matrix": "of each matrix",
    "layer": "of each layer",
    "global": "of all of them together",
}
RANKED = {"magnitude": "the smallest weights", "random": "weights chosen at random"}


def strategy_in_words(strategy: Mapping) -> str:
    """What a strategy removes: `the smallest weights of each matrix, of attention's matrices in all layers`.

    `strategy` is a mapping of the configuration; what it leaves out has the defaults of the section.
    """
    removed = RANKED[strategy.get("criterion", "magnitude")]
    where = WHERE[strategy.get("allocation", "global")]
    return f"{removed} {where}, {scope_in_words(strategy)}"


def scope_in_words(strategy: Mapping) -> str:
    """Which matrices a strategy may remove weights from."""
    if heads := strategy.get("heads"):
        return "in " + listed([f"head {head} of layer {layer}" for layer, head in heads])
    matrices, layers = strategy.get("matrices", "all"), strategy.get("layers", "all")
    which = (
        "all matrices"
        if matrices == "all"
        else f"the matrices of {matrices if isinstance(matrices, str) else listed(matrices)}"
    )
    if layers == "all":
        return f"in {which}"
    return f"in {which} of {f'the {layers} of layers' if isinstance(layers, str) else f'layers {listed(layers)}'}"
