"""What evidence costs: passes that keep all of it, against such as keep arg max and log-probability only."""

import statistics

import numpy as np
from cases import CHECKPOINTS, ROOT, main, run_case, timed, write_report
from masks import THREADS, manifest_of

CONTEXT_LENGTHS, SUFFIX, BATCH_TOKENS, PAIRS = (50, 100, 200, 500), 50, 600, 7


def bits_and_log_probability(logits, targets) -> tuple:
    """Of each row whether its target is the arg max, and its log-probability: the least that is needed."""
    largest = logits.amax(1, keepdim=True)
    chosen = logits.gather(1, targets)
    matches = (chosen == largest).squeeze(1)
    if matches.any():
        matches[matches.clone()] = logits[matches].argmax(1) == targets[matches].squeeze(1)
    normaliser = logits.sub_(largest).exp_().sum(1, keepdim=True).log()
    return (chosen - largest - normaliser).squeeze(1), matches


def cost(folder: str, dtype: str) -> dict:
    """Seconds of both kinds of passes in turn, by context length, over random tokens.

    Hardly any of these is the greedy choice, so nearly all ranks are counted: the most that it can cost.
    """
    import torch

    from memprune.scoring.batches import cut_batches
    from memprune.scoring.forced_pass import forced_pass
    from memprune.scoring.logits import all_evidence
    from memprune.scoring.variant_model import load_variant

    torch.set_num_threads(THREADS)
    manifest = manifest_of(folder)
    model = load_variant(manifest, (), getattr(torch, dtype), torch.device("cpu"))
    pairs = {}
    for k in CONTEXT_LENGTHS:
        texts = max(1, BATCH_TOKENS // (k + SUFFIX))
        windows = np.random.default_rng(0).integers(0, manifest.vocabulary, (texts, k + SUFFIX))
        given = (model, list(cut_batches(np.arange(texts), windows, BATCH_TOKENS)), np.arange(k, k + SUFFIX))
        measures = (all_evidence, bits_and_log_probability)
        pairs[k] = [[timed(forced_pass, *given, measure)[1] for measure in measures] for _ in range(PAIRS)]
    return {"pairs": pairs}


def report() -> None:
    from shapes import make_checkpoint

    rows, raw = [], {}
    for dtype in ("float32", "bfloat16"):
        folders = {
            "Pythia-160m": make_checkpoint("160m", dtype, CHECKPOINTS),
            "tiny-pythia-3.5m": ROOT / "resources/tiny-pythia/tiny-pythia-3.5m",
        }
        for name, folder in folders.items():
            pairs = raw[f"{name}, {dtype}"] = run_case("cost", folder, dtype)["pairs"]
            pairs["all"] = [np.sum(several, axis=0).tolist() for several in zip(*pairs.values(), strict=True)]
            costs = {k: statistics.median(w / least for w, least in own) - 1 for k, own in pairs.items()}
            shown = {f"k = {k}": f"{100 * share:+.1f} %" for k, share in costs.items()}
            rows.append({"model": f"{name}, {dtype}", **shown})
    write_report("evidence", "The cost of evidence", rows, raw)


if __name__ == "__main__":
    main([cost], report)
