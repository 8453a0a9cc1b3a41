"""Score a model for memorization and perplexity: one teacher-forced pass per batch, all metrics from it.

Greedy decoding reproduces a suffix exactly when the arg max at each of its positions, given the true tokens
before it, is the true token. So one forward pass over context and suffix decides what decoding token by
token would. Batches hold one length: no padding, no attention mask.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from memprune.errors import UserError

LOGITS_AT_ONCE = 2**24  # logits in float32 that exist at one time: 64 MiB, whatever batch and vocabulary


@dataclass(frozen=True)
class Forced:
    """What a forced pass says of the scored tokens: `matches` bool, `log_probabilities` float64 (nats).

    Both have the shape rows × scored tokens.
    """

    matches: np.ndarray
    log_probabilities: np.ndarray


def batches(count: int, length: int, batch_tokens: int) -> Iterator[slice]:
    """Slices of `count` rows of `length` tokens, about `batch_tokens` tokens each and one row at least."""
    size = max(1, batch_tokens // length)
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


@torch.inference_mode()
def forced_pass(model: PreTrainedModel, tokens: np.ndarray, scored: int) -> Forced:
    """Score the last `scored` tokens of each row of `tokens` (rows × tokens, integers) in one pass.

    The head is applied to the scored positions only, on contiguous rows (a strided slice made it 45 times
    slower in bfloat16 on CPU), and log-probabilities are taken in float32 in pieces.
    """
    rows, length = tokens.shape
    assert 0 < scored < length, (scored, length)
    ids = torch.from_numpy(tokens.astype(np.int64)).to(model.device)
    hidden = model.base_model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    hidden = hidden[:, -scored:].reshape(rows * scored, -1).contiguous()
    targets = ids[:, -scored:].reshape(-1)
    head = model.get_output_embeddings()
    matches, log_probabilities = [], []
    for piece, target in zip(
        hidden.split(piece_rows := max(1, LOGITS_AT_ONCE // head.weight.shape[0])),
        targets.split(piece_rows),
        strict=True,
    ):
        logits = head(piece).float()
        matches.append(logits.argmax(-1) == target)
        chosen = logits.gather(1, target[:, None])[:, 0]
        log_probabilities.append(chosen - logits.logsumexp(-1))
    return Forced(
        torch.cat(matches).reshape(rows, scored).cpu().numpy(),
        torch.cat(log_probabilities).reshape(rows, scored).double().cpu().numpy(),
    )


def ignore(tokens: int) -> None:
    """Tell nobody how many tokens were scored."""


def score_memorization(
    model: PreTrainedModel,
    samples: np.ndarray,
    context_length: int,
    suffix: int,
    batch_tokens: int,
    advance: Callable[[int], object] = ignore,
) -> dict[str, np.ndarray]:
    """Score how much of each sample's suffix the model reproduces from `context_length` tokens before it.

    `samples` is samples × window (integers); the suffix is the end of the window whatever the context
    length, so that all context lengths ask for the same tokens. Returns one value per sample:
    `extracted` (bool: greedy decoding reproduces the whole suffix; Carlini et al. 2023), `matched` (int32:
    tokens of the suffix reproduced from its start), `token_accuracy` (float64: share of the suffix that is
    the arg max given the true tokens before it) and `suffix_log_probability` (float64, nats).
    `advance` is called with the number of tokens of each batch. Raises UserError when a log-probability is
    not finite.
    """
    count, window = samples.shape
    assert context_length + suffix <= window, (context_length, suffix, window)
    length = context_length + suffix
    parts = []
    for rows in batches(count, length, batch_tokens):
        part = forced_pass(model, samples[rows, -length:], suffix)
        check_finite(part, np.arange(rows.start, rows.stop))
        parts.append(part)
        advance((rows.stop - rows.start) * length)
    matches = np.concatenate([part.matches for part in parts])
    return {
        "extracted": matches.all(axis=1),
        "matched": np.cumprod(matches, axis=1).sum(axis=1).astype(np.int32),
        "token_accuracy": matches.mean(axis=1),
        "suffix_log_probability": np.concatenate([part.log_probabilities.sum(axis=1) for part in parts]),
    }


def score_perplexity(
    model: PreTrainedModel,
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
    nll = np.empty(len(windows), dtype=np.float64)
    for length in np.unique(lengths)[::-1]:
        same = np.flatnonzero(lengths == length)
        for rows in batches(len(same), length, batch_tokens):
            chosen = same[rows]
            part = forced_pass(model, np.stack([windows[i] for i in chosen]), length - 1)
            check_finite(part, chosen)
            is_scored = np.arange(length - 1) >= length - 1 - scored[chosen, None]
            nll[chosen] = -part.log_probabilities.sum(axis=1, where=is_scored)
            advance(len(chosen) * int(length))
    return nll


def check_finite(part: Forced, rows: np.ndarray) -> None:
    """Raise UserError that names the first of `rows` with a log-probability that is not finite."""
    wrong = ~np.isfinite(part.log_probabilities).all(axis=1)
    if wrong.any():
        raise UserError(
            f"log-probabilities: found a non-finite one at row {rows[wrong.argmax()]} of those scored, "
            "expected finite numbers; try evaluation.dtype: float32"
        )
