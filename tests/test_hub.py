"""Models and data sets of the Hub, by the real clients, from a local server that fails now and then."""

import json
import os
import random
import shutil
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
import zstandard
from hub_server import Hub, every, serve
from huggingface_hub import HfApi, HfFileSystem, snapshot_download
from project import job_counts, snakemake
from tiny_models import tiny_model

from memprune.corpus.sources.hub import read
from memprune.errors import UserError
from memprune.models.fetch_model import fetch_model

SPLITS = {split: split for split in ("train", "validation", "test")}
CORPUS = {"dataset": "someone/texts", "revision": "main", "text": "text", "shuffle_buffer": 50} | SPLITS
MEGABYTE = 10**6


def lay_out_texts(hub: Hub, files: int, rows: int, length: int, ending: str = ".jsonl") -> None:
    """A data set of so many files of so many rows; texts of so many random letters compress badly."""
    folder = hub.root / "datasets/someone/texts"
    folder.mkdir(parents=True)
    generator = random.Random(0)
    for file in range(files):
        texts = [f"{file} {row} {generator.randbytes(length // 2).hex()}" for row in range(rows)]
        content = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
        content = zstandard.compress(content) if ending.endswith(".zst") else content
        (folder / f"train-{file:02}{ending}").write_bytes(content)
    (folder / "test.jsonl").write_text(json.dumps({"text": "unseen"}) + "\n")


def lay_out_model(hub: Hub, name: str = "tiny") -> Path:
    """A model `someone/tiny` with its tokenizer."""
    return tiny_model("gpt_neox", "float16", hub.root / f"models/someone/{name}", layers=2)


@pytest.fixture
def client(hub, monkeypatch, tmp_path) -> Hub:
    """The server, with this process's clients pointed to it."""
    hub.point(monkeypatch, tmp_path / "home")
    return hub


def test_the_server_gives_ranges_pages_and_commits(client):
    hub = client
    folder = hub.root / "models/someone/tiny@step1"
    (folder / "many").mkdir(parents=True)
    for number in range(1100):
        (folder / f"many/{number}.txt").write_text(str(number))
    content = bytes(range(256)) * 100
    (folder / "model.safetensors").write_bytes(content)
    files = HfFileSystem(endpoint=hub.url)
    with files.open("someone/tiny@step1/model.safetensors", block_size=100) as file:
        file.seek(5000)
        assert file.read(10) == content[5000:5010]
    assert hub.sent <= 10 + 100
    api = HfApi(endpoint=hub.url)
    assert len(list(api.list_repo_tree("someone/tiny", revision="step1", recursive=True))) == 1102
    commit = api.model_info("someone/tiny", revision="step1").sha
    assert [(b.name, b.target_commit) for b in api.list_repo_refs("someone/tiny").branches] == [
        ("step1", commit)
    ]
    assert [p.size for p in api.get_paths_info("someone/tiny", ["model.safetensors"], revision=commit)] == [
        25600
    ]
    hub.breaks = every(2)
    fetched = Path(snapshot_download("someone/tiny", revision="step1", allow_patterns=["*.safetensors"]))
    assert fetched.name == commit
    assert (fetched / "model.safetensors").read_bytes() == content


FAULTS = [
    {"fails": every(7)},
    {"breaks": every(2)},
    {"fails": every(8), "breaks": every(3)},
    {"fails": lambda number: 25 <= number < 45},  # longer than the clients themselves wait
    {"breaks": lambda number: 4 <= number < 24},
]


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.zst"])
def test_a_faulty_hub_gives_the_same_documents(client, ending):
    lay_out_texts(client, 2, 1500, 8000, ending)
    whole = list(read(CORPUS, [], "train", 0))
    assert sorted(document.document for document in whole) == sorted(
        f"train:{file}:{row}" for file in range(2) for row in range(1500)
    )
    assert all(d.text.startswith(" ".join(d.document.split(":")[1:])) for d in whole)
    sound = vars(client).copy()
    for faults in FAULTS:
        client.requests.clear()
        HfFileSystem.clear_instance_cache()
        vars(client).update(sound | faults | {"bodies": 0})
        assert list(read(CORPUS, [], "train", 0)) == whole


