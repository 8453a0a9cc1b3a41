"""Files that are not there and scopes that a model lacks are one line before any job; what is left over."""

import copy
import json
import re
from pathlib import Path

import pytest
from experiments import EMBEDDED
from tiny_models import tiny_model

from memprune.config.corpora import ENDINGS
from memprune.config.experiment import Config, check, load
from memprune.config.strategies.prune_strategy import PruneStrategy
from memprune.corpus.sources import files
from memprune.errors import UserError
from memprune.evaluation.receipts import device_of
from memprune.models.resolve_model import resolve_model
from memprune.planning.costs import estimate
from memprune.planning.inputs import check_files, check_scopes
from memprune.planning.leftovers import leftovers
from memprune.variants.scope import regions_in_scope


def experiment(**parts) -> Config:
    """The embedded experiment with some parts of its configuration replaced."""
    content = copy.deepcopy(EMBEDDED) | parts
    content["samples"]["balance_duplicates"] = False
    return check(content, "my.yaml")


@pytest.fixture
def data(tmp_path):
    """A folder with a file of each ending, one of another, and a folder."""
    for name in ("a.jsonl", "b.jsonl.zst", "c.parquet", "d.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent.jsonl", "absent.jsonl; no such file"),
        ("folder", "folder, which is a folder; give the files in it one by one"),
        ("d.txt", "d.txt, of unknown ending; allowed: .jsonl, .jsonl.zst, .parquet"),
    ],
)
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_local_files_must_be_there(data, split, name, message):
    corpus = {
        "source": "files",
        "train": [str(data / "a.jsonl")],
        "validation": [str(data / "b.jsonl.zst")],
        "test": [str(data / "c.parquet")],
    }
    check_files(experiment(corpus=corpus))
    broken = corpus | {split: [*corpus[split], str(data / name)]}
    with pytest.raises(UserError, match=rf"^corpus.{split}: found .*{re.escape(message)}"):
        check_files(experiment(corpus=broken))
    held_out = {"source": "files", "validation": broken["validation"], "test": broken["test"]}
    if split == "train":
        return
    check_files(experiment(corpus=corpus, held_out=held_out | {split: corpus[split]}))
    with pytest.raises(UserError, match=rf"^held_out.{split}: found .*{re.escape(message)}"):
        check_files(experiment(corpus=broken, held_out=held_out))
    check_files(experiment(corpus=broken, held_out={"source": "embedded"}))  # of which nothing is drawn


def test_local_data_sets_must_be_there(data):
    def tokens(dataset, pattern: str) -> Config:
        corpus = {"source": "tokens", "dataset": str(dataset), "files": pattern}
        return experiment(corpus=corpus, held_out={"source": "embedded"})

    check_files(tokens(data, "*.parquet"))
    check_files(tokens("some/repository", "*.parquet"))
    with pytest.raises(UserError, match=r"corpus.dataset: found .*, where nothing matches \*.bin"):
        check_files(tokens(data, "*.bin"))
    with pytest.raises(UserError, match=r"corpus.dataset: found .*absent; no such folder"):
        check_files(tokens(data / "absent", "*.parquet"))
    with pytest.raises(UserError, match=r"corpus.dataset: found .*c.parquet, which is a file"):
        check_files(experiment(corpus={"source": "hub", "dataset": str(data / "c.parquet")}))
    with pytest.raises(UserError, match=r"corpus.dataset: found .*folder, where nothing matches"):
        check_files(experiment(corpus={"source": "hub", "dataset": str(data / "folder")}))


def test_endings_are_those_that_are_read():
    assert set(ENDINGS) == set(files.FORMATS)


LACKING = {
    "layer": ({"layers": [0, 40]}, "no layer 40 in model m; looked for .* in layers [0, 40]; the model has"),
    "role": ({"matrices": ["gate", "up"]}, "no gate in model m; looked for up, gate in layers all; the"),
    "both": ({"matrices": ["up", "gate"], "layers": [1, 99]}, "no gate, layer 99 in model m; looked for"),
    "nothing": ({"layers": [40, 41]}, "no matrix in model m; looked for"),
}


@pytest.mark.parametrize("case", LACKING)
def test_what_a_strategy_names_and_a_model_lacks(case, tmp_path):
    """Alike for a folder, whose matrices are looked at, and for a model known by its size alone."""
    settings, message = LACKING[case]
    pattern = "^strategies.s: " + re.escape(message).replace(r"\.\*", ".*")
    strategies = {"s": settings | {"levels": [0.3]}}
    known = experiment(models={"m": {"repo": "EleutherAI/pythia-160m"}}, strategies=strategies)
    with pytest.raises(UserError, match=pattern) as caught:
        check_scopes(known)
    assert "the model has query_key_value, query, key, value, output, up, down in 12 l" in str(caught.value)
    with pytest.raises(UserError, match=pattern):
        estimate("m", known)
    manifest = resolve_model("m", tiny_model("gpt_neox", "float16", tmp_path))
    with pytest.raises(UserError, match=pattern):
        regions_in_scope(manifest, known.strategies["s"].selection, "s")


@pytest.mark.parametrize(
    "settings",
    [{"matrices": "attention"}, {"matrices": ["down", "query_key_value"]}, {"layers": [11, 0]}, {}],
)
def test_what_a_strategy_names_and_a_model_has(settings):
    strategies = {"s": settings | {"levels": [0.3]}}
    check_scopes(
        experiment(
            models={"m": {"repo": "EleutherAI/pythia-160m"}, "unknown": {"repo": "a/b"}},
            strategies=strategies,
        )
    )


def test_the_order_of_a_strategys_lists_changes_no_mask():
    one = PruneStrategy(matrices=["up", "down"], layers=[2, 0], levels=[0.3])
    other = PruneStrategy(matrices=["down", "up"], layers=[0, 2], levels=[0.3])
    assert one.selection == other.selection


def test_left_over_is_what_the_workflow_has_made_and_no_other_file(tmp_path):
    checked = load(Path(__file__).parents[1] / "config/embedded.yaml")
    kept = [
        "changes/tiny-pythia-3.5m/global@0.5.csv",
        "changes/tiny-pythia-3.5m/notes.txt",
        "changes/tiny-pythia-3.5m/mine.csv",
        "changes/tiny-pythia-3.5m/.global@0.9.csv.123.tmp",
        "scores/tiny-pythia-3.5m/dense.memorization.parquet",
        "scores/tiny-pythia-3.5m/generation.parquet",
        "scores/tiny-pythia-3.5m/global@0.5.parts/0.json",
        "measures/tiny-pythia-3.5m/global@0.5.perplexity.parquet",
    ]
    left = ["changes/old/global@0.3.csv", "scores/old/dense.memorization.parquet"]
    left += ["scores/tiny-pythia-3.5m/global@0.9.parts/0.json"]
    left += ["measures/tiny-pythia-3.5m/global@0.9.perplexity.parquet", "scores/old/generation.parquet"]
    for name in kept + left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    line = leftovers(tmp_path, checked)
    named = {str(path) for path in map(Path, line.partition(": ")[2].split(", "))}
    assert named == {str(tmp_path / name.removesuffix("/0.json")) for name in left}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"device": "cp'])
def test_a_damaged_receipt_is_one_line(content, tmp_path):
    (tmp_path / "0.json").write_text(json.dumps({"device": "cpu"}))
    (tmp_path / "1.json").write_text(content)
    assert device_of([tmp_path / "0.json"]) == "cpu"
    with pytest.raises(UserError, match=r"1.json: damaged; delete it and run again"):
        device_of([tmp_path / "0.json", tmp_path / "1.json"])
