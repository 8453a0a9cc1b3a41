"""Attention that no fused kernel computes, a few queries at a time, so that its memory is bounded.

Operation by operation as transformers' eager attention, which rounds to the computation's dtype after each.
"""

import torch

from memprune.scoring.batches import PRODUCTS


def attend_plainly(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scale: float,
    cap: float | None,
    window: int | None,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Causal attention of the last tokens: texts × heads × queries × head size to the same.

    `key` and `value` are those of all tokens, texts × key heads × tokens × head size. Products times `scale`
    come no further than `cap` from 0, by tanh. With a `window` a token sees so many, itself included. `bias`
    (heads × tokens) is added to products with each token's key; heads then have keys of their own.
    """
    texts, heads, queries = query.shape[:3]
    key_heads, tokens = key.shape[1:3]
    few = max(1, PRODUCTS[query.device.type] // (texts * heads * tokens))
    grouped = query.unflatten(1, (key_heads, -1))
    attended = torch.empty_like(grouped)
    for start in range(0, queries, few):
        some = grouped[:, :, :, start : start + few]
        at = torch.arange(start, start + some.shape[3], device=query.device) + tokens - queries
        first = 0 if window is None else max(0, tokens - queries + start + 1 - window)
        seen = slice(first, tokens - queries + start + some.shape[3])
        # Heads that share a key are so many queries more of it.
        rows, columns = some.flatten(2, 3), key[:, :, seen].transpose(2, 3)
        if bias is None:
            scores = (rows @ columns).mul_(scale)
        else:
            added = bias[:, None, seen].repeat(texts, 1, 1)
            scores = added.baddbmm(rows.flatten(0, 1), columns.flatten(0, 1), alpha=scale)
            scores = scores.unflatten(0, (texts, heads))
        if cap is not None:
            scores.div_(cap).tanh_().mul_(cap)
        scores = scores.unflatten(2, some.shape[2:4])
        scores.masked_fill_(unseen_of(at, seen, window), float("-inf"))
        weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
        own = weights.flatten(2, 3) @ value[:, :, seen]
        attended[:, :, :, start : start + few] = own.unflatten(2, some.shape[2:4])
    return attended.flatten(1, 2)


def unseen_of(at: torch.Tensor, seen: slice, window: int | None) -> torch.Tensor:
    """Which of the tokens in `seen` those at some positions do not see: positions × tokens, bool."""
    distance = at[:, None] - torch.arange(seen.start, seen.stop, device=at.device)
    return distance < 0 if window is None else (distance < 0) | (distance >= window)
