"""Scoring against lm-evaluation-harness's `loglikelihood`: its `is_greedy` is the same bit, by one pass.

Of Pythia's shapes by the decoder of ours, of StableLM with the sizes of Pythia-160m through transformers.
"""

import statistics
import sys

import numpy as np
from cases import CHECKPOINTS, ROOT, main, run_case, timed, write_report
from masks import THREADS, manifest_of

CONTEXT_LENGTHS, SUFFIX, BATCH_TOKENS, REPETITIONS = (50, 100, 200, 500), 50, 2048, 3
THROUGH = "StableLM 160m"
SAMPLES = {"160m": 32, "410m": 8, THROUGH: 32}
PEER_BATCHES = (1, 4, 8, 16, 32)
TOKENIZER = ROOT / "resources/tiny-pythia/tiny-pythia-3.5m"  # of which the harness asks a few names only


def protocol(folder: str, dtype: str, samples: str) -> dict:
    """The whole protocol by both in turn: seconds by context length, and how many bits are the same.

    The harness has for each context length the batch size at which it is fastest. Every other suffix is what
    the model generates, so that bits are of both kinds.
    """
    import torch
    from lm_eval.models.huggingface import HFLM
    from naive import decode
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from memprune.scoring.forced_pass import score_suffixes
    from memprune.scoring.load_model import load_model

    torch.set_num_threads(THREADS)
    kind, count = getattr(torch, dtype), int(samples)
    peer_model = AutoModelForCausalLM.from_pretrained(folder, dtype=kind).eval()
    peer = HFLM(pretrained=peer_model, tokenizer=AutoTokenizer.from_pretrained(TOKENIZER), backend="causal")
    model = load_model(manifest_of(folder), (), kind, torch.device("cpu"))
    tokens = np.random.default_rng(0).integers(0, 50304, (count, max(CONTEXT_LENGTHS) + SUFFIX))
    windows = {}
    for k in CONTEXT_LENGTHS:
        windows[k] = tokens[:, -k - SUFFIX :].copy()
        context = torch.from_numpy(windows[k][::2, :k])
        windows[k][::2, k:] = decode(peer_model, context, SUFFIX).numpy()

    def harness(k: int, batch: int) -> list[bool]:
        peer.batch_size_per_gpu = batch
        requests = [(("", ""), row[:k].tolist(), row[k:].tolist()) for row in windows[k]]
        return [greedy for _, greedy in peer._loglikelihood_tokens(requests, disable_tqdm=True)]

    def memprune(k: int) -> list[bool]:
        found = score_suffixes(model, windows[k], [k], SUFFIX, BATCH_TOKENS)
        return found.greedy.all(axis=1).tolist()

    best, seconds, same, greedy = {}, {"harness": [], "memprune": []}, 0, 0
    for k in CONTEXT_LENGTHS:
        tried = {batch: timed(harness, k, batch)[1] for batch in PEER_BATCHES if batch <= count}
        best[k] = min(tried, key=tried.get)
        log(f"{dtype}, k = {k}: " + ", ".join(f"batch {b} {s:.2f} s" for b, s in tried.items()))
    for _ in range(REPETITIONS):
        theirs = {k: timed(harness, k, best[k]) for k in CONTEXT_LENGTHS}
        ours = {k: timed(memprune, k) for k in CONTEXT_LENGTHS}
        for name, run in (("harness", theirs), ("memprune", ours)):
            seconds[name].append({k: taken for k, (_, taken) in run.items()})
    for k in CONTEXT_LENGTHS:
        same += sum(a == b for a, b in zip(theirs[k][0], ours[k][0], strict=True))
        greedy += sum(theirs[k][0])
    return {"best": best, **seconds, "same": same, "greedy": greedy, "decisions": count * len(windows)}


def stablelm() -> str:
    """A model of random weights with the sizes of Pythia-160m, of a type that transformers computes."""
    import torch
    from transformers import AutoModelForCausalLM, StableLmConfig

    folder = CHECKPOINTS / THROUGH.replace(" ", "-")
    if not (folder / "config.json").exists():
        torch.manual_seed(0)
        config = StableLmConfig(
            hidden_size=768, num_hidden_layers=12, num_attention_heads=12, num_key_value_heads=12,
            intermediate_size=2048, max_position_embeddings=2048, vocab_size=50304,
        )  # fmt: skip
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return str(folder)


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def report() -> None:
    from shapes import make_checkpoint

    from memprune.devices.choice import cpu_multiplies_bfloat16

    rows, raw = [], {}
    dtypes = ("float32", "bfloat16") if cpu_multiplies_bfloat16() else ("float32",)
    for size, samples in SAMPLES.items():
        for dtype in dtypes:
            folder = stablelm() if size == THROUGH else make_checkpoint(size, dtype, CHECKPOINTS)
            found = raw[f"{size}, {dtype}"] = run_case("protocol", folder, dtype, samples)
            for k in [*map(str, CONTEXT_LENGTHS), "all"]:
                of_k = [[run[k] if k in run else sum(run.values()) for run in found[who]] for who in BOTH]
                theirs, ours = map(statistics.median, of_k)
                ratio = statistics.median(a / b for a, b in zip(*of_k, strict=True))
                rows.append(
                    {
                        "model": f"{size}, {dtype}, k = {k}",
                        "loglikelihood": f"{theirs:.2f} s"
                        + (f" (batch {found['best'][k]})" if k in found["best"] else ""),
                        "memprune": f"{ours:.2f} s",
                        "ratio": f"{ratio:.2f} ×",
                        "same bits": f"{found['same']} of {found['decisions']}, {found['greedy']} extracted"
                        if k == "all"
                        else "",
                    }
                )
    write_report("harness", "Scoring, against lm-evaluation-harness", rows, raw)


BOTH = ("harness", "memprune")

if __name__ == "__main__":
    main([protocol], report)
