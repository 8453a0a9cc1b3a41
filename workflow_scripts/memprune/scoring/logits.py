"""What a row of logits says of its true token: log-probability, margin and rank."""

from collections.abc import Callable

import numpy as np
import torch

from memprune.scoring.batches import LOGIT_ROWS
from memprune.scoring.decoder import Head, apply
from memprune.scoring.evidence import LARGEST_RANK

FLOAT_ROWS = 8  # of these, rows in float32 at one time: with what is made from them they fit in a cache
Measure = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, ...]]


def measure_rows(
    measure: Measure, rows: torch.Tensor, targets: torch.Tensor, head: Head
) -> tuple[torch.Tensor, ...]:
    """What `measure(logits, targets)` gives for each row of hidden states (after the last norm) and target.

    `logits` are float32, rows × vocabulary, and may be overwritten; targets are rows × 1. On a CPU, logits in
    float32 exist for a few rows at a time.
    """
    measured = []
    float_rows = FLOAT_ROWS if rows.device.type == "cpu" else LOGIT_ROWS
    for some, some_targets in zip(rows.split(LOGIT_ROWS), targets.split(LOGIT_ROWS), strict=True):
        logits = apply(head.logits, some)
        for few, target in zip(
            logits.split(float_rows), some_targets[:, None].split(float_rows), strict=True
        ):
            measured.append(measure(few.float(), target))
    return tuple(map(torch.cat, zip(*measured, strict=True)))


def only_log_probability(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor]:
    """The log-probability of each row's target, float32, nats."""
    chosen = logits.gather(1, targets)
    return (log_probability(logits, chosen, logits.amax(1, keepdim=True)),)


def all_evidence(
    logits: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of each row's target log-probability and margin, float32, and rank, int32 (see `Evidence`)."""
    chosen = logits.gather(1, targets)
    others = logits.scatter_(1, targets, -torch.inf).amax(1, keepdim=True)
    logits.scatter_(1, targets, chosen)
    ranks = ranks_on_cpu if logits.device.type == "cpu" else ranks_on_gpu
    rank = ranks(logits, targets, chosen, others)
    return log_probability(logits, chosen, torch.maximum(chosen, others)), (chosen - others).squeeze(1), rank


def log_probability(logits: torch.Tensor, chosen: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    """The log-probability of the token of logit `chosen` in each row, whose largest logit is `largest`."""
    normaliser = logits.sub_(largest).exp_().sum(1, keepdim=True).log()
    return (chosen - largest - normaliser).squeeze(1)


def ranks_on_cpu(
    logits: torch.Tensor, targets: torch.Tensor, chosen: torch.Tensor, others: torch.Tensor
) -> torch.Tensor:
    """Of each row how many tokens come before its target; counted where it is not surely the first."""
    ranks = torch.zeros(len(logits), dtype=torch.int32)
    for row in (others >= chosen).squeeze(1).nonzero().flatten().tolist():
        values, token, own = logits[row].numpy(), int(targets[row]), chosen[row].item()
        before = np.count_nonzero(values[:token] >= own) + np.count_nonzero(values[token + 1 :] > own)
        ranks[row] = min(before, LARGEST_RANK)
    return ranks


def ranks_on_gpu(
    logits: torch.Tensor, targets: torch.Tensor, chosen: torch.Tensor, others: torch.Tensor
) -> torch.Tensor:
    """The same for all rows at once: to ask which rows need it would make the host wait."""
    smaller = torch.arange(logits.shape[1], device=logits.device) < targets
    before = (logits > chosen) | ((logits == chosen) & smaller)
    return before.sum(1, dtype=torch.int32).clamp_(max=LARGEST_RANK)
