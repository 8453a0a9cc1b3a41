"""What jobs that change weights ask a cluster for, and those that gather what methods need."""

from memprune.config.experiment import Config
from memprune.config.strategies.finetune_strategy import FinetuneStrategy
from memprune.config.strategy import Strategy
from memprune.evaluation.bisection import MOST_STEPS
from memprune.methods.curvature_memory import curvature_bytes, curvature_operations, hessian_operations
from memprune.methods.training_memory import FINETUNE_BYTES, FLOAT, GRADIENT_BYTES, training_bytes
from memprune.planning.costs import gathering_bytes, gathering_seconds, solving_seconds, start_seconds
from memprune.planning.machines import (
    CUDA_HOST_BYTES,
    PROCESS_BYTES,
    READ_RATE,
    SLOWEST,
    THREAD_RATE,
    gpu_rate,
)
from memprune.planning.operations import decomposing_operations, finetuning_operations, gradient_operations
from memprune.planning.resources import Resources, rewrite, score_shards, scoring_rate, with_margins
from memprune.planning.sizes import ModelSize


def gather_activations(size: ModelSize, threads: int, gpu: int, config: Config) -> Resources:
    """To take calibration text through a model, a layer at a time."""
    memory = PROCESS_BYTES + CUDA_HOST_BYTES if gpu else gathering_bytes(size)
    return with_margins(memory, gathering_seconds(size, config, scoring_rate(threads, gpu, config)))


def gather_gradients(size: ModelSize, threads: int, gpu: int, config: Config) -> Resources:
    """To differentiate a model on samples that methods are fitted to, and on calibration text."""
    longest = max(config.samples.window, config.calibration.tokens if config.calibration else 0)
    return training(size, threads, gpu, gradient_operations(size, config), longest, GRADIENT_BYTES)


def compute_change(name: str, size: ModelSize, threads: int, gpu: int, config: Config) -> Resources:
    """To make a change of the strategy `name`."""
    strategy = config.strategies[name]
    if isinstance(strategy, FinetuneStrategy):
        operations = finetuning_operations(size, config, strategy, max(strategy.levels))
        return training(size, threads, gpu, operations, config.retraining.tokens, FINETUNE_BYTES)
    if "calibration" in strategy.inputs:
        return solving_by_curvature(size, threads, gpu, config)
    if strategy.method == "low-rank":
        return decomposing(size, threads)
    return rewrite(size, threads)


def solve_level(name: str, size: ModelSize, threads: int, gpu: int, config: Config) -> Resources:
    """To make changes of the strategy `name` and to score the perplexity windows with them, in turns."""
    scoring, changing = (
        score_shards(size, threads, gpu, config),
        compute_change(name, size, threads, gpu, config),
    )
    seconds = solving_seconds(size, config, scoring_rate(threads, gpu, config))
    seconds += MOST_STEPS * changing_seconds(config.strategies[name], size, threads, gpu, config)
    return Resources(scoring.memory + changing.memory, with_margins(0, seconds).runtime)


def changing_seconds(strategy: Strategy, size: ModelSize, threads: int, gpu: int, config: Config) -> float:
    """Seconds that a change's arithmetic takes, beside reading the model."""
    if "calibration" in strategy.inputs:
        return curvature_seconds(size, threads, gpu, config)
    return decomposing_seconds(size, threads) if strategy.method == "low-rank" else 0.0


def training(
    size: ModelSize, threads: int, gpu: int, operations: float, tokens: int, bytes_a_weight: int
) -> Resources:
    """To differentiate a model in float32, with texts of so many tokens at most.

    A GPU's job has the weights in the host's memory, too, before it sends them on.
    """
    rate = gpu_rate(SLOWEST, "float32") if gpu else THREAD_RATE * threads
    on_host = CUDA_HOST_BYTES + FLOAT * size.weights
    memory = on_host if gpu else training_bytes(size.architecture, tokens, bytes_a_weight)
    return with_margins(PROCESS_BYTES + memory, start_seconds(size) + operations / rate)


def solving_by_curvature(size: ModelSize, threads: int, gpu: int, config: Config) -> Resources:
    """To take calibration text through a model and solve each layer's matrices, a layer at a time."""
    own = curvature_bytes(size.architecture)
    memory = PROCESS_BYTES + CUDA_HOST_BYTES + own if gpu else gathering_bytes(size) + own
    return with_margins(memory, curvature_seconds(size, threads, gpu, config))


def curvature_seconds(size: ModelSize, threads: int, gpu: int, config: Config) -> float:
    """Seconds of the same: each text goes through each layer twice, before and after its change."""
    rate, text = scoring_rate(threads, gpu, config), config.calibration
    operations = curvature_operations(size.architecture)
    operations += hessian_operations(size.architecture, text.texts * text.tokens)
    return 2 * gathering_seconds(size, config, rate) + operations / rate


def decomposing(size: ModelSize, threads: int) -> Resources:
    """To read a model twice and decompose its matrices.

    Of Pythia's shapes the decomposition of a matrix takes less memory than a mask of the model does.
    """
    least = rewrite(size, threads)
    seconds = 2 * size.file_bytes / READ_RATE + decomposing_seconds(size, threads)
    return Resources(least.memory, with_margins(0, seconds).runtime)


def decomposing_seconds(size: ModelSize, threads: int) -> float:
    """Seconds to decompose a model's matrices once with `threads` of a CPU."""
    return decomposing_operations(size) / (THREAD_RATE * threads)
