"""Attention of a few queries at a time, so that its memory is bounded where no fused kernel computes all."""

from collections.abc import Iterator

import torch
from torch.nn import functional

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

    Operation by operation as transformers' eager attention, which rounds to the dtype after each.
    `key` and `value` are those of all tokens, texts × key heads × tokens × head size. Products times `scale`
    come no further than `cap` from 0, by tanh. With a `window` a token sees so many, itself included. `bias`
    (heads × tokens) is added to products with each token's key; heads then have keys of their own.
    """
    texts, heads = query.shape[:2]
    key_heads = key.shape[1]
    grouped = query.unflatten(1, (key_heads, -1))
    attended = torch.empty_like(grouped)
    for few, seen, unseen in parts_of(query, key, window):
        some = grouped[:, :, :, few]
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
        scores.masked_fill_(unseen, float("-inf"))
        weights = scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype)
        own = weights.flatten(2, 3) @ value[:, :, seen]
        attended[:, :, :, few] = own.unflatten(2, some.shape[2:4])
    return attended.flatten(1, 2)


def attend_masked(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, bias: torch.Tensor
) -> torch.Tensor:
    """The same by fused kernels, the `bias` (heads × tokens) in their mask; heads may share keys."""
    share = query.shape[1] // key.shape[1]
    if share > 1:
        key, value = (part.repeat_interleave(share, dim=1) for part in (key, value))
    attended = torch.empty_like(query)
    for few, seen, unseen in parts_of(query, key, None):
        mask = bias[:, None, seen].masked_fill(unseen, float("-inf"))
        attended[:, :, few] = functional.scaled_dot_product_attention(
            query[:, :, few], key[:, :, seen], value[:, :, seen], mask[None], scale=scale
        )
    return attended


def parts_of(
    query: torch.Tensor, key: torch.Tensor, window: int | None
) -> Iterator[tuple[slice, slice, torch.Tensor]]:
    """A few queries at a time, the tokens that any of them sees, and which of these each does not see."""
    texts, heads, queries = query.shape[:3]
    tokens = key.shape[2]
    before = tokens - queries
    size = max(1, PRODUCTS[query.device.type] // (texts * heads * tokens))
    for start in range(0, queries, size):
        end = min(start + size, queries)
        first = 0 if window is None else max(0, before + start + 1 - window)
        seen = slice(first, before + end)
        at = torch.arange(before + start, before + end, device=query.device)
        yield slice(start, end), seen, unseen_of(at, seen, window)


def unseen_of(at: torch.Tensor, seen: slice, window: int | None) -> torch.Tensor:
    """Which of the tokens in `seen` those at some positions do not see: positions × tokens, bool."""
    distance = at[:, None] - torch.arange(seen.start, seen.stop, device=at.device)
    return distance < 0 if window is None else (distance < 0) | (distance >= window)
