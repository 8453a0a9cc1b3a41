"""What jobs and experiments cost, from the configuration alone: time, memory, disk.

Nothing here needs network, a GPU or a model's weights. What is assumed of machines is in `machines`.
"""

from dataclasses import dataclass

from memprune.config.experiment import Config, Evaluation
from memprune.config.strategies.finetune_strategy import FinetuneStrategy
from memprune.config.strategy import Strategy
from memprune.devices.footprint import (
    BATCH_TOKENS,
    layer_bytes,
    room_on_gpu,
    second_bytes,
    working_bytes,
)
from memprune.evaluation.bisection import MOST_STEPS
from memprune.evaluation.screening import AUDITED, calibrating_count
from memprune.models.weights import BYTES
from memprune.planning.machines import PROCESS_BYTES, READ_RATE, START_SECONDS, UNSETTLED, gpu_rate
from memprune.planning.method_inputs import method_inputs
from memprune.planning.operations import (
    finetuning_operations,
    gathering_operations,
    gradient_operations,
    other_texts,
    sample_operations,
    scoring_operations,
    solving_operations,
    solving_tokens,
    variant_operations,
    variant_tokens,
)
from memprune.planning.parts import blocks_of, parts_of
from memprune.planning.sizes import ModelSize, size_of
from memprune.variants.regions import stored_role
from memprune.variants.scope import scope_of

SHARD_BYTES = 16 * 2**10  # of a shard's two files and folder beside its rows, in blocks of 4 KiB
# In Parquet: what identifies a row and its measures, and the evidence on a token of a suffix (7.5 bytes were
# measured, as numbers they are 10) and of a window.
ROW_BYTES, SUFFIX_BYTES, WINDOW_BYTES = 64, 8, 4


@dataclass(frozen=True)
class Estimate:
    """What one model of an experiment will cost; bytes, operations, and tokens over all its variants."""

    model: str
    weights: int
    variants: int
    tokens: int
    operations: float
    sample_operations: float  # of them, those on samples, which may be screened
    rescored: float  # the share of these that float32 does beside, if they are
    jobs: int
    start_seconds: float  # of all jobs that score, before they do
    device_bytes: int  # of a resident model, with a batch
    host_bytes: int  # of the same on a CPU; where a GPU has the weights, `PROCESS_BYTES` and CUDA's
    download_bytes: int
    change_bytes: int
    score_bytes: int

    def gpu_hours(self, gpu: str, precision: str) -> float:
        """Hours on one GPU of a kind, at the assumed share of its peak; `screened` is in bfloat16 first."""
        if precision != "screened":
            return (self.start_seconds + self.operations / gpu_rate(gpu, precision)) / 3600
        exact = self.operations - (1 - self.rescored) * self.sample_operations
        seconds = exact / gpu_rate(gpu, "float32") + self.sample_operations / gpu_rate(gpu, "bfloat16")
        return (self.start_seconds + seconds) / 3600


def estimate(name: str, config: Config) -> Estimate:
    """What one model of the experiment will cost.

    Raises UserError when its size is not known, or when it lacks what a strategy prunes.
    """
    size, variants = size_of(config.models[name]), len(config.variants(name))
    targets, gatherings = len(config.targets(name)), len(gathered(config, name, "activations"))
    gradients, tuned = len(gathered(config, name, "gradients")), finetunings(config, name)
    return Estimate(
        model=name,
        weights=size.weights,
        variants=variants,
        tokens=variants * variant_tokens(config) + targets * solving_tokens(config),
        operations=variants * variant_operations(size, config)
        + targets * solving_operations(size, config)
        + gatherings * gathering_operations(size, config)
        + gradients * gradient_operations(size, config)
        + sum(finetuning_operations(size, config, strategy, steps) for strategy, steps in tuned),
        sample_operations=variants * sample_operations(size, config),
        rescored=rescored_share(config),
        jobs=count_jobs(name, config),
        start_seconds=(count_starts(name, config) + gatherings + gradients + len(tuned))
        * start_seconds(size),
        device_bytes=device_bytes(size, config.evaluation),
        host_bytes=host_bytes(size, config.evaluation),
        download_bytes=size.file_bytes if config.models[name].repo else 0,
        change_bytes=sum(
            bytes_of_change(size, name, key, strategy, level)
            for key, strategy in config.strategies.items()
            for level in config.levels(name, key)
        ),
        score_bytes=variants * score_bytes(config) + targets * MOST_STEPS * window_bytes(config),
    )


def rescored_share(config: Config) -> float:
    """The share of the operations on samples that float32 does beside a screening, calibration included."""
    samples = config.samples
    drawn = len(config.seeds) * (samples.members + samples.non_members) + samples.fitted
    return min(1.0, UNSETTLED + AUDITED + parts_of(config) * calibrating_count(drawn) / drawn)


def count_starts(name: str, config: Config) -> int:
    """How many times one of a model's variants is read to be scored."""
    each = parts_of(config) + len(config.text_kinds) + (config.generation is not None)
    return len(config.variants(name)) * each + len(config.targets(name)) * MOST_STEPS


def score_bytes(config: Config) -> int:
    """What a variant's evidence and measures take, in the store and in the results."""
    samples = config.samples
    drawn = len(config.seeds) * (samples.members + samples.non_members) + samples.fitted
    rows = drawn * len(samples.context_lengths)
    evidence = rows * samples.suffix * SUFFIX_BYTES
    evidence += window_bytes(config)
    others = list(other_texts(config))
    evidence += sum(count * scored * SUFFIX_BYTES for count, _, scored in others)
    described = (rows + samples.perplexity_windows + sum(count for count, *_ in others)) * ROW_BYTES
    return 2 * (evidence + described) + blocks_of(config) * SHARD_BYTES


