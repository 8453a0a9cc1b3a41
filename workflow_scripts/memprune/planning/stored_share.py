"""How much of an experiment's scores the store has already, as far as the results so far can tell."""

from pathlib import Path

from memprune.config.experiment import Config
from memprune.devices.choice import device_class
from memprune.evaluation.scorer import cannot_score
from memprune.evaluation.variant import Variant, variant_tasks
from memprune.models.manifest import read_manifest
from memprune.planning import paths


def stored_share(name: str, config: Config, results: Path) -> float:
    """The share of a model's shards that are in the store, between 0 and 1.

    A variant counts where model, changes and samples are known, that is after their jobs.
    """
    variants, device = config.variants(name), device_class(config.evaluation.device)
    shares = [variant_share(name, variant, config, device, results) for variant in variants]
    return sum(shares) / len(shares)


def variant_share(name: str, variant: str, config: Config, device: str, results: Path) -> float:
    """The share of a variant's shards, scored on a class of device, that are in the store."""
    changes = [Path(paths.change(results, name, own)) for own in config.chain(variant)]
    manifest = Path(paths.manifest(results, name))
    samples, windows = Path(paths.samples(results)), Path(paths.windows(results))
    if not all(path.exists() for path in (manifest, *changes, samples, windows)):
        return 0.0
    found = Variant(variant, read_manifest(manifest), changes, samples, windows, config.evaluation_settings)
    tasks = variant_tasks(found, device, cannot_score, cannot_score)
    shards = [shard for task in tasks for shard in task.shards]
    return sum(shard.stored for shard in shards) / len(shards)
