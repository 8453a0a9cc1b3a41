#!/usr/bin/env python3
"""Print what an experiment will cost and can show, before it costs anything: no network, no GPU is used."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from tabulate import tabulate

from memprune.config.experiment import load
from memprune.jobs.script import run
from memprune.planning.costs import Estimate, estimate
from memprune.planning.detectable import detectable
from memprune.planning.machines import PEAKS, READ_RATE, UTILISATION
from memprune.planning.stored_share import stored_share
from memprune.store import entries

GIGA, PETA = 10**9, 10**15
# Hours in these stand side by side: they give the same `extracted`.
BESIDE = {"float32": ("float32", "screened"), "screened": ("screened", "float32")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    arguments = parser.parse_args()
    config = load(arguments.config)
    entries.choose(config.store)
    precision, results = config.evaluation.precision, Path("results") / config.experiment
    shown = BESIDE.get(precision, (precision,))
    estimates = [estimate(name, config) for name in config.models]
    shares = [stored_share(name, config, results) for name in config.models]
    rows = [row(part.model, [part], shown, share) for part, share in zip(estimates, shares, strict=True)]
    rows.append(row("all", estimates, shown, sum(shares) / len(shares)))
    alignment = ("left", *["right"] * (len(rows[0]) - 1))
    print(f"\n{arguments.config}, precision: {precision}\n")
    print(tabulate(rows, headers="keys", disable_numparse=True, colalign=alignment))
    dtypes = dict.fromkeys("bfloat16" if name == "screened" else name for name in shown)
    peaks = ",\nand ".join(map(assumed, dtypes))
    print(
        f"\nGPU hours (h) assume {peaks},\n"
        f"and that a job reads its model at {READ_RATE / 10**6:.0f} MB a second. Device and host: memory of\n"
        "one evaluation, free on a GPU or taken on a CPU; a model that does not fit is streamed. Stored:\n"
        "the share of samples' and perplexity windows' scores that the store has. GB are 10^9 bytes."
    )
    if config.tasks or (config.concatenated and config.concatenated.windows is None):
        print("Not counted, since their texts are not read yet: tasks, and windows of concatenated text.")
    print(f"\n{detectable(config)}")


def assumed(dtype: str) -> str:
    """What is assumed of GPUs' products in a type, in words."""
    peaks = ", ".join(f"{gpu} {peak[dtype] / 1e12:g}" for gpu, peak in PEAKS.items())
    return f"{100 * UTILISATION[dtype]:.0f} % of the peak in {dtype} ({peaks} TFLOP/s)"


def row(name: str, parts: list[Estimate], precisions: Sequence[str], stored: float) -> dict[str, str]:
    """A line of the table: one model, or several with their sums and largest needs."""

    def combined(key: str, combine: Callable = sum) -> float:
        return combine(getattr(part, key) for part in parts)

    return {
        "model": name,
        "weights\nmillions": short(combined("weights") / 1e6),
        "\nvariants": str(combined("variants")),
        "\njobs": str(combined("jobs")),
        "tokens\nmillions": short(combined("tokens") / 1e6),
        "\nPFLOP": short(combined("operations") / PETA),
        **{
            f"{gpu} h\n{name}": short(sum(part.gpu_hours(gpu, name) for part in parts))
            for gpu in PEAKS
            for name in precisions
        },
        "device\nGB": short(combined("device_bytes", max) / GIGA),
        "host\nGB": short(combined("host_bytes", max) / GIGA),
        "download\nGB": short(combined("download_bytes") / GIGA),
        "changes\nGB": short(combined("change_bytes") / GIGA),
        "scores\nGB": short(combined("score_bytes") / GIGA),
        "\nstored": f"{100 * stored:.0f} %",
    }


def short(number: float) -> str:
    """A number with three digits, or all before the decimal point."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


run(main)
