"""The samples' text, cut where contexts begin and where suffix tokens end."""

from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate, pairwise
from pathlib import Path

from memprune.disk import sha256_of
from memprune.models.decoding import text_decoder
from memprune.models.manifest import Manifest
from memprune.models.tokenizer_files import TOKENIZER_FILES

Decode = Callable[[list[int]], str]


def own_decoder(manifest: Manifest) -> Decode | None:
    """What makes text of a model's ids; None where its folder no longer holds the tokenizer it had.

    Raises UserError when the tokenizer cannot be loaded.
    """
    folder = Path(manifest.folder)
    had = {name for name in manifest.hashes if any(Path(name).match(form) for form in TOKENIZER_FILES)}
    kept = [(folder / name).is_file() and sha256_of(folder / name) == manifest.hashes[name] for name in had]
    return text_decoder(folder) if kept and all(kept) else None


def texts_of(
    windows: Sequence[Sequence[int]], lengths: Sequence[int], suffix: int, decode: Decode
) -> dict[str, list[list[str]]]:
    """The text of windows of tokens, which end with a suffix, in parts: `contexts` and `suffixes`.

    A context comes in one part a context length, of which the last so many make up the context of a shorter
    one: for lengths 50, 100 and 200 the tokens up to 100 before the suffix, those up to 50, and the last 50.
    A suffix comes in one part a token; a character that several tokens share stands with the last of them.
    All parts joined are the window's text. Where a window lacks tokens for a context length, its part is
    empty.
    """
    after = pieces(windows, decode)
    contexts, suffixes = [], []
    for ids in windows:
        starts = [max(0, len(ids) - suffix - length) for length in sorted(lengths, reverse=True)]
        ends = [*starts[1:], *range(len(ids) - suffix, len(ids) + 1)]
        parts = cut(list(ids), ends, decode, after)
        contexts.append(parts[: len(lengths)])
        suffixes.append(parts[len(lengths) :])
    return {"contexts": contexts, "suffixes": suffixes}


def cut(ids: list[int], ends: Sequence[int], decode: Decode, after: Callable[[int], str]) -> list[str]:
    """The text of `ids` in parts that end after so many tokens; the last end is that of all."""
    text = decode(ids)
    joined = [decode(ids[:1]), *map(after, ids[1:])]
    if "".join(joined) == text:
        places = [0, *accumulate(map(len, joined))]
        reached = [places[end] for end in ends]
    else:  # tokens that end within a character, or whose text depends on what stands before
        reached = [*accumulate((shared(decode(ids[:end]), text) for end in ends[:-1]), max), len(text)]
    return [text[start:end] for start, end in pairwise([0, *reached])]


def shared(first: str, second: str) -> int:
    """How many characters both texts begin with."""
    if second.startswith(first):
        return len(first)
    differing = (place for place, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return next(differing, min(len(first), len(second)))


def pieces(windows: Sequence[Sequence[int]], decode: Decode) -> Callable[[int], str]:
    """What a token adds to a text, looked up behind a plain word: alone, tokenizers drop a leading space."""
    ids = (token for window in windows for token in window)
    word = next((token for token in ids if decode([token]).isalpha()), None)
    before = [] if word is None else [word]
    length = len(decode(before))
    return cache(lambda token: decode([*before, token])[length:])
