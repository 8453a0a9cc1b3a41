"""What tables and figures are told of strategies beside their names."""

from memprune.config.experiment import Config


def methods_known(config: Config) -> dict[str, dict]:
    """By strategy, unless it prunes the dense model: see `memprune.findings.strategy_methods`.

    `fitted` are strategies that are made from samples.
    """
    return {
        name: {"method": strategy.method, "after": strategy.after, "fitted": "gradients" in strategy.inputs}
        for name, strategy in config.strategies.items()
        if strategy.method != "prune" or strategy.after or "gradients" in strategy.inputs
    }
