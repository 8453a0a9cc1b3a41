#!/usr/bin/env python3
"""Write the items of verse_cloze, one JSON object a line, to standard output.

An item is the beginning of a sentence from a chapter of the Bible in mini-pile's test split, with up to 150
characters before it, and four continuations: the true one, and the same words with two neighbours swapped.
Nothing is left to chance: places and order are those of a hash, the same on every machine.
"""

import json
import re
from collections.abc import Iterator

from memprune.embedded.build_mini_pile import MiniPileDocument, build, rank

ITEMS = 120
CONTEXT = 150  # characters before the continuation, at most
SHORTEST, LONGEST = 30, 80  # characters of a continuation


def main() -> None:
    chapters = [d for d in build() if d.subset == "KJV Bible" and d.split == "test"]
    found = [item for chapter in chapters for item in items(chapter)]
    for item in sorted(found, key=lambda item: rank("item", name(item)))[:ITEMS]:
        print(json.dumps(item, ensure_ascii=False))


def items(chapter: MiniPileDocument) -> Iterator[dict]:
    """An item for each sentence that can be cut in two; from its start, so that no word is seen in halves."""
    for sentence in re.finditer(r"[^.?!]+[.?!]", chapter.text):
        pauses = [m.start() for m in re.finditer(r"(?<=[,;:]) ", sentence[0]) if m.start() > 1]
        if not pauses:
            continue
        middle = len(sentence[0]) / 2
        cut = sentence.start() + min(pauses, key=lambda pause: abs(pause - middle))
        before, continuation = (
            chapter.text[max(0, cut - CONTEXT) : cut],
            chapter.text[cut + 1 : sentence.end()],
        )
        if cut >= CONTEXT and SHORTEST <= len(continuation) <= LONGEST:
            yield item(chapter.document, before.split(" ", 1)[1], continuation)


def item(document: str, context: str, continuation: str) -> dict:
    """The true continuation among its three distractors."""
    words = continuation.split()
    places = [i for i in range(len(words) - 2) if words[i] != words[i + 1]]
    places.sort(key=lambda place: rank("swap", f"{context} {place}"))
    choices = [" ".join([*words[:i], words[i + 1], words[i], *words[i + 2 :]]) for i in places[:3]]
    label = rank("label", context) % 4
    choices.insert(label, " ".join(words))
    return {"document": document, "context": context, "choices": choices, "label": label}


def name(item: dict) -> str:
    """What tells an item from all others."""
    return f"{item['document']} {item['context']}"


if __name__ == "__main__":
    main()
