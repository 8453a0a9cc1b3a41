"""What a job asks a cluster for, from its model's size: threads, memory, runtime, a group for small models.

Costs are the plan's, with margins: asking for too little kills a job, for too much makes it wait.
"""

from collections.abc import Callable
from dataclasses import dataclass

from memprune.config.experiment import Config
from memprune.planning.costs import generating_seconds, host_bytes, scoring_seconds
from memprune.planning.machines import (
    CUDA_HOST_BYTES,
    FETCH_RATE,
    PROCESS_BYTES,
    READ_RATE,
    SLOWEST,
    THREAD_RATE,
    gpu_rate,
)
from memprune.planning.parts import scores_itself
from memprune.planning.sizes import ModelSize

SMALL = 10**9  # weights: models below it are quick enough for several jobs in one
# Safety: what is asked for beyond the plan's figures.
MEMORY_MARGIN = 1.25
RUNTIME_MARGIN = 3  # older processors and GPUs, slower disks
SPARE_BYTES = 10**9
SPARE_MINUTES = 10
LONGEST = 24 * 60  # minutes; a job killed after the longest goes on where it stopped
# Host memory of jobs that read weights, beside the process.
THREAD_BYTES = 5 * 10**7  # the slices that a thread works on
COUNT_BYTES, MASK_BYTES = 1 / 8, 1 / 2  # a weight: histograms; docs/performance.md has 0.30 to 0.43 of a mask


@dataclass(frozen=True)
class Resources:
    """Memory in MB and runtime in minutes of a job at its first attempt."""

    memory: int
    runtime: int

    def at(self, attempt: int) -> "Resources":
        """What a later attempt asks for, counted from 1: so many times as much memory and time."""
        return Resources(attempt * self.memory, min(attempt * self.runtime, LONGEST))


def threads(size: ModelSize) -> int:
    """Threads of a job on a model: one for each 64 million weights, 16 at most.

    Small models' jobs run side by side.
    """
    return min(1 + size.weights // 2**26, 16)


def group(name: str) -> Callable[[ModelSize], str | None]:
    """The group of a small model's jobs, several of which a profile may submit as one; None for others."""
    return lambda size: name if size.weights < SMALL else None


def fetch_model(size: ModelSize, threads: int) -> Resources:
    """To download a model."""
    return with_margins(PROCESS_BYTES, size.file_bytes / FETCH_RATE)


def resolve_model(size: ModelSize, threads: int) -> Resources:
    """To read a model once, for its hashes, and its tokenizer."""
    return with_margins(2 * PROCESS_BYTES, size.file_bytes / READ_RATE)


def count_magnitudes(size: ModelSize, threads: int) -> Resources:
    """To read a model once in slices."""
    memory = PROCESS_BYTES + COUNT_BYTES * size.weights + threads * THREAD_BYTES
    return with_margins(memory, size.file_bytes / READ_RATE)


def rewrite(size: ModelSize, threads: int) -> Resources:
    """To read a model twice, as a mask does: what making any change takes at least."""
    memory = PROCESS_BYTES + MASK_BYTES * size.weights + threads * THREAD_BYTES
    return with_margins(memory, 2 * size.file_bytes / READ_RATE)


def export_variant(size: ModelSize, threads: int) -> Resources:
    """To read a model three times, twice for its hashes, and write it once; a mask takes a bit a weight."""
    return with_margins(PROCESS_BYTES + size.weights / 8, 4 * size.file_bytes / READ_RATE)


def score_shards(size: ModelSize, threads: int, gpu: int, config: Config) -> Resources:
    """To score a variant, or one of its parts, on a GPU or with `threads` of a CPU.

    Memory is that of a resident model on a CPU, or `evaluation.memory`. Of a GPU's job the host holds no more
    than a slice of the weights.
    """
    bound, rate = config.evaluation.memory, scoring_rate(threads, gpu, config)
    memory = PROCESS_BYTES + CUDA_HOST_BYTES if gpu else host_bytes(size, config.evaluation)
    asked = with_margins(memory, scoring_seconds(size, config, rate))
    return asked if bound is None else Resources(int((SPARE_BYTES + bound * 10**9) / 10**6), asked.runtime)


def scoring_rate(threads: int, gpu: int, config: Config) -> float:
    """Operations a second on a GPU, or with `threads` of a CPU."""
    return gpu_rate(SLOWEST, config.evaluation.dtype) if gpu else THREAD_RATE * threads


def generate(size: ModelSize, threads: int, gpu: int, config: Config) -> Resources:
    """To continue some samples by all variants of a model, one after the other."""
    scoring = score_shards(size, threads, gpu, config)
    variants = max(len(config.variants(name)) for name in config.models)
    seconds = variants * generating_seconds(size, config, scoring_rate(threads, gpu, config))
    return Resources(scoring.memory, with_margins(0, seconds).runtime)


def evaluate(size: ModelSize, threads: int, gpu: int, config: Config) -> Resources:
    """To put a variant's tables together, and to score it where no parts have."""
    if scores_itself(config):
        return score_shards(size, threads, gpu, config)
    return with_margins(2 * PROCESS_BYTES, 0)


def evaluation_threads(size: ModelSize, config: Config) -> int:
    """Threads of the same."""
    return threads(size) if scores_itself(config) else 1


def with_margins(memory: float, seconds: float) -> Resources:
    """What a job that takes so many bytes and seconds asks for, in whole numbers."""
    runtime = SPARE_MINUTES + int(RUNTIME_MARGIN * seconds / 60)
    return Resources(int((SPARE_BYTES + MEMORY_MARGIN * memory) / 10**6), min(runtime, LONGEST))