def window_bytes(config: Config) -> int:
    """What the evidence on the perplexity windows takes, once."""
    return config.samples.perplexity_windows * config.samples.perplexity_window * WINDOW_BYTES


def start_seconds(size: ModelSize) -> float:
    """Seconds until a job has a model to score with: its process, and its weights from the disk."""
    return START_SECONDS + size.file_bytes / READ_RATE


def scoring_seconds(size: ModelSize, config: Config, rate: float) -> float:
    """Seconds of one job that scores a variant, or one of its parts, at so many operations a second."""
    return start_seconds(size) + variant_operations(size, config) / parts_of(config) / rate


def generating_seconds(size: ModelSize, config: Config, rate: float) -> float:
    """Seconds to continue some samples by one variant, a token each at one time."""
    samples = 2 * config.generation.samples if config.generation else 0
    window, suffix = config.samples.window, config.samples.suffix
    operations = samples * scoring_operations(size, window, suffix) + samples * suffix * 2 * size.weights
    return start_seconds(size) + suffix * size.file_bytes / READ_RATE + operations / rate


def solving_seconds(size: ModelSize, config: Config, rate: float) -> float:
    """Seconds of one job that finds a level: each step reads the model for its change, and to score it."""
    read = 2 * size.file_bytes / READ_RATE
    return MOST_STEPS * (start_seconds(size) + read) + solving_operations(size, config) / rate


def gathering_seconds(size: ModelSize, config: Config, rate: float) -> float:
    """Seconds of one job that gathers activations, at so many operations a second."""
    return start_seconds(size) + gathering_operations(size, config) / rate


def gathering_bytes(size: ModelSize) -> int:
    """Host memory of the same on a CPU: its largest part of a model in float32, and a batch."""
    itemsize = BYTES["float32"]
    largest = max(layer_bytes(size.architecture, itemsize))
    return PROCESS_BYTES + largest + working_bytes(size.architecture, BATCH_TOKENS, itemsize)


def device_bytes(size: ModelSize, evaluation: Evaluation) -> int:
    """What a GPU should have free for a resident model and a batch, as `devices.footprint` asks for it."""
    return room_on_gpu(*model_bytes(size, evaluation))


def host_bytes(size: ModelSize, evaluation: Evaluation) -> int:
    """Host memory of a job that scores a resident model on a CPU."""
    return PROCESS_BYTES + sum(model_bytes(size, evaluation))


def model_bytes(size: ModelSize, evaluation: Evaluation) -> tuple[int, int]:
    """Bytes of the weights of a resident model, and of a batch beside them."""
    itemsize = BYTES[evaluation.dtype]
    batch_tokens = evaluation.batch_tokens or BATCH_TOKENS
    beside = second_bytes(evaluation.screening.get("screened_in"))
    weights = sum(layer_bytes(size.architecture, itemsize + beside))
    return weights, working_bytes(size.architecture, batch_tokens, itemsize)


def count_jobs(name: str, config: Config) -> int:
    """How many jobs of the workflow are one model's own."""
    variants = len(config.variants(name))
    manifest = 1 if config.models[name].repo is None else 2  # fetched before
    scoring = variants * (1 if parts_of(config) == 1 else parts_of(config) + 1)
    scoring += variants * len(config.text_kinds)
    measuring = variants * (1 + len(config.text_kinds))
    generating = 2 if config.generation else 0  # with its measures
    changes = variants - 1  # all variants but `dense`
    inputs = gathered(config, name, "magnitudes", "activations", "gradients", "checkpoint")
    changing = changes + len(inputs) + 1 if changes else 0  # a figure of zeros beside
    return manifest + scoring + measuring + generating + changing + len(config.targets(name))


def gathered(config: Config, name: str, *kinds: str) -> set[str]:
    """What is gathered of one model alone for its variants' changes, of some kinds of inputs."""
    inputs = [method_inputs(config, name, variant) for variant in config.variants(name)[1:]]
    return {own[kind] for own in inputs for kind in kinds if kind in own}


def finetunings(config: Config, name: str) -> list[tuple[FinetuneStrategy, int]]:
    """The strategies that train one model, with the steps of each of their variants."""
    return [
        (strategy, steps)
        for key, strategy in config.strategies.items()
        if isinstance(strategy, FinetuneStrategy)
        for steps in config.levels(name, key)
    ]


def bytes_of_change(size: ModelSize, model: str, name: str, strategy: Strategy, level: float | str) -> int:
    """What the change of the strategy `name` takes: of all weights of matrices in its scope.

    A mask has a bit a weight, codes their bits and a scale a group, factors and new weights the checkpoint's
    bytes.
    """
    if strategy.method in ("finetune", "checkpoint"):
        return size.file_bytes
    roles, layers = scope_of(strategy.scope, size.architecture, model, name)
    stored = {stored_role(role, size.architecture) for role in roles}
    weights = len(layers) * sum(size.roles[role] for role in stored)
    bytes_a_weight = size.file_bytes / size.weights
    if strategy.method == "quantize":
        beside = bytes_a_weight + (not strategy.symmetric)  # a group's scale, and its code for zero
        return int(weights * (level / 8 + beside / strategy.group))
    if strategy.method == "low-rank":
        return int(weights * bytes_a_weight * (1 if isinstance(level, str) else 1 - level))
    return int(weights * bytes_a_weight) if strategy.criterion == "sparsegpt" else weights // 8
