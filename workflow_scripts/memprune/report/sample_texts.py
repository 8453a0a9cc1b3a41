"""The texts of samples: the context, and the suffix token by token, as a page's script cuts them."""

from collections.abc import Callable, Sequence

import numpy as np

Decode = Callable[[list[int]], str]
BEFORE = 4  # tokens before a suffix that it is decoded with: what a token writes may depend on those before
UNFINISHED = "\N{REPLACEMENT CHARACTER}"


def sample_text(tokens: Sequence[int], suffix: int, lengths: Sequence[int], decode: Decode) -> dict:
    """A window's texts: `context`, the longest; `tails`, how much of its end each length's context is, in
    UTF-16 units, as JavaScript counts; `pieces`, what each of the suffix's tokens adds.
    """
    ids = np.asarray(tokens).tolist()
    context, own = ids[:-suffix], ids[-suffix:]
    tails = [utf16_length(decode(context[-length:])) for length in lengths]
    return {"context": decode(context), "tails": tails, "pieces": pieces(context[-BEFORE:], own, decode)}


def pieces(before: list[int], own: list[int], decode: Decode) -> list[str]:
    """What each token of `own` adds to the text of those before it; joined, they are what all of them add.

    A character that several tokens write is the last one's.
    """
    written = finished(decode(before))
    found = []
    for count in range(1, len(own) + 1):
        text = decode(before + own[:count])
        text = text if count == len(own) else finished(text)
        found.append(text[len(written) :] if text.startswith(written) else "")
        written = text if text.startswith(written) else written
    return found


def finished(text: str) -> str:
    """A text without an unfinished character at its end."""
    return text.rstrip(UNFINISHED)


def utf16_length(text: str) -> int:
    """The length of a text as JavaScript counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
