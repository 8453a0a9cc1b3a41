"""Scoring: against greedy `generate` on Pythia-160m, and against what a matrix product reaches."""

import statistics
import sys

import numpy as np
from cases import CHECKPOINTS, main, median_seconds, run_case, timed, write_report
from masks import THREADS, manifest_of

CONTEXT_LENGTHS, SUFFIX, SAMPLES = (50, 100, 200, 500), 50, 64
PEER_BATCHES, BATCH_TOKENS, REPETITIONS = (32, 64), 2048, 3
UNCACHED = 2  # samples: without the cache each token takes a pass of its own


def protocol(folder: str, dtype: str) -> dict:
    """The whole protocol by both in turn; each sample's suffix is what the peer generates, so that bits can
    differ. Returns seconds, the peer's by batch size, and how many bits and tokens differ."""
    import torch
    from naive import decode
    from transformers import AutoModelForCausalLM

    from memprune.scoring.evidence import Evidence
    from memprune.scoring.forced_pass import score_suffixes
    from memprune.scoring.variant_model import load_variant

    torch.set_num_threads(THREADS)
    torch_dtype = getattr(torch, dtype)
    peer = AutoModelForCausalLM.from_pretrained(folder, dtype=torch_dtype).eval()
    model = load_variant(manifest_of(folder), (), torch_dtype, torch.device("cpu"))
    contexts = np.random.default_rng(0).integers(0, 50304, (SAMPLES, max(CONTEXT_LENGTHS)))

    def generate(k: int, batch: int, samples: int = SAMPLES, cache: bool = True) -> np.ndarray:
        rows = torch.from_numpy(contexts[:samples, -k:])
        return torch.cat([decode(peer, some, SUFFIX, cache) for some in rows.split(batch)]).numpy()

    def score(k: int) -> Evidence:
        windows = np.concatenate([contexts[:, -k:], suffixes[k]], axis=1)
        return score_suffixes(model, windows, [k], SUFFIX, BATCH_TOKENS)

    suffixes, by_batch = {}, {batch: {} for batch in PEER_BATCHES}
    for k in CONTEXT_LENGTHS:
        for batch in PEER_BATCHES:
            suffixes[k], by_batch[batch][k] = timed(generate, k, batch)
            log(f"{dtype}, k = {k}: generate, batch {batch}, {by_batch[batch][k]:.1f} s")
    best = {k: min(PEER_BATCHES, key=lambda batch: by_batch[batch][k]) for k in CONTEXT_LENGTHS}
    peers, ours = [], []
    for _ in range(REPETITIONS):
        ours.append({k: timed(score, k)[1] for k in CONTEXT_LENGTHS})
        peers.append({k: timed(generate, k, best[k])[1] for k in CONTEXT_LENGTHS})
        log(
            f"{dtype}, all: generate {sum(peers[-1].values()):.1f} s, memprune {sum(ours[-1].values()):.1f} s"
        )
    without_cache = {k: timed(generate, k, UNCACHED, UNCACHED, False)[1] for k in CONTEXT_LENGTHS}
    longest = np.concatenate([contexts, suffixes[max(CONTEXT_LENGTHS)]], axis=1)
    settings = (model, longest, CONTEXT_LENGTHS, SUFFIX, BATCH_TOKENS)
    prefix = [timed(score_suffixes, *settings)[1] for _ in range(REPETITIONS)]
    differ = {k: score(k) for k in CONTEXT_LENGTHS}
    return {
        "peer_by_batch": by_batch,
        "best": best,
        "peer": peers,
        "memprune": ours,
        "without_cache": without_cache,
        "prefix": prefix,
        "bits_that_differ": {k: int((~found.greedy.all(axis=1)).sum()) for k, found in differ.items()},
        "tokens_that_differ": {k: int((~found.greedy).sum()) for k, found in differ.items()},
    }


def efficiency(folder: str, dtype: str) -> dict:
    """Operations per second of a pass, and of a product of two 4096 × 4096 matrices around it, by k."""
    import torch

    from memprune.planning.operations import scoring_operations
    from memprune.planning.sizes import ModelSize
    from memprune.scoring.forced_pass import score_suffixes
    from memprune.scoring.variant_model import load_variant

    torch.set_num_threads(THREADS)
    torch_dtype = getattr(torch, dtype)
    manifest = manifest_of(folder)
    size = ModelSize(manifest.architecture, 0)
    model = load_variant(manifest, (), torch_dtype, torch.device("cpu"))
    square = torch.randn(4096, 4096).to(torch_dtype)
    found = {}
    for k in CONTEXT_LENGTHS:
        texts = 2 * max(1, BATCH_TOKENS // (k + SUFFIX))
        windows = np.random.default_rng(0).integers(0, 50304, (texts, k + SUFFIX))
        pairs = []
        for _ in range(5):
            product = 2 * 4096**3 / median_seconds(3, torch.matmul, square, square)
            settings = (model, windows, [k], SUFFIX, BATCH_TOKENS)
            seconds = median_seconds(1, score_suffixes, *settings)
            pairs.append((texts * scoring_operations(size, k + SUFFIX, SUFFIX) / seconds, product))
        found[k] = pairs
    return {"pairs": found}


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def report() -> None:
    from shapes import make_checkpoint

    rows, raw = [], {}
    for dtype in ("float32", "bfloat16"):
        folder = make_checkpoint("160m", dtype, CHECKPOINTS)
        found, reached = run_case("protocol", folder, dtype), run_case("efficiency", folder, dtype)["pairs"]
        raw[dtype] = {"protocol": found, "efficiency": reached}
        shares = {k: statistics.median(a / b for a, b in pairs) for k, pairs in reached.items()}
        for k in map(str, CONTEXT_LENGTHS):
            peer, ours = (statistics.median(run[k] for run in found[who]) for who in ("peer", "memprune"))
            uncached = found["without_cache"][k] * SAMPLES / UNCACHED
            rows.append(
                {
                    "Pythia-160m": f"{dtype}, k = {k}",
                    "generate, KV cache": f"{peer:.1f} s (batch {found['best'][k]})",
                    "memprune": f"{ours:.1f} s",
                    "ratio": f"{peer / ours:.1f} ×",
                    "ratio without cache": f"{uncached / ours:.0f} ×",
                    "bits that differ": f"{found['bits_that_differ'][k]} of {SAMPLES}",
                    "share of a matrix product": f"{100 * shares[k]:.0f} %",
                }
            )
        whole = [statistics.median(sum(run.values()) for run in found[who]) for who in ("peer", "memprune")]
        prefix = statistics.median(found["prefix"])
        uncached = sum(found["without_cache"].values()) * SAMPLES / UNCACHED
        rows.append(
            {
                "Pythia-160m": f"**{dtype}, all**",
                "generate, KV cache": f"{whole[0]:.1f} s",
                "memprune": f"{whole[1]:.1f} s (one pass from the prefix: {prefix:.1f} s)",
                "ratio": f"{whole[0] / whole[1]:.1f} × ({whole[0] / prefix:.1f} ×)",
                "ratio without cache": f"{uncached / whole[1]:.0f} ×",
                "bits that differ": f"{sum(found['bits_that_differ'].values())} of {SAMPLES * len(shares)}",
                "share of a matrix product": f"{100 * statistics.mean(shares.values()):.0f} %",
            }
        )
    write_report("scoring", "Scoring", rows, raw)


if __name__ == "__main__":
    main([protocol, efficiency], report)
