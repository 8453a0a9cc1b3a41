"""One draw by its script: what it depends on, and what changes while it runs."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny_models import tiny_model
from tokenizer_folders import TEXT, folder_of

from memprune.corpus.draw_samples import draw
from memprune.models.manifest import write_manifest
from memprune.models.resolve_model import resolve_model

SCRIPT = Path(__file__).parents[1] / "workflow_scripts/draw_samples.py"


def run_draw(folder: Path, corpus: dict, files: list[Path], output: Path) -> None:
    """Run draw_samples.py in this process, with a store beside its output."""
    spec = {
        "kind": "member", "split": "train", "corpus": corpus, "seed": 0, "part": 0, "parts": 1, "window": 9,
        "offset": None, "count": 5, "balance_duplicates": False,
    }  # fmt: skip
    manifest = folder.parent / "manifest.json"
    if not manifest.exists():
        write_manifest(resolve_model("tiny", folder), manifest)
    arguments = ["--spec", json.dumps(spec), "--files", *files, "--manifest", manifest, "--output", output]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMPRUNE_STORE", str(output.parent / "store"))
        patch.setattr(sys, "argv", list(map(str, [SCRIPT, *arguments])))
        runpy.run_path(str(SCRIPT), run_name="__main__")


def write_texts(path: Path, first: int) -> None:
    path.write_text("".join(json.dumps({"text": f"{TEXT} {first + i}"}) + "\n" for i in range(9)))


def changed_tokenizer(patch, folder: Path, corpus: Path) -> None:
    shutil.copy(folder_of("bytes", "two tokens") / "tokenizer.json", folder)


def changed_corpus(patch, folder: Path, corpus: Path) -> None:
    def draw_and_overwrite(*arguments):
        write_texts(corpus, 100)
        return draw(*arguments)

    patch.setattr("memprune.corpus.draw_samples.draw", draw_and_overwrite)


def removed_corpus(patch, folder: Path, corpus: Path) -> None:
    corpus.unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (changed_tokenizer, "model: the tokenizer's files changed since the model was described; run again"),
        (changed_corpus, "a.jsonl: changed while it was read; run again"),
        (removed_corpus, "a.jsonl: cannot be read (No such file or directory)"),
    ],
)
def test_what_changes_after_it_was_looked_at_is_not_stored(spoil, message, tmp_path, capsys, monkeypatch):
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model", layers=2)
    file, output = tmp_path / "a.jsonl", tmp_path / "draw.parquet"
    write_texts(file, 0)
    corpus = {"source": "files", "train": [str(file)]}
    run_draw(folder, corpus, [file], tmp_path / "before.parquet")
    write_texts(file, 10)  # a draw that the store does not have
    spoil(monkeypatch, folder, file)
    with pytest.raises(SystemExit):
        run_draw(folder, corpus, [file], output)
    assert message in capsys.readouterr().err
    assert not output.exists()
    assert len(list((tmp_path / "store/draw").iterdir())) == 1


def test_a_file_that_comes_to_another_split_is_drawn_from(tmp_path):
    folder = tiny_model("gpt_neox", "float32", tmp_path / "model", layers=2)
    data = tmp_path / "data"
    data.mkdir()
    write_texts(data / "a-train.jsonl", 0)
    write_texts(data / "b-test.jsonl", 10)
    splits = {split: split for split in ("train", "test", "validation")}
    corpus = {"source": "hub", "dataset": str(data), "revision": "main", "text": "text", **splits}
    drawn = []
    for name in ("b-test.jsonl", "b-train.jsonl"):
        (data / "b-test.jsonl").rename(data / name)
        output = tmp_path / f"{name}.parquet"
        run_draw(folder, corpus | {"shuffle_buffer": 99}, sorted(data.iterdir()), output)
        drawn.append({place.split(":")[1] for place in pq.read_table(output)["document"].to_pylist()})
    assert drawn == [{"0"}, {"0", "1"}]
