"""Replace some tokens of the samples' prefixes: is a suffix reproduced after a prefix that is not exact?

Everything is decided by hashes of the seed, a sample's document and a token's place, so that more samples or
shares leave the others as they are; and what a smaller share replaces, a larger one replaces by the same.
"""

from bisect import bisect_left
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from transformers import PreTrainedTokenizerFast

from memprune.corpus.document_windows import token_column
from memprune.corpus.documents import rank
from memprune.corpus.drawn import filling
from memprune.errors import UserError

SCORED = ("member", "non_member")


def perturb_prefixes(
    samples: pa.Table, ordinary: list[int], shares: Sequence[float], suffix: int, seed: int
) -> pa.Table:
    """Members and non-members with tokens of the longest context replaced, share by share.

    Of k tokens of context round(share × k) are replaced, each by another of the `ordinary` ones (ids,
    ascending), all as likely. Columns: what identifies a sample, context_length (k), share (float64), tokens
    (fixed-size list of int32), scored (`suffix`, the tokens at the end, which stay). Raises UserError where
    there are no two ordinary tokens.
    """
    if len(ordinary) < 2:
        raise UserError(f"perturbed: found {len(ordinary)} ordinary tokens, expected 2 or more")
    drawn = filling(samples.filter(pc.is_in(samples["split"], pa.array(SCORED))))
    names, windows = drawn["document"].to_pylist(), drawn["tokens"].to_pylist()
    context_length = len(windows[0]) - suffix
    places = [replaced_first(name, context_length, seed) for name in names]
    others = [
        replacements(window[:context_length], ordinary, name, seed)
        for name, window in zip(names, windows, strict=True)
    ]
    described = drawn.drop_columns(["tokens", "offset", "step"])
    tables = []
    for share in shares:
        count = round(share * context_length)
        perturbed = [
            with_others(window, own_places[:count], own_others)
            for window, own_places, own_others in zip(windows, places, others, strict=True)
        ]
        about = {
            "context_length": pa.repeat(pa.scalar(context_length, pa.int32()), len(drawn)),
            "share": pa.repeat(pa.scalar(share, pa.float64()), len(drawn)),
            "tokens": token_column(perturbed),
            "scored": pa.repeat(pa.scalar(suffix, pa.int32()), len(drawn)),
        }
        columns = {name: described[name] for name in described.column_names}
        tables.append(pa.table(columns | about))
    return pa.concat_tables(tables)


def replaced_first(document: str, context_length: int, seed: int) -> list[int]:
    """The places of a context in the order in which they are replaced."""
    ranks = [rank(seed, "perturbed place", f"{document}:{place}") for place in range(context_length)]
    return sorted(range(context_length), key=ranks.__getitem__)


def replacements(context: Sequence[int], ordinary: list[int], document: str, seed: int) -> list[int]:
    """For each token of a context another one that would replace it."""
    found = []
    for place, token in enumerate(context):
        own = bisect_left(ordinary, token)
        is_ordinary = ordinary[own : own + 1] == [token]
        chosen = rank(seed, "perturbed token", f"{document}:{place}") % (len(ordinary) - is_ordinary)
        found.append(ordinary[chosen + (is_ordinary and chosen >= own)])
    return found


def with_others(window: Sequence[int], places: Sequence[int], others: Sequence[int]) -> list[int]:
    """A window with the tokens at some places replaced."""
    tokens = list(window)
    for place in places:
        tokens[place] = others[place]
    return tokens


def ordinary_tokens(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The ids of all tokens of the vocabulary but special ones, ascending."""
    special = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
    kept = set(tokenizer.get_vocab().values()) - special - set(tokenizer.all_special_ids)
    return sorted(kept)
