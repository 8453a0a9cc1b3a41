"""The local files that a draw depends on are those that it reads."""

import json
from pathlib import Path

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memprune.config.corpora import EmbeddedCorpus, FilesCorpus, HubCorpus, TokensCorpus
from memprune.corpus.local_files import local_files
from memprune.corpus.token_files import find_files

parts = st.sampled_from(["a", "data", "train", ".git", ".cache", "__pycache__"])
names = st.sampled_from(
    ["train.jsonl", "train-0.jsonl", "test.jsonl", ".train.jsonl", "README.md", "config.json"]
)
places = st.lists(
    st.tuples(st.lists(parts, max_size=2), names).map(lambda place: "/".join([*place[0], place[1]])),
    min_size=1,
    max_size=8,
    unique=True,
)


def lay_out(folder: Path, files: list[str]) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(json.dumps({"text": file}) if file.endswith(".jsonl") else "")


@given(places)
@settings(max_examples=30, deadline=None)
def test_what_datasets_reads_of_a_folder_and_nothing_hidden(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("data")
    lay_out(folder, files)
    found = local_files(HubCorpus(source="hub", dataset=str(folder)), "train")
    assert found == sorted(found)
    hidden = [f for f in files if any(part.startswith((".", "__")) for part in f.split("/"))]
    assert {Path(file).relative_to(folder).as_posix() for file in found} == set(files) - set(hidden)
    try:
        read = datasets.load_dataset_builder(str(folder)).config.data_files
    except (OSError, ValueError, datasets.exceptions.DatasetsError):
        return  # no file that it knows
    assert {file for split in read.values() for file in split} <= set(found)


@given(places, st.sampled_from(["*.jsonl", "**/*.jsonl", "data/*", "*/train*", ".git/*.jsonl"]))
@settings(max_examples=30, deadline=None)
def test_what_matches_the_pattern_of_a_corpus_of_tokens(tmp_path_factory, files, pattern):
    folder = tmp_path_factory.mktemp("tokens")
    lay_out(folder, [file.replace(".jsonl", ".bin") for file in files])
    pattern = pattern.replace(".jsonl", ".bin")
    corpus = TokensCorpus.model_construct(source="tokens", dataset=str(folder), files=pattern)
    found = local_files(corpus, "train")
    matched = {path for path in folder.glob(pattern) if path.is_file()}
    hidden = {p for p in matched if any(part.startswith(".") for part in p.relative_to(folder).parts)}
    wanted = {path.resolve() for path in (matched if pattern.startswith(".") else matched - hidden)}
    assert {Path(file).resolve() for file in found} == wanted
    if wanted and {path.suffix for path in wanted} == {".bin"}:
        assert sorted(find_files(str(folder), "main", pattern).paths) == sorted(found)


def test_links_are_read_as_the_files_that_they_are(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs/0").write_bytes(bytes(4098))
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot/document-0.bin").symlink_to(tmp_path / "blobs/0")
    folder = str(tmp_path / "snapshot")
    corpus = TokensCorpus(source="tokens", dataset=folder, files="document-*.bin")
    [file] = local_files(corpus, "train")
    assert find_files(folder, "main", "document-*.bin").paths == (file,)


def test_folders_that_link_to_each_other_are_read_once(tmp_path):
    lay_out(tmp_path, ["data/train.jsonl", ".huggingface.yaml"])
    (tmp_path / "data/again").symlink_to(tmp_path)
    found = local_files(HubCorpus(source="hub", dataset=str(tmp_path)), "train")
    assert found == [str(tmp_path / ".huggingface.yaml"), str(tmp_path / "data/train.jsonl")]


@pytest.mark.parametrize(
    ("corpus", "files"),
    [
        (EmbeddedCorpus(source="embedded"), ["results/mini-pile/test.jsonl.zst"]),
        (FilesCorpus(source="files", train=["t.jsonl"], test=["b.jsonl", "a.jsonl"]), ["a.jsonl", "b.jsonl"]),
        (HubCorpus(source="hub", dataset="someone/texts"), []),
        (TokensCorpus(source="tokens", dataset="someone/tokens", files="*.bin"), []),
    ],
)
def test_the_files_of_each_source(corpus, files):
    assert local_files(corpus, "test") == files
