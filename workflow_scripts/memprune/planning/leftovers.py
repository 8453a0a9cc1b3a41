"""Results that an earlier configuration left behind: listed, never deleted."""

from pathlib import Path

from memprune.config.experiment import Config

STAGES, GENERATION = ("scores", "measures"), "generation.parquet"
KINDS = ("memorization", "perplexity", "membership", "concatenated", "tasks", "perturbed")
ENDINGS = {
    "levels": (".json",),
    "changes": (".safetensors", ".csv"),
    "scores": (*(f".{kind}.parquet" for kind in KINDS), ".parts"),
    "measures": tuple(f".{kind}.parquet" for kind in KINDS),
}
SHOWN = 5


def leftovers(results: Path, config: Config) -> str:
    """One line that names the results of variants, or of kinds, that the configuration lacks, or nothing."""
    lacking = tuple(f".{kind}.parquet" for kind in KINDS[2:] if kind not in config.text_kinds)
    expected = {
        results / kind / model / f"{variant}{ending}"
        for kind, endings in ENDINGS.items()
        for model in config.models
        for variant in config.variants(model)
        for ending in endings
        if ending not in lacking
    }
    if config.generation is not None:
        expected |= {results / stage / model / GENERATION for stage in STAGES for model in config.models}
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
    of_variant = name.endswith(endings) and ("@" in name or name.startswith("dense."))
    return name == GENERATION or (of_variant and not name.startswith("."))