def test_parts_share_the_files_out_and_read_no_more_than_they_need(client):
    lay_out_texts(client, 4, 3000, 8000)
    size = sum(path.stat().st_size for path in (client.root / "datasets").rglob("*.jsonl"))
    assert size > 90 * MEGABYTE
    drawn = []
    for part in range(4):
        client.sent = 0
        drawn.append([d.document for d in islice(read(CORPUS, [], "train", 0, part, 4), 100)])
        # One block of the part's first file, 5 MB and what is read of it at once.
        assert client.sent < 8 * MEGABYTE
    assert {len({name.split(":")[1] for name in names}) for names in drawn} == {1}
    assert len(set().union(*drawn)) == 400
    other = [d.document for d in islice(read(CORPUS, [], "train", 1, 0, 4), 100)]
    assert other != drawn[0]


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_other_forms_of_a_faulty_hub_give_the_same_documents(client, ending):
    folder = client.root / "datasets/someone/texts"
    folder.mkdir(parents=True)
    generator = random.Random(0)
    for split, rows in {"train": 1500, "test": 1}.items():
        texts = [f"0 {row} {generator.randbytes(4000).hex()}" for row in range(rows)]
        if ending == ".csv":
            (folder / f"{split}.csv").write_text("\n".join(["text", *texts, ""]))
        else:
            table = pa.table({"text": texts, "other": [b"\xff"] * rows})
            pq.write_table(table, folder / f"{split}.parquet", row_group_size=100, compression="none")
    whole = list(read(CORPUS, [], "train", 0))
    assert sorted(document.document for document in whole) == sorted(f"train:0:{row}" for row in range(1500))
    assert all(d.text.startswith(" ".join(d.document.split(":")[1:])) for d in whole)
    client.requests.clear()
    HfFileSystem.clear_instance_cache()
    client.fails, client.breaks = every(8), every(3)
    assert list(read(CORPUS, [], "train", 0)) == whole


def refuse(hub: Hub) -> None:
    hub.gated |= {"someone/texts", "someone/tiny"}


def nothing(hub: Hub) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "changed", "message"),
    [
        (refuse, {}, "data set someone/texts, revision main: gated; ask for access at http"),
        (nothing, {"dataset": "someone/none"}, "revision main: no such dataset on the Hub, or a private one"),
        (nothing, {"revision": "mian"}, "revision mian: no such revision; nearest known: main, or a"),
        (nothing, {"train": "trial"}, "revision main: no split trial; found train, test"),
        (nothing, {"text": "body"}, "has no text in column body; found text"),
        (nothing, {"parts": 3}, "corpus.parts: found 3, but split train of data set someone/texts, revision"),
    ],
)
def test_a_data_set_that_cannot_be_had_is_one_line(client, spoil, changed, message):
    lay_out_texts(client, 2, 10, 10)
    spoil(client)
    with pytest.raises(UserError) as caught:
        list(read(CORPUS | changed, [], "train", 0, 0, changed.get("parts", 1)))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_is_fetched_once_and_found_without_the_hub(client, monkeypatch):
    folder = lay_out_model(client, "tiny@step1")
    (folder / "pytorch_model.bin").write_bytes(bytes(1000))
    client.fails, client.breaks = every(5), every(3)
    fetched = fetch_model("someone/tiny", "step1")
    names = {path.name for path in Path(fetched["folder"]).iterdir()}
    assert names == {path.name for path in folder.iterdir()} - {"pytorch_model.bin"}
    for name in names:
        assert (Path(fetched["folder"]) / name).read_bytes() == (folder / name).read_bytes()
    bodies = client.bodies
    assert fetch_model("someone/tiny", "step1") == fetched
    assert client.bodies == bodies
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    assert fetch_model("someone/tiny", "step1") == fetched


