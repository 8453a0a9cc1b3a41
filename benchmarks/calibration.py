"""Calibration of Pythia-2.8b's shape on a CPU: peak memory, time; and Wanda's masks beside magnitude's.

All layers are alike and go through memory one at a time, so the first few say what all take.
"""

import tempfile
from pathlib import Path

import numpy as np
from cases import CHECKPOINTS, main, median_seconds, resident_bytes, run_case, timed, write_report
from masks import THREADS, manifest_of
from safetensors.numpy import save_file

LAYERS, ALL_LAYERS = 2, 32
TEXTS, TOKENS, ALL_TEXTS = (2, 8), 2048, 128
MASK_LAYERS, LEVEL = 8, 0.5
STRATEGIES = {
    "magnitude, by layer": {"allocation": "layer"},
    "magnitude, global": {},
    "magnitude, by row": {"allocation": "row"},
    "Wanda, by row": {"criterion": "wanda", "allocation": "row"},
    "Wanda, global": {"criterion": "wanda"},
    "Wanda, 2:4": {"criterion": "wanda", "pattern": "2:4"},
    "Wanda, 4:8": {"criterion": "wanda", "pattern": "4:8"},
    "Wanda, OWL": {"criterion": "wanda", "allocation": "owl"},
    "magnitude, heads": {"pattern": "heads"},
    "magnitude, neurons": {"pattern": "neurons"},
}


def asked_for(manifest, settings: dict, inputs: dict[str, Path]):
    """What a change is asked for with."""
    from memprune.methods.asked import Asked

    return Asked(manifest, settings, LEVEL, "benchmark", inputs=inputs, threads=THREADS)


def gather(folder: str, texts: str) -> dict:
    """Gather activations of some texts of random tokens: seconds, and what the process took before."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from memprune.methods.gather_activations import gather_activations

    manifest, before = manifest_of(folder), resident_bytes()
    ids = np.random.default_rng(0).integers(0, 50304, int(texts) * TOKENS).astype(np.int32)
    table = pa.table({"tokens": pa.FixedSizeListArray.from_arrays(pa.array(ids), TOKENS)})
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        text = Path(scratch) / "text.parquet"
        pq.write_table(table.replace_schema_metadata({"tokenizer": ""}), text)
        asked = asked_for(manifest, {}, {"calibration": text})
        _, seconds = timed(gather_activations, asked, Path(scratch) / "activations.safetensors")
    return {"seconds": seconds, "before": before}


def masks(folder: str) -> dict:
    """The seconds of each strategy's mask and of the count of magnitudes, and how many weights there are."""
    import torch  # noqa: F401  counting needs it

    from memprune.config.strategies.prune_strategy import PruneStrategy
    from memprune.methods.criteria import magnitude
    from memprune.methods.prune import compute_mask

    manifest, random = manifest_of(folder), np.random.default_rng(0)
    counted, counting = timed(magnitude.count, manifest, THREADS)
    sums = {m.name: random.random(m.shape[1], dtype=np.float32) for m in manifest.matrices}
    seconds = {}
    with tempfile.TemporaryDirectory() as scratch:
        inputs = {kind: Path(scratch) / kind for kind in ("magnitudes", "activations")}
        save_file(counted, inputs["magnitudes"])
        save_file(sums, inputs["activations"])
        for name, settings in STRATEGIES.items():
            strategy = PruneStrategy(levels=[LEVEL], **settings)
            seconds[name] = median_seconds(3, compute_mask, asked_for(manifest, strategy.settings, inputs))
    weights = sum(matrix.weights for matrix in manifest.matrices)
    return {"weights": weights, "counting": counting, "masks": seconds}


def report() -> None:
    from shapes import make_checkpoint

    folder = make_checkpoint("2.8b", "float16", CHECKPOINTS, LAYERS)
    runs = {texts: run_case("gather", folder, texts) for texts in TEXTS}
    few, many = (runs[texts]["seconds"] for texts in TEXTS)
    rate = (many - few) / (TEXTS[1] - TEXTS[0]) / LAYERS  # seconds of a text and layer
    found = run_case("masks", make_checkpoint("2.8b", "float16", CHECKPOINTS, MASK_LAYERS))
    takes = {
        f"activations, {texts} texts × {TOKENS} tokens, {LAYERS} layers": f"{run['seconds']:.0f} s, "
        f"peak {run['peak'] / 1e9:.2f} GB"
        for texts, run in runs.items()
    }
    takes[f"so {ALL_TEXTS} texts, {ALL_LAYERS} layers"] = (
        f"{rate * ALL_TEXTS * ALL_LAYERS / 3600:.1f} h, the same peak, and "
        f"{ALL_TEXTS * TOKENS * 2560 * 4 / 1e9:.1f} GB of disk meanwhile"
    )
    for name, seconds in {"count of magnitudes": found["counting"], **found["masks"]}.items():
        takes[f"{name}, {MASK_LAYERS} layers"] = (
            f"{seconds:.2f} s, {1e9 * seconds / found['weights']:.2f} ns a weight"
        )
    rows = [{"Pythia-2.8b, float16": name, "takes": words} for name, words in takes.items()]
    write_report("calibration", "Calibration, and masks that need it", rows, {"gather": runs, "masks": found})


if __name__ == "__main__":
    main([gather, masks], report)
