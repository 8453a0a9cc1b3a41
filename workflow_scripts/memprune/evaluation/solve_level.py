"""Solve for a level: change the weights, score the perplexity windows, and again, until that rises as asked.

Each step's evidence passes through the store as a shard of its own change, so that the evaluation of the
level found, which makes the same, finds it there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc

from memprune.evaluation.bisection import find_level
from memprune.evaluation.score_shards import shard_evidence
from memprune.evaluation.scorer import Scorer
from memprune.evaluation.variant import Variant, windows_task


def solve_level(
    dense: Variant,
    before_it: Sequence[Path],
    make_change_at: Callable[[float, Path], None],
    target: float,
    device: str,
    threads: int,
    folder: Path,
) -> dict:
    """The level at which token perplexity is (1 + `target`) times that of `dense`, and every step tried.

    `make_change_at(level, path)` writes the change of a level, for a moment, into `folder`, to stand after
    those `before_it`; `device` is the class of device, `cpu` or `cuda`. Gives JSON values: level,
    perplexity_increase, perplexity, dense_perplexity, and steps with the first three of these each. A
    perplexity beyond float64 is null, and so is its increase.
    Prints a line a step. Raises UserError when no level does it (see `find_level`), and what scoring raises.
    """
    before = nll_per_token(dense, device, threads)
    print(f"dense: perplexity {exp(before):.6g}", flush=True)
    steps = {}

    def increase_at(level: float) -> float:
        with TemporaryDirectory(dir=folder) as temporary:
            change = Path(temporary) / "change.safetensors"
            make_change_at(level, change)
            after = nll_per_token(replace(dense, changes=[*before_it, change]), device, threads)
        increase = exp(after - before) - 1
        steps[level] = {"level": level, "perplexity_increase": increase, "perplexity": exp(after)}
        print(f"level {level}: perplexity {exp(after):.6g}, increase {increase:+.4g}", flush=True)
        return increase

    level = find_level(increase_at, target)
    print(f"found level {level} for an increase of {target!r}", flush=True)
    told = [{name: finite(value) for name, value in step.items()} for step in steps.values()]
    return {**steps[level], "dense_perplexity": finite(exp(before)), "steps": told}


def nll_per_token(variant: Variant, device: str, threads: int) -> float:
    """The mean negative log-likelihood of the scored tokens of all windows, in nats."""
    scorer = Scorer(variant, device, threads)
    task = windows_task(variant, device, scorer.windows)
    tables = [shard_evidence(task, shard, lambda tokens: None) for shard in task.shards]
    evidence = pa.concat_tables(table.replace_schema_metadata() for table in tables)
    return -pc.mean(pc.list_flatten(evidence["log_probability"]).cast(pa.float64())).as_py()


def exp(exponent: float) -> float:
    """e to a power, infinite where float64 ends."""
    try:
        return math.exp(exponent)
    except OverflowError:
        return math.inf


def finite(value: float) -> float | None:
    """A number as JSON knows it."""
    return value if math.isfinite(value) else None
