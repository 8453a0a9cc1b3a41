"""What a row of logits says of its true token: log-probability, margin and rank."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from memprune.scoring.batches import LOGIT_ROWS
from memprune.scoring.decoder import Head, logits_of
from memprune.scoring.evidence import LARGEST_RANK

FLOATS = 400_000  # logits in float32 at one time: with what is made from them they fit in a cache
Measure = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, ...]]


def measure_rows(
    measure: Measure, rows: torch.Tensor, targets: torch.Tensor, head: Head
) -> tuple[torch.Tensor, ...]:
    """What `measure(logits, targets)` gives for each row of hidden states (after the last norm) and target.

    `logits` are float32, rows × vocabulary, and may be overwritten; targets are rows × 1. On a CPU, logits in
    float32 exist for a few rows at a time.
    """
    parts = zip(rows.split(LOGIT_ROWS), targets.split(LOGIT_ROWS), strict=True)
    measured = [found for some, own in parts for found in measure_logits(measure, logits_of(head, some), own)]
    return tuple(map(torch.cat, zip(*measured, strict=True)))


def measure_logits(
    measure: Measure, logits: torch.Tensor, targets: torch.Tensor
) -> Iterator[tuple[torch.Tensor, ...]]:
    """The same for rows of logits, rows × vocabulary in any dtype, for some rows at a time."""
    count = max(1, FLOATS // logits.shape[1]) if logits.device.type == "cpu" else LOGIT_ROWS
    for few, target in zip(logits.split(count), targets[:, None].split(count), strict=True):
        yield measure(few.float(), target)


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
    """Of each row how many tokens come before its target; counted where one is not surely the first.

    By NumPy, whose comparisons and counts of bytes cost a fraction of torch's. Ties are rare in float32.
    """
    if bool((others < chosen).all()):
        return torch.zeros(len(logits), dtype=torch.int32)
    values, own = logits.numpy(), chosen.numpy()
    ranks = np.array([np.count_nonzero(row) for row in values > own], dtype=np.int32)
    equal = values == own
    if np.count_nonzero(equal) > len(equal):
        before = zip(equal, targets.flatten().tolist(), strict=True)
        ranks += np.array([np.count_nonzero(row[:token]) for row, token in before], dtype=np.int32)
    return torch.from_numpy(ranks.clip(max=LARGEST_RANK))


def ranks_on_gpu(
    logits: torch.Tensor, targets: torch.Tensor, chosen: torch.Tensor, others: torch.Tensor
) -> torch.Tensor:
    """The same for all rows at once: to ask which rows need it would make the host wait."""
    smaller = torch.arange(logits.shape[1], device=logits.device) < targets
    before = (logits > chosen) | ((logits == chosen) & smaller)
    return before.sum(1, dtype=torch.int32).clamp_(max=LARGEST_RANK)
