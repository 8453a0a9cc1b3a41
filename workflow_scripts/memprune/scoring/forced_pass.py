"""Score a model for memorization and perplexity: one teacher-forced pass per batch, all metrics from it.

Greedy decoding reproduces a suffix exactly when the arg max at each of its positions, given the true tokens
before it, is the true token. So one forward pass over context and suffix decides what decoding token by
token would. Batches hold one length: no padding, no attention mask.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from memprune.errors import UserError
from memprune.scoring.decoder import Head, apply, embed, leave, rotations_of, run_layer
from memprune.scoring.logit_rows import LOGIT_ROWS
from memprune.scoring.pruned_model import PrunedModel

FLOAT_ROWS = 8  # of these, rows in float32 at one time: with what is made from them they fit in a cache


class Batch(NamedTuple):
    """Texts of one length: `rows` tells which of all, `tokens` is texts × tokens (integers)."""

    rows: np.ndarray
    tokens: np.ndarray


@dataclass(frozen=True)
class Forced:
    """What a forced pass says of the scored tokens: `matches` bool, `log_probabilities` float64 (nats).

    Both have the shape texts × scored tokens.
    """

    matches: np.ndarray
    log_probabilities: np.ndarray


def cut_batches(rows: np.ndarray, tokens: np.ndarray, batch_tokens: int) -> Iterator[Batch]:
    """Batches of about `batch_tokens` tokens each, one text at least."""
    size = max(1, batch_tokens // tokens.shape[1])
    for start in range(0, len(rows), size):
        yield Batch(rows[start : start + size], tokens[start : start + size])


def cut_blocks(batches: Iterable[Batch], block_tokens: int) -> Iterator[list[Batch]]:
    """Lists of batches that have `block_tokens` tokens together at most, one batch at least."""
    block: list[Batch] = []
    for batch in batches:
        if block and sum(b.tokens.size for b in block) + batch.tokens.size > block_tokens:
            yield block
            block = []
        block.append(batch)
    if block:
        yield block


@torch.inference_mode()
def forced_pass(model: PrunedModel, block: list[Batch], scored: np.ndarray | None) -> list[Forced]:
    """Score some tokens of each text of some batches, by their ascending positions in the text, in one pass.

    With None all are scored but the first, which has nothing before it.

    The batches go through the layers together: each layer is asked for once. Between layers the hidden states
    of a streamed model wait in host memory. Raises UserError when a log-probability is not finite.
    """
    a, device = model.architecture, model.device
    waiting = torch.device("cpu") if model.block_tokens else device
    ids = [torch.from_numpy(batch.tokens.astype(np.int64)).to(device) for batch in block]
    targets = [np.arange(1, tokens.shape[1]) if scored is None else scored for tokens in ids]
    embedding = model.embedding()
    hidden = [embed(tokens[:, :-1], embedding, a).to(waiting) for tokens in ids]
    del embedding  # a streamed model's parts are dropped before the next one is read
    lengths = {states.shape[1] for states in hidden} if a.rotary else ()
    rotations = {length: rotations_of(a.rotary, length, model.dtype, device) for length in lengths}
    for number, layer in enumerate(model.layers(), start=1):
        for i, states in enumerate(hidden):
            length = states.shape[1]
            kept = length + 1 - targets[i][0] if number == a.layers else length
            hidden[i] = run_layer(states.to(device), layer, a, rotations.get(length), kept).to(waiting)
        del layer
    head = model.head()
    results = []
    for batch, states, tokens, at in zip(block, hidden, ids, targets, strict=True):
        states = states.to(device)
        if len(at) < states.shape[1]:
            states = states[:, at - at[0]]
        rows = leave(states.flatten(0, 1), head, a)
        forced = score_rows(rows, tokens[:, at].flatten(), head)
        results.append(Forced(*(values.view(-1, len(at)).cpu().numpy() for values in forced)))
        check_finite(results[-1], batch.rows, model)
    return results


def score_rows(rows: torch.Tensor, targets: torch.Tensor, head: Head) -> tuple[torch.Tensor, torch.Tensor]:
    """Of each row whether its target is the arg max (bool), and the target's log-probability (float64).

    The arg max is the first of the largest logits, as greedy decoding takes it. On a CPU, logits in float32
    exist for a few rows at a time.
    """
    matches, log_probabilities = [], []
    float_rows = FLOAT_ROWS if rows.device.type == "cpu" else LOGIT_ROWS
    for some, some_targets in zip(rows.split(LOGIT_ROWS), targets.split(LOGIT_ROWS), strict=True):
        some_logits = apply(head.logits, some)
        for logits, target in zip(
            some_logits.split(float_rows), some_targets[:, None].split(float_rows), strict=True
        ):
            logits = logits.float()
            largest = logits.amax(1, keepdim=True)
            chosen = logits.gather(1, target)
            matches.append(is_first(logits, target.squeeze(1), (chosen == largest).squeeze(1)))
            normaliser = logits.sub_(largest).exp_().sum(1, keepdim=True).log()
            log_probabilities.append((chosen - largest - normaliser).squeeze(1))
    return torch.cat(matches), torch.cat(log_probabilities).double()


def is_first(logits: torch.Tensor, targets: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
    """Of each row whether its target is the first of the largest logits; `largest` where it is among them.

    On a CPU it is looked for in these rows only. On a GPU, to ask which they are would make the host wait.
    """
    if logits.device.type != "cpu":
        return largest & (logits.argmax(1) == targets)
    if largest.any():
        largest[largest.clone()] = logits[largest].argmax(1) == targets[largest]
    return largest


def ignore(tokens: int) -> None:
    """Tell nobody how many tokens were scored."""


def score_memorization(
    model: PrunedModel,
    samples: np.ndarray,
    context_lengths: Sequence[int],
    suffix: int,
    batch_tokens: int,
    advance: Callable[[int], object] = ignore,
) -> dict[str, np.ndarray]:
    """Score how much of the `suffix` tokens after each context length the model reproduces, in one pass.

    `samples` is samples × tokens (integers), the longest context and its suffix. Returns one value for each
    sample and context length, a sample's together:
    `extracted` (bool: greedy decoding reproduces the whole suffix; Carlini et al. 2023), `matched` (int32:
    tokens of the suffix reproduced from its start), `token_accuracy` (float64: share of the suffix that is
    the arg max given the true tokens before it) and `suffix_log_probability` (float64, nats).
    `advance` is called with the number of tokens of each batch. Raises UserError when a log-probability is
    not finite.
    """
    positions = np.add.outer(context_lengths, np.arange(suffix))
    assert positions.max() < samples.shape[1], (context_lengths, suffix, samples.shape)
    scored, columns = np.unique(positions, return_inverse=True)
    parts = []
    for block in cut_blocks(cut_batches(np.arange(len(samples)), samples, batch_tokens), model.block_tokens):
        parts += forced_pass(model, block, scored)
        advance(sum(batch.tokens.size for batch in block))
    matches, log_probabilities = (
        np.concatenate([getattr(part, name) for part in parts])[:, columns].reshape(-1, suffix)
        for name in ("matches", "log_probabilities")
    )
    return {
        "extracted": matches.all(axis=1),
        "matched": np.cumprod(matches, axis=1).sum(axis=1).astype(np.int32),
        "token_accuracy": matches.mean(axis=1),
        "suffix_log_probability": log_probabilities.sum(axis=1),
    }


def score_perplexity(
    model: PrunedModel,
    windows: list[np.ndarray],
    scored: np.ndarray,
    batch_tokens: int,
    advance: Callable[[int], object] = ignore,
) -> np.ndarray:
    """The summed negative log-likelihood in nats, float64, of the last `scored[i]` tokens of each window.

    The tokens before them are context, one at least. Windows of one length share batches. `advance` is called
    with the number of tokens of each batch. Raises UserError when a log-probability is not finite.
    """
    lengths = np.array([len(window) for window in windows])
    assert (scored < lengths).all()
    batches = []
    for length in np.unique(lengths)[::-1]:
        same = np.flatnonzero(lengths == length)
        batches += cut_batches(same, np.stack([windows[i] for i in same]), batch_tokens)
    nll = np.empty(len(windows), dtype=np.float64)
    for block in cut_blocks(batches, model.block_tokens):
        for batch, part in zip(block, forced_pass(model, block, None), strict=True):
            count = part.log_probabilities.shape[1]
            is_scored = np.arange(count) >= count - scored[batch.rows, None]
            nll[batch.rows] = -part.log_probabilities.sum(axis=1, where=is_scored)
            advance(batch.tokens.size)
    return nll


def check_finite(part: Forced, rows: np.ndarray, model: PrunedModel) -> None:
    """Raise UserError that names the first of `rows` with a log-probability that is not finite, and why."""
    wrong = ~np.isfinite(part.log_probabilities).all(axis=1)
    if wrong.any():
        raise UserError(
            f"log-probabilities: found a non-finite one at row {rows[wrong.argmax()]} of those scored, "
            f"expected finite numbers; {reason_not_finite(model)}"
        )


def reason_not_finite(model: PrunedModel) -> str:
    """What is behind a log-probability that is not finite: weights in the files, or the dtype's range."""
    if names := model.not_finite():
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return f"weights that are infinite or not a number in {', '.join(names[:5])}{more}"
    if model.dtype != torch.float32:
        return "try evaluation.dtype: float32"
    return "the weights are finite, but what is computed from them exceeds float32"
