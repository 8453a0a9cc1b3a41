"""What a job asks a cluster for, from its model's number of weights: memory in MB, runtime in minutes.

Estimates for slow disks and old processors: asking for too little kills a job, for too much makes it wait.
"""

from dataclasses import dataclass

from memprune.config.experiment import Config
from memprune.models.weights import BYTES
from memprune.planning.costs import scored_texts
from memprune.planning.parts import parts_of

UNKNOWN = 12 * 10**9  # weights of a model whose size is not known: as many as the largest Pythia
SMALL = 10**9  # weights: models below it are quick enough for several jobs in one
STARTED = 1000  # MB: Python, its libraries, and what a job holds whatever the model
SCORER_STARTED = 4000  # MB: the same with torch, CUDA's part in host memory and the samples
THREAD = 50  # MB: the slices that a thread works on
STORED_BYTES = 4  # of a weight on disk, at most
FETCHED, READ = 2 * 10**7, 10**8  # bytes a second, from the network and from a shared disk
GPU_RATE, CPU_RATE = 10**13, 2 * 10**10  # operations a second, of a GPU in float32 and of a thread
STARTUP, LONGEST = 10, 24 * 60  # minutes; a job killed after the longest goes on where it stopped


@dataclass(frozen=True)
class Resources:
    """Memory in MB and runtime in minutes of a job at its first attempt."""

    memory: int
    runtime: int

    def at(self, attempt: int) -> "Resources":
        """What a later attempt asks for, counted from 1: so many times as much memory and time."""
        return Resources(attempt * self.memory, min(attempt * self.runtime, LONGEST))


def fetch_model(weights: int, threads: int) -> Resources:
    """To download a model."""
    return resources(STARTED, STORED_BYTES * weights / FETCHED)


def resolve_model(weights: int, threads: int) -> Resources:
    """To read a model once, for its hashes, and its tokenizer."""
    return resources(2 * STARTED, STORED_BYTES * weights / READ)


def count_magnitudes(weights: int, threads: int) -> Resources:
    """To read a model once in slices; histograms take less than an eighth of a byte a weight."""
    return resources(STARTED + weights / 8 / 10**6 + threads * THREAD, STORED_BYTES * weights / READ)


def compute_mask(weights: int, threads: int) -> Resources:
    """To read a model at most three times: two for the mask, at half a byte a weight, one spare."""
    return resources(STARTED + weights / 2 / 10**6 + threads * THREAD, 3 * STORED_BYTES * weights / READ)


def export_variant(weights: int, threads: int) -> Resources:
    """To read a model three times, twice for its hashes, and write it once; an eighth of a byte a weight."""
    return resources(STARTED + weights / 8 / 10**6, 4 * STORED_BYTES * weights / READ)


def score_shards(weights: int, threads: int, gpu: int, config: Config) -> Resources:
    """To score a variant, or one of its parts.

    Memory is that of a resident model on a CPU, or `evaluation.memory`. A batch takes at most a quarter
    more than the weights. On a GPU the host needs less, unless a streamed model's states wait there.
    """
    evaluation = config.evaluation
    if evaluation.memory is None:
        memory = SCORER_STARTED + 1.25 * weights * BYTES[evaluation.dtype] / 10**6
    else:
        memory = STARTED + 1000 * evaluation.memory
    rate = GPU_RATE if gpu else CPU_RATE * threads
    tokens = sum(count * length for count, length, _ in scored_texts(config))
    seconds = 2 * weights * tokens / parts_of(config) / rate
    return resources(memory, 2 * seconds + STORED_BYTES * weights / READ)


def collect_scores() -> Resources:
    """To put a variant's tables together from shards in the store."""
    return resources(2 * STARTED, 0)


def resources(memory: float, seconds: float) -> Resources:
    """Whole numbers, the start-up of a job included."""
    return Resources(int(memory), min(STARTUP + int(seconds / 60), LONGEST))
