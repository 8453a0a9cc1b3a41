"""Masks: against torch.nn.utils.prune on Pythia-410m, and all of the paper's strategies on Pythia-2.8b."""

import statistics
import tempfile
from pathlib import Path

from cases import (
    CHECKPOINTS,
    main,
    median_seconds,
    peak_bytes,
    resident_bytes,
    run_case,
    timed,
    write_report,
)
from safetensors.numpy import save_file

SPARSITY, LEVELS, THREADS = 0.3, (0.1, 0.3, 0.5), 2
STRATEGIES = {
    "layer-wise": {"allocation": "matrix"},
    "global": {},
    "attention-only": {"matrices": "attention"},
    "first-25": {"layers": "first 25 %"},
    "last-25": {"layers": "last 25 %"},
}


def manifest_of(folder: str):
    """A manifest without a tokenizer, which a checkpoint of random weights lacks."""
    from memprune.models.checkpoint import describe
    from memprune.models.manifest import Manifest
    from memprune.models.model_files import input_files
    from memprune.store.fingerprints import fingerprint

    checkpoint = describe(folder)
    hashes = {path.name: fingerprint(path) for path in input_files(folder)}
    about = {"hashes": hashes, "fingerprint": "", "tokenizer": ""}
    return Manifest(**vars(checkpoint), model="benchmark", folder=str(folder), **about)


def torch_prune(folder: str) -> dict:
    """`global_unstructured` over a model's matrices: seconds, and bytes a weight beyond the weights."""
    import torch
    from safetensors.torch import load_file
    from torch.nn.utils import prune

    manifest, modules = manifest_of(folder), []
    for file in manifest.files:
        weights = load_file(Path(folder) / file)
        for matrix in manifest.matrices:
            if matrix.file == file:
                module = torch.nn.Module()
                module.weight = torch.nn.Parameter(weights[matrix.name].clone())
                modules.append((module, "weight"))
    count, before = sum(matrix.weights for matrix in manifest.matrices), resident_bytes()
    _, seconds = timed(lambda: prune.global_unstructured(modules, prune.L1Unstructured, amount=SPARSITY))
    return {"seconds": seconds, "bytes_per_weight": (peak_bytes() - before) / count}


def asked_for(manifest, strategy, level: float, counted: Path):
    """What a strategy's mask at a level is asked for with."""
    from memprune.methods.asked import Asked

    return Asked(
        manifest, strategy.settings, level, "benchmark", inputs={"magnitudes": counted}, threads=THREADS
    )


def memprune(folder: str) -> dict:
    """Count and prune the same: seconds of each, and bytes for each weight beyond the process's own."""
    from memprune.config.strategies.prune_strategy import PruneStrategy
    from memprune.methods.criteria import magnitude
    from memprune.methods.prune import compute_mask

    manifest = manifest_of(folder)
    count = sum(matrix.weights for matrix in manifest.matrices)
    import torch  # noqa: F401  counting needs it

    before = resident_bytes()
    counted = Path(folder) / "magnitudes"
    save_file(magnitude.count(manifest, THREADS), counted)
    prune = (compute_mask, asked_for(manifest, PruneStrategy(), SPARSITY, counted))
    timed(*prune)
    peak = peak_bytes()
    return {
        "count": median_seconds(3, magnitude.count, manifest, THREADS),
        "prune": median_seconds(5, *prune),
        "bytes_per_weight": (peak - before) / count,
    }


def paper(folder: str) -> dict:
    """All strategies at all levels: seconds of reading the files once, of the count, and of each mask."""
    from memprune.config.strategies.prune_strategy import PruneStrategy
    from memprune.methods.criteria import magnitude
    from memprune.methods.prune import about_mask, compute_mask
    from memprune.variants.changes import write_change

    manifest = manifest_of(folder)
    masks: dict[str, list[float]] = {}
    reading = median_seconds(3, read_once, folder, manifest.files)
    histograms, counting = timed(magnitude.count, manifest, THREADS)
    with tempfile.TemporaryDirectory() as scratch:
        counted = Path(scratch) / "magnitudes"
        save_file(histograms, counted)
        for name, settings in STRATEGIES.items():
            for level in LEVELS:
                asked = asked_for(manifest, PruneStrategy(**settings), level, counted)
                packed, compute = timed(compute_mask, asked)
                about, mask = about_mask(asked, packed), Path(scratch) / "mask.safetensors"
                _, write = timed(write_change, about, packed.items(), mask)
                masks[f"{name}@{level}"] = [compute, write]
    return {"reading": reading, "counting": counting, "masks": masks}


def read_once(folder: str, files: list[str]) -> None:
    """Read all bytes of some files, by one thread, as fast as Python can."""
    buffer = bytearray(2**22)
    for file in files:
        with (Path(folder) / file).open("rb", buffering=0) as content:
            while content.readinto(buffer):
                pass


def report() -> None:
    from shapes import make_checkpoint

    rows, raw = [], {}
    for dtype in ("float16", "bfloat16", "float32"):
        folder = make_checkpoint("410m", dtype, CHECKPOINTS)
        theirs = run_case("torch_prune", folder, tuned=False)
        ours = run_case("memprune", folder)
        raw[f"410m {dtype}"] = {"torch_prune": theirs, "memprune": ours}
        total = ours["count"] + ours["prune"]
        parts = f"count {ours['count']:.2f}, mask {ours['prune']:.2f}"
        rows.append(
            {
                "case": f"Pythia-410m, {dtype}, global, 30 %",
                "torch.nn.utils.prune": f"{theirs['seconds']:.1f} s, "
                f"{theirs['bytes_per_weight']:.0f} bytes a weight",
                "memprune": f"{total:.2f} s ({parts}), {ours['bytes_per_weight']:.2f} bytes a weight",
                "ratio": f"{theirs['seconds'] / total:.0f} ×",
            }
        )
    found = run_case("paper", make_checkpoint("2.8b", "float16", CHECKPOINTS))
    raw["2.8b float16"] = found
    whole = {name: sum(parts) for name, parts in found["masks"].items()}
    slowest, middle = max(whole, key=whole.get), statistics.median(whole.values())
    rows.append(
        {
            "case": "Pythia-2.8b, float16, five strategies × three levels",
            "torch.nn.utils.prune": "",
            "memprune": f"count {found['counting']:.1f} s; a mask, written, {middle:.2f} s in the median, "
            f"{whole[slowest]:.2f} s at most ({slowest}); peak {found['peak'] / 1e9:.2f} GB",
            "ratio": f"{whole[slowest] / found['reading']:.1f} × reading once ({found['reading']:.2f} s)",
        }
    )
    write_report("masks", "Masks", rows, raw)


if __name__ == "__main__":
    main([torch_prune, memprune, paper], report)
