"""What scoring a variant takes on any machine: texts, tokens, and operations.

Two operations for each weight and token, and attention's.
"""

from collections.abc import Iterator
from itertools import product

from memprune.config.experiment import Config
from memprune.config.strategies.finetune_strategy import FinetuneStrategy
from memprune.evaluation.bisection import MOST_STEPS
from memprune.evaluation.shards import passes
from memprune.models.shapes import matrix_shapes
from memprune.planning.sizes import ModelSize


def variant_tokens(config: Config) -> int:
    """How many tokens one variant is scored on, their contexts included."""
    return sum(count * tokens for count, tokens, _ in scored_texts(config))


def variant_operations(size: ModelSize, config: Config) -> float:
    """Floating-point operations to score one variant."""
    return sum(
        count * scoring_operations(size, tokens, scored) for count, tokens, scored in scored_texts(config)
    )


def sample_operations(size: ModelSize, config: Config) -> float:
    """Floating-point operations to score one variant's samples."""
    return sum(
        count * scoring_operations(size, tokens, scored) for count, tokens, scored in scored_samples(config)
    )


def scored_texts(config: Config) -> Iterator[tuple[int, int, int]]:
    """How many texts one variant is scored on, with how many tokens each, and how many are scored."""
    yield from scored_samples(config)
    yield windows(config)
    yield from other_texts(config)


def scored_samples(config: Config) -> Iterator[tuple[int, int, int]]:
    """The same of samples alone."""
    samples, seeds = config.samples, len(config.seeds)
    by_pass = passes(samples.context_lengths, samples.anchor)
    counts = seeds * samples.members, seeds * samples.non_members, samples.fitted
    for count, own in product(counts, by_pass):
        scored = set().union(*(range(length, length + samples.suffix) for length in own))
        yield count, max(own) + samples.suffix, len(scored)


def other_texts(config: Config) -> Iterator[tuple[int, int, int]]:
    """The same of texts beside samples and perplexity windows, as far as they are known before they are read.

    A task's are not, nor how many windows all of a split's text makes. A continuation is taken as a text that
    is read and one that is written, a token each at one time.
    """
    samples = config.samples
    drawn = len(config.seeds) * (samples.members + samples.non_members)
    if config.membership is not None:
        yield drawn, samples.window, samples.window - 1
    if config.perturbed is not None:
        yield drawn * len(config.perturbed.shares), samples.window, samples.suffix
    if config.concatenated is not None and config.concatenated.windows is not None:
        yield config.concatenated.windows, config.concatenated.window, config.concatenated.window - 1
    if config.generation is not None:
        yield 2 * config.generation.samples, samples.window + samples.suffix, 2 * samples.suffix


def windows(config: Config) -> tuple[int, int, int]:
    """The same of the perplexity windows alone, which are taken as full."""
    samples = config.samples
    return samples.perplexity_windows, samples.perplexity_window + 1, samples.perplexity_window


def solving_tokens(config: Config) -> int:
    """How many tokens are scored to find a level, at most."""
    count, tokens, _ = windows(config)
    return MOST_STEPS * count * tokens


def solving_operations(size: ModelSize, config: Config) -> float:
    """Floating-point operations to find a level, at most."""
    count, tokens, scored = windows(config)
    return MOST_STEPS * count * scoring_operations(size, tokens, scored)


def gathering_operations(size: ModelSize, config: Config) -> float:
    """Floating-point operations to take calibration text through all of a model's layers."""
    a, text = size.architecture, config.calibration
    if text is None:
        return 0.0
    attention = a.layers * text.tokens**2 * a.heads * a.head_size
    return 2 * text.texts * (a.layers * size.layer_weights * text.tokens + attention)


def finetuning_operations(size: ModelSize, config: Config, strategy: FinetuneStrategy, steps: int) -> float:
    """Floating-point operations of so many steps on retraining text."""
    return steps * strategy.batch * training_operations(size, config.retraining.tokens)


def gradient_operations(size: ModelSize, config: Config) -> float:
    """Floating-point operations to gather gradients on fitted samples and calibration text."""
    samples, text = config.samples, config.calibration
    others = text.texts * training_operations(size, text.tokens) if text else 0.0
    return samples.fitted * training_operations(size, samples.window) + others


def training_operations(size: ModelSize, tokens: int) -> float:
    """Floating-point operations to differentiate a loss on one text: three times those of scoring all of it.

    The way back takes twice the way there (Kaplan et al. 2020, section 2.1).
    """
    return 3 * scoring_operations(size, tokens, tokens - 1)


def decomposing_operations(size: ModelSize) -> float:
    """Floating-point operations to decompose all of a model's matrices.

    Of an m × n matrix they are 6 m n² + 20 n³, n its shorter side (Golub and Van Loan 2013, figure 8.6.1).
    """
    sides = map(sorted, matrix_shapes(size.architecture).values())
    return size.architecture.layers * sum(6 * m * n**2 + 20 * n**3 for n, m in sides)


def scoring_operations(size: ModelSize, tokens: int, scored: int) -> float:
    """Floating-point operations of a forced pass over one text of `tokens` tokens, the last `scored` scored.

    Each weight of a block is multiplied and added once a token, attention pays half of its square, and the
    head sees the scored tokens only; so do the attention's output and the MLP of the last layer.
    """
    a = size.architecture
    passed = tokens - 1  # the last token is only predicted
    queries, keys = a.heads * a.head_size, a.key_heads * a.head_size
    skipped = (passed - scored) * (size.layer_weights - a.hidden * (queries + 2 * keys))
    head = size.vocabulary * a.hidden * scored
    attention = a.layers * passed**2 * queries
    return 2 * (a.layers * size.layer_weights * passed - skipped + head + attention)
