"""Results that an earlier configuration left behind: listed, never deleted."""

from pathlib import Path

from memprune.config.experiment import Config

ENDINGS = {
    "levels": (".json",),
    "masks": (".safetensors", ".csv"),
    "scores": (".memorization.parquet", ".perplexity.parquet", ".parts"),
    "measures": (".memorization.parquet", ".perplexity.parquet"),
}
SHOWN = 5


def leftovers(results: Path, config: Config) -> str:
    """One line that names the results of variants that the configuration lacks, or nothing."""
    expected = {
        results / kind / model / f"{variant}{ending}"
        for kind, endings in ENDINGS.items()
        for model in config.models
        for variant in config.variants(model)
        for ending in endings
    }
    found = sorted(
        path
        for kind, endings in ENDINGS.items()
        for path in (results / kind).glob("*/*")
        if is_made(path.name, endings) and path not in expected
    )
    if not found:
        return ""
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    names = ", ".join(map(str, found[:SHOWN]))
    return f"left over, no longer in the configuration, delete them if you like: {names}{more}"


def is_made(name: str, endings: tuple[str, ...]) -> bool:
    """Whether a file's or folder's name is one that the workflow gives, and not its temporary one."""
    return name.endswith(endings) and not name.startswith(".") and ("@" in name or name.startswith("dense."))
