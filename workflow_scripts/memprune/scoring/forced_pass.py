"""One teacher-forced pass over texts, and what it says of their tokens.

Greedy decoding reproduces a suffix exactly when the arg max at each of its positions, given the true tokens
before it, is the true token. So one forward pass over context and suffix decides what decoding token by
token would.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from memprune.errors import UserError
from memprune.scoring.batches import Batch, cut_batches, cut_blocks
from memprune.scoring.evidence import Evidence
from memprune.scoring.logits import Measure, all_evidence, only_log_probability


class Model(Protocol):
    """A model that can be scored: by the decoder of ours (`VariantModel`), or by transformers.

    `block_tokens` are scored together, one batch if 0. `not_finite` names tensors with infinite weights or
    such as are no numbers.
    """

    dtype: torch.dtype
    device: torch.device
    not_finite: Callable[[], list[str]]
    block_tokens: int

    def measured(
        self, block: Sequence[torch.Tensor], targets: Sequence[np.ndarray], measure: Measure
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        """What `measure` says of some tokens of each text of some batches, batch by batch: flat tensors.

        `block` has the batches' ids, each texts × tokens, `targets` the ascending positions of the tokens in
        each batch's texts, none of them the first.
        """


def ignore(tokens: int) -> None:
    """Tell nobody how many tokens were scored."""


def score_suffixes(
    model: Model,
    samples: np.ndarray,
    context_lengths: Sequence[int],
    suffix: int,
    batch_tokens: int,
    advance: Callable[[int], object] = ignore,
) -> Evidence:
    """The evidence on the `suffix` tokens after each context length, in one pass.

    `samples` is samples × tokens (integers), the longest context and its suffix. A row for each sample and
    context length, a sample's together. `advance` is called with the number of tokens of each batch. Raises
    UserError when a log-probability is not finite.
    """
    positions = np.add.outer(context_lengths, np.arange(suffix))
    assert positions.max() < samples.shape[1], (context_lengths, suffix, samples.shape)
    scored, columns = np.unique(positions, return_inverse=True)
    measured = []
    for block in cut_blocks(cut_batches(np.arange(len(samples)), samples, batch_tokens), model.block_tokens):
        measured += forced_pass(model, block, scored, all_evidence)
        advance(sum(batch.tokens.size for batch in block))
    log_probability, margin, rank = (
        np.concatenate(batches)[:, columns].reshape(-1, suffix) for batches in zip(*measured, strict=True)
    )
    return Evidence(log_probability, margin, rank.astype(np.uint16))


def score_windows(
    model: Model,
    windows: list[np.ndarray],
    scored: np.ndarray,
    batch_tokens: int,
    advance: Callable[[int], object] = ignore,
) -> list[np.ndarray]:
    """The log-probabilities (float32, nats) of the last `scored[i]` tokens of each window."""
    found = score_texts(model, windows, scored, only_log_probability, batch_tokens, advance)
    return [log_probability for (log_probability,) in found]


def score_texts(
    model: Model,
    texts: list[np.ndarray],
    scored: np.ndarray,
    measure: Measure,
    batch_tokens: int,
    advance: Callable[[int], object] = ignore,
) -> list[tuple[np.ndarray, ...]]:
    """What `measure` says of the last `scored[i]` tokens of each text: as many arrays a text as it gives.

    The tokens before them are context, one at least. Texts of one length share batches. `advance` is called
    with the number of tokens of each batch. Raises UserError when a log-probability is not finite.
    """
    lengths = np.array([len(text) for text in texts])
    assert (scored < lengths).all()
    batches = []
    for length in np.unique(lengths)[::-1]:
        same = np.flatnonzero(lengths == length)
        batches += cut_batches(same, np.stack([texts[i] for i in same]), batch_tokens)
    found: list[tuple[np.ndarray, ...]] = [()] * len(texts)
    for block in cut_blocks(batches, model.block_tokens):
        measured = forced_pass(model, block, None, measure)
        for batch, arrays in zip(block, measured, strict=True):
            for row, *values in zip(batch.rows, *arrays, strict=True):
                found[row] = tuple(own[len(own) - scored[row] :] for own in values)
            advance(batch.tokens.size)
    return found


@torch.inference_mode()
def forced_pass(
    model: Model, block: list[Batch], scored: np.ndarray | None, measure: Measure
) -> list[tuple[np.ndarray, ...]]:
    """What `measure` says of some tokens of each text of some batches, by their ascending positions.

    With None these are all tokens but the first, which has nothing before it. Arrays are texts × scored
    tokens; the first that `measure` gives are log-probabilities. Raises UserError when one is not finite.
    """
    ids = [torch.from_numpy(batch.tokens.astype(np.int64)).to(model.device) for batch in block]
    targets = [np.arange(1, tokens.shape[1]) if scored is None else scored for tokens in ids]
    results = []
    for batch, at, found in zip(block, targets, model.measured(ids, targets, measure), strict=True):
        results.append(tuple(values.view(-1, len(at)).cpu().numpy() for values in found))
        check_finite(results[-1][0], batch.rows, model)
    return results


def check_finite(log_probability: np.ndarray, rows: np.ndarray, model: Model) -> None:
    """Raise UserError that names the first of `rows` with a log-probability that is not finite, and why."""
    wrong = ~np.isfinite(log_probability).all(axis=1)
    if wrong.any():
        raise UserError(
            f"log-probabilities: found a non-finite one at row {rows[wrong.argmax()]} of those scored, "
            f"expected finite numbers; {reason_not_finite(model)}"
        )


def reason_not_finite(model: Model) -> str:
    """What is behind a log-probability that is not finite: weights in the files, or the dtype's range."""
    if names := model.not_finite():
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return f"weights that are infinite or not a number in {', '.join(names[:5])}{more}"
    if model.dtype != torch.float32:
        return "try evaluation.precision: float32"
    return "the weights are finite, but what is computed from them exceeds float32"
