"""What methods need beside the weights: the file of each input that a strategy names."""

from memprune.config.experiment import Config
from memprune.planning import paths
from memprune.planning.draws import text_draw
from memprune.variants.names import split_variant


def method_inputs(config: Config, model: str, variant: str) -> dict[str, str]:
    """The files that a variant's change is made from, by the names that its method knows them by."""
    strategy = config.strategies[split_variant(variant)[0]]
    results, before = paths.results_of(config), strategy.after or "dense"
    places = {
        "magnitudes": lambda: paths.magnitudes(results, model),
        "activations": lambda: paths.statistics(results, model, before, "activations"),
        "gradients": lambda: paths.statistics(results, model, before, "gradients"),
        "calibration": lambda: paths.draw(results, text_draw(config, "calibration")),
        "retraining": lambda: paths.draw(results, text_draw(config, "retraining")),
        "checkpoint": lambda: paths.checkpoint(results, variant),
    }
    return {name: places[name]() for name in strategy.inputs}


def uses_device(config: Config, strategy: str) -> bool:
    """Whether a strategy's changes are computed with the model itself, on a device."""
    return bool({"calibration", "retraining"} & set(config.strategies[strategy].inputs))
