"""What a scoring job costs before its first batch: imports, and a model with its mask on the device."""

import statistics
import tempfile
import time
from pathlib import Path

from cases import CHECKPOINTS, ROOT, main, peak_bytes, resident_bytes, run_case, write_report
from masks import SPARSITY, THREADS, manifest_of

REPETITIONS = 5
TINY = ROOT / "resources/tiny-pythia/tiny-pythia-3.5m"


def transformers(folder: str, mask: str) -> dict:
    """from_pretrained, then the mask on its parameters."""
    start = time.perf_counter()
    import torch
    from transformers import AutoModelForCausalLM

    from memprune.variants.masks import read_mask

    torch.set_num_threads(THREADS)
    imported = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, kept in read_mask(mask).items():
            parameters[name].mul_(torch.from_numpy(kept))
    return {"imports": imported - start, "load": time.perf_counter() - imported}


def memprune(folder: str, mask: str) -> dict:
    """The same as the workflow's jobs do it."""
    start = time.perf_counter()
    import torch

    from memprune.scoring.variant_model import load_variant

    torch.set_num_threads(THREADS)
    imported, before = time.perf_counter(), resident_bytes()
    load_variant(manifest_of(folder), [Path(mask)], torch.float32, torch.device("cpu"))
    loaded = time.perf_counter() - imported
    return {"imports": imported - start, "load": loaded, "memory": peak_bytes() - before}


def write_global_mask(folder: str, path: str) -> dict:
    """Write the mask that both apply."""
    from safetensors.numpy import save_file

    from memprune.config.strategies.prune_strategy import PruneStrategy
    from memprune.methods.asked import Asked
    from memprune.methods.criteria import magnitude
    from memprune.methods.prune import make

    manifest, counted = manifest_of(folder), Path(f"{path}.magnitudes")
    save_file(magnitude.count(manifest, THREADS), counted)
    inputs = {"magnitudes": counted}
    make(Asked(manifest, PruneStrategy().settings, SPARSITY, "global", inputs=inputs), Path(path))
    return {}


def report() -> None:
    from shapes import make_checkpoint

    rows, raw = [], {}
    folders = {"tiny-pythia-3.5m": TINY, "Pythia-410m": make_checkpoint("410m", "float16", CHECKPOINTS)}
    with tempfile.TemporaryDirectory() as scratch:
        for name, folder in folders.items():
            mask = Path(scratch) / f"{name}.safetensors"
            run_case("write_global_mask", folder, mask)
            for case, tuned in (("transformers", False), ("memprune", True)):
                runs = [run_case(case, folder, mask, tuned=tuned) for _ in range(REPETITIONS)]
                raw[f"{name}, {case}"] = runs
                middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
                rows.append(
                    {
                        "model, float16 to float32": name,
                        "by": case,
                        "imports": f"{middle['imports']:.2f} s",
                        "model and mask": f"{middle['load']:.2f} s",
                        "whole process": f"{middle['wall']:.2f} s",
                        "peak memory": f"{middle['peak'] / 1e9:.2f} GB",
                    }
                )
    write_report("startup", "Start-up of a job", rows, raw)


if __name__ == "__main__":
    main([transformers, memprune, write_global_mask], report)
