"""What an experiment will cost, from its configuration alone: operations, memory, disk.

Nothing here needs network, a GPU or a model's weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from memprune.config.experiment import Config, Strategy
from memprune.devices.footprint import BATCH_TOKENS, CUDA_BYTES, working_bytes
from memprune.evaluation.shards import passes
from memprune.models.weights import BYTES
from memprune.planning.operations import scoring_operations
from memprune.planning.parts import blocks_of, parts_of
from memprune.planning.sizes import ModelSize, size_of
from memprune.variants.scope import scope_of

# Peak of dense products, operations per second (NVIDIA's data sheets, SXM forms; float32 without TF32, which
# would round the factors to 10 bits).
PEAKS = {
    "A100": {"float32": 19.5e12, "bfloat16": 312e12, "float16": 312e12},
    "H100": {"float32": 66.9e12, "bfloat16": 989e12, "float16": 989e12},
}
# The share of the peak that scoring is assumed to reach; not measured on a GPU.
UTILISATION = {"float32": 0.6, "bfloat16": 0.4, "float16": 0.4}
START_SECONDS = 20  # of an evaluation: process, weights to the device
PROCESS_BYTES = 4 * 10**8  # Python with torch and the samples
SHARD_BYTES = 16 * 2**10  # of a shard's two files and folder beside its rows, in blocks of 4 KiB
ROW_BYTES = 32  # at most, of a sample's scores at one context length, in Parquet


@dataclass(frozen=True)
class Estimate:
    """What one model of an experiment will cost; bytes, operations, and tokens over all its variants."""

    model: str
    weights: int
    variants: int
    tokens: int
    operations: float
    jobs: int
    device_bytes: int  # of a resident model, with a batch
    host_bytes: int  # of the same on a CPU; where a GPU has the weights, `PROCESS_BYTES`
    download_bytes: int
    mask_bytes: int
    score_bytes: int

    def gpu_hours(self, gpu: str, dtype: str) -> float:
        """Hours on one GPU of a kind, at the assumed share of its peak."""
        seconds = self.operations / (PEAKS[gpu][dtype] * UTILISATION[dtype])
        return (seconds + self.variants * START_SECONDS) / 3600


def estimate(name: str, config: Config) -> Estimate:
    """What one model of the experiment will cost.

    Raises UserError when its size is not known, or when it lacks what a strategy prunes.
    """
    size, variants = size_of(config.models[name]), len(config.variants(name))
    texts = list(scored_texts(config))
    samples = config.samples
    drawn = samples.members + samples.non_members
    rows = drawn * len(samples.context_lengths) + samples.perplexity_windows
    itemsize = BYTES[config.evaluation.dtype]
    batch_tokens = config.evaluation.batch_tokens or BATCH_TOKENS
    model_bytes = size.weights * itemsize + working_bytes(
        size.architecture, size.vocabulary, batch_tokens, itemsize
    )
    return Estimate(
        model=name,
        weights=size.weights,
        variants=variants,
        tokens=variants * sum(count * tokens for count, tokens, _ in texts),
        operations=variants
        * sum(count * scoring_operations(size, tokens, scored) for count, tokens, scored in texts),
        jobs=count_jobs(name, config),
        device_bytes=model_bytes + CUDA_BYTES,
        host_bytes=model_bytes + PROCESS_BYTES,
        download_bytes=size.file_bytes if config.models[name].repo else 0,
        mask_bytes=sum(
            len(config.levels(name, key)) * weights_in_scope(size, name, key, strategy) // 8
            for key, strategy in config.strategies.items()
        ),
        # In the store's shards and in the results.
        score_bytes=variants * (2 * rows * ROW_BYTES + blocks_of(config) * SHARD_BYTES),
    )


def count_jobs(name: str, config: Config) -> int:
    """How many jobs of the workflow are one model's own."""
    variants = len(config.variants(name))
    manifest = 1 if config.models[name].repo is None else 2  # fetched before
    scoring = variants * (1 if parts_of(config) == 1 else parts_of(config) + 1)
    measuring = variants
    masks = variants - 1  # all variants but `dense`
    masking = masks + 2 if masks else 0  # the count of magnitudes, and a figure of masks
    return manifest + scoring + measuring + masking


def scored_texts(config: Config) -> Iterator[tuple[int, int, int]]:
    """How many texts one variant is scored on, with how many tokens each, and how many of these are scored.

    Perplexity windows are taken as full.
    """
    samples = config.samples
    by_pass = passes(samples.context_lengths, samples.anchor)
    for count, own in product((samples.members, samples.non_members), by_pass):
        scored = set().union(*(range(length, length + samples.suffix) for length in own))
        yield count, max(own) + samples.suffix, len(scored)
    yield samples.perplexity_windows, samples.perplexity_window + 1, samples.perplexity_window


def weights_in_scope(size: ModelSize, model: str, name: str, strategy: Strategy) -> int:
    """How many weights the strategy `name` can prune in a model, which have a bit each in its masks."""
    roles, layers = scope_of(strategy.selection, list(size.roles), size.architecture.layers, model, name)
    return len(layers) * sum(size.roles[role] for role in roles)