def test_without_the_hub_the_missing_files_are_named(client, monkeypatch):
    lay_out_model(client)
    folder = Path(fetch_model("someone/tiny", "main")["folder"])
    (folder / "tokenizer.json").unlink()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    expected = "someone/tiny, revision main: tokenizer.json not in the Hub's cache"
    with pytest.raises(UserError, match=expected) as caught:
        fetch_model("someone/tiny", "main")
    assert "on a machine with network: hf download someone/tiny --revision main" in str(caught.value)
    with pytest.raises(UserError, match=r"step7: config.json, model.safetensors, tokenizer.json not in the"):
        fetch_model("someone/tiny", "step7")


def remove_safetensors(hub: Hub) -> None:
    folder = hub.root / "models/someone/tiny"
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def enlarge(hub: Hub) -> None:
    os.truncate(hub.root / "models/someone/tiny/model.safetensors", 8 * 10**12)


@pytest.mark.parametrize(
    ("spoil", "repo", "revision", "message"),
    [
        (refuse, "someone/tiny", "main", "someone/tiny, revision main: gated; ask for access at http"),
        (
            nothing,
            "someone/none",
            "main",
            "revision main: no such model on the Hub, or a private",
        ),
        (
            nothing,
            "someone/tiny",
            "step9",
            "step9: no such revision; nearest known: main, or a commit",
        ),
        (nothing, "someone/tiny", "0" * 40, "no such revision; nearest known: main, or a commit"),
        (
            nothing,
            "no such name",
            "main",
            "no such name, revision main: the Hub does not tell of it",
        ),
        (
            remove_safetensors,
            "someone/tiny",
            "main",
            "main: no safetensors file; found config.json,",
        ),
        (enlarge, "someone/tiny", "main", "5 files of 8000.0 GB are to be fetched, found"),
    ],
)
def test_a_model_that_cannot_be_had_is_one_line_before_it_is_fetched(client, spoil, repo, revision, message):
    lay_out_model(client)
    spoil(client)
    with pytest.raises(UserError) as caught:
        fetch_model(repo, revision)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert client.sent == 0


@pytest.mark.slow
def test_only_fetching_and_drawing_use_the_network(tmp_path):
    """Another server counts who asks it when the first is gone; it gives what was cleaned away."""
    root = tmp_path / "served"
    content = {
        "experiment": "tiny",
        "corpus": CORPUS | {"source": "hub", "parts": 2, "validation": "test"},
        "samples": {"members": 5, "non_members": 3, "context_lengths": [20], "suffix": 10,
                    "perplexity_windows": 4, "perplexity_window": 32},
        "models": {"tiny": {"repo": "someone/tiny"}},
        "strategies": {"global": {"levels": [0.3]}},
    }  # fmt: skip
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(content))
    scores = "results/tiny/scores/tiny/global@0.3.memorization.parquet"
    with serve(root) as first:
        lay_out_model(first)
        lay_out_texts(first, 2, 20, 300)
        (root / "datasets/someone/texts/test.jsonl").write_text(
            "".join(
                json.dumps({"text": f"{row} In the beginning was the word " * 9}) + "\n" for row in range(9)
            )
        )
        variables = first.environment(tmp_path / "home")
        run = snakemake(
            tmp_path, "--configfile", "tiny.yaml", "--until", "draw_samples", "--", scores, **variables
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert job_counts(run.stdout + run.stderr) == {
            "fetch_model": 1,
            "resolve_model": 1,
            "draw_samples": 4,
        }
    with serve(root) as other:
        variables = other.environment(tmp_path / "home")
        run = snakemake(tmp_path, "--configfile", "tiny.yaml", "--", scores, **variables)
        assert run.returncode == 0, run.stdout + run.stderr
        assert other.requests == []
        cached = next((tmp_path / "home").rglob("models--someone--tiny"))
        shutil.rmtree(cached)
        run = snakemake(
            tmp_path, "--configfile", "tiny.yaml", "--until", "resolve_model", "--", scores, **variables
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert job_counts(run.stdout + run.stderr) == {"fetch_model": 1, "resolve_model": 1}
        assert cached.exists()
    samples = pq.read_table(tmp_path / "results/tiny/samples/samples.parquet")
    files = [name.split(":")[1] for name in samples["document"].to_pylist()[:5]]
    assert files in (["0", "1", "0", "1", "0"], ["1", "0", "1", "0", "1"])
