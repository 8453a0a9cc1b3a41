"""How many jobs a variant's evaluation is spread over."""

from memprune.config.experiment import Config
from memprune.evaluation.shards import block_count, passes


def blocks_of(config: Config) -> int:
    """How many blocks of rows a variant is scored in."""
    samples = config.samples
    drawn = len(config.seeds) * (block_count(samples.members) + block_count(samples.non_members))
    drawn += block_count(samples.fitted)
    by_pass = passes(samples.context_lengths, samples.anchor)
    return len(by_pass) * drawn + block_count(samples.perplexity_windows)


def parts_of(config: Config) -> int:
    """How many jobs score a variant: 1, or with `shards_per_job` as many as its blocks need."""
    shards_per_job = config.evaluation.shards_per_job
    return 1 if shards_per_job is None else -(-blocks_of(config) // shards_per_job)


def scores_itself(config: Config) -> bool:
    """Whether the job that puts a variant's evidence together may have to score: without parts, and where
    parts screen, each of which may have been contradicted.
    """
    return parts_of(config) == 1 or config.evaluation.precision == "screened"
