"""Documents, rows in the Pile's form, and the settings of a corpus of the Hub."""

import json

import numpy as np

from memprune.corpus.documents import Document


def documents(count: int, duplicates=lambda i: 2 ** (i % 3)) -> list[Document]:
    """Documents of unequal length, some too short for a window."""
    generator = np.random.default_rng(0)
    words = ["In", "the", "beginning", "was", "word", "with", "them", "2026", "δ"]
    lengths = generator.integers(3, 60, count)
    return [
        Document(f"d{i}", "ABC"[i % 3], " ".join(generator.choice(words, n)), duplicates(i))
        for i, n in enumerate(lengths)
    ]


ROWS = [
    {"text": "Fünf Wörter stehen hier.", "meta": {"pile_set_name": "Books3"}},
    {"text": "x = 1\n", "meta": {"pile_set_name": "Github", "document": "a.py", "duplicates": 8}},
]


def json_lines(rows: list[dict]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def corpus_of(data_set: str) -> dict:
    """The settings of a corpus of the Hub, whose splits have their usual names."""
    splits = {split: split for split in ("train", "validation", "test")}
    return {"dataset": data_set, "revision": "main", "text": "content", "shuffle_buffer": 1000} | splits
