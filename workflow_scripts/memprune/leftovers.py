"""Results that an earlier configuration left behind: listed, never deleted."""

from pathlib import Path

from memprune.config import Config

SHOWN = 5


def leftovers(results: Path, config: Config) -> str:
    """One line that names masks and scores of variants that the configuration lacks, or nothing."""
    expected = {(model, variant) for model in config.models for variant in config.variants(model)}
    found = sorted(
        path
        for kind in ("masks", "scores")
        for path in (results / kind).glob("*/*")
        if (path.parent.name, variant_of(path)) not in expected
    )
    if not found:
        return ""
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    names = ", ".join(map(str, found[:SHOWN]))
    return f"left over, no longer in the configuration, delete them if you like: {names}{more}"


def variant_of(path: Path) -> str:
    """The variant that a file of masks or scores belongs to: its name without its endings."""
    endings = (".memorization.parquet", ".perplexity.parquet", ".safetensors", ".csv")
    ending = next((ending for ending in endings if path.name.endswith(ending)), "")
    return path.name.removesuffix(ending)
