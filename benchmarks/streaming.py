"""A model that does not fit: Pythia-2.8b in bfloat16, resident, streamed, by accelerate's disk offload."""

import statistics
import tempfile
import time

import numpy as np
from cases import CHECKPOINTS, main, run_case, timed, write_report
from masks import THREADS, manifest_of

SAMPLES, WINDOW, SUFFIX, BATCH_TOKENS, REPETITIONS = 32, 550, 50, 2048, 3
OFFLOADED_SAMPLES = 6  # two batches: each reads the whole checkpoint
DTYPE = "bfloat16"


def memprune(folder: str, block_samples: str) -> dict:
    """Tokens per second after loading, of a block of samples; 0 samples a block: resident."""
    import torch

    from memprune.scoring.forced_pass import score_suffixes
    from memprune.scoring.variant_model import load_variant

    torch.set_num_threads(THREADS)
    block_tokens = int(block_samples) * WINDOW
    settings = (None, getattr(torch, DTYPE), torch.device("cpu"), block_tokens)
    model, load = timed(load_variant, manifest_of(folder), *settings)
    windows = np.random.default_rng(0).integers(0, 50304, (SAMPLES, WINDOW))
    scores, seconds = timed(score_suffixes, model, windows, [WINDOW - SUFFIX], SUFFIX, BATCH_TOKENS)
    return {
        "load": load,
        "seconds": seconds,
        "rate": SAMPLES * WINDOW / seconds,
        "log_probabilities": scores.log_probability.sum(axis=1).tolist(),
    }


def accelerate(folder: str) -> dict:
    """Tokens per second of transformers' forward pass with all layers offloaded to disk, batch by batch."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(THREADS)
    size = BATCH_TOKENS // WINDOW
    windows = np.random.default_rng(0).integers(0, 50304, (OFFLOADED_SAMPLES, WINDOW))
    with tempfile.TemporaryDirectory() as offload, torch.inference_mode():
        start = time.perf_counter()
        model = AutoModelForCausalLM.from_pretrained(
            folder, dtype=getattr(torch, DTYPE), device_map={"": "disk"}, offload_folder=offload
        )
        load = time.perf_counter() - start
        start = time.perf_counter()
        for i in range(0, OFFLOADED_SAMPLES, size):
            ids = torch.from_numpy(windows[i : i + size])
            model(input_ids=ids, use_cache=False, logits_to_keep=SUFFIX + 1)
        seconds = time.perf_counter() - start
    return {"load": load, "seconds": seconds, "rate": OFFLOADED_SAMPLES * WINDOW / seconds}


def report() -> None:
    from shapes import make_checkpoint

    folder = make_checkpoint("2.8b", "float16", CHECKPOINTS)
    cases = {"resident": 0, "streamed, 32 samples a block": 32}
    raw: dict[str, list[dict]] = {name: [] for name in cases}
    for _ in range(REPETITIONS):
        for name, block_samples in cases.items():
            raw[name].append(run_case("memprune", folder, block_samples))
            print(name, f"{raw[name][-1]['rate']:.0f} tokens/s", flush=True)
    bits = {tuple(run.pop("log_probabilities")) for runs in raw.values() for run in runs}
    raw["accelerate, disk offload"] = [run_case("accelerate", folder, tuned=False)]
    resident = statistics.median(run["rate"] for run in raw["resident"])
    rows = []
    for name, runs in raw.items():
        rate = statistics.median(run["rate"] for run in runs)
        rows.append(
            {
                "Pythia-2.8b, bfloat16, k = 500": name,
                "tokens/s": f"{rate:.0f}",
                "of resident": f"{100 * rate / resident:.0f} %",
                "peak memory": f"{max(run['peak'] for run in runs) / 1e9:.2f} GB",
                "load": f"{statistics.median(run['load'] for run in runs):.1f} s",
                "same bits": "" if "accelerate" in name else str(len(bits) == 1),
            }
        )
    write_report("streaming", "Models that do not fit", rows, raw)


if __name__ == "__main__":
    main([memprune, accelerate], report)
