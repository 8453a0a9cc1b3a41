"""Folders and files with odd names: the real rules run in and on them, or say in one line why they cannot.

Scripts are stand-ins, which take no time.
"""

import os
from pathlib import Path

import pytest
import yaml
from experiments import local_experiment
from project import STUB_EXPERIMENT, STUB_VARIABLES, lay_out_stubs, snakemake
from tiny_models import tiny_model

from memprune.errors import UserError
from memprune.planning.inputs import check_names

ODD = 'it\'s {a} "folder" $HOME $(touch hurt) `touch hurt` *[é]?;#&\\x'
ODD_PLACE = ODD.replace("{a} ", "")
TOKEN = "hf_" + "s3cret" * 5


def lay_out_odd(folder: Path) -> None:
    """Stand-ins, with a local model, texts and a store of odd names."""
    folder.mkdir(parents=True)
    lay_out_stubs(folder)
    (folder / "model").rename(folder / ODD_PLACE)
    (folder / "texts").mkdir()
    files = {split: f"texts/{split} {ODD_PLACE}.jsonl" for split in ("train", "validation", "test")}
    for file in files.values():
        (folder / file).write_text('{"text": "In the beginning"}\n')
    content = STUB_EXPERIMENT | {
        "corpus": {"source": "files"} | {split: [file] for split, file in files.items()},
        "models": {"small": {"path": ODD_PLACE}},
        "store": f"store {ODD_PLACE}",
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.mark.slow
def test_a_checkout_model_corpus_and_store_of_any_name_run_and_leave_no_token(tmp_path):
    folder = tmp_path / ODD / "project"
    lay_out_odd(folder)
    variables = STUB_VARIABLES | {"FOLDER": ODD_PLACE, "HF_TOKEN": TOKEN}
    given = ("--configfile", "tiny.yaml", "--", "findings", "render_report")
    done = snakemake(folder, *given, snakefile=folder / "Snakefile", **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "results/tiny/report.html").exists()
    assert not list(tmp_path.rglob("hurt"))
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert len(written) > 50
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []
    assert TOKEN not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_colon_in_a_checkouts_folder_is_one_line_before_any_job(tmp_path):
    folder = tmp_path / "co:lon"
    folder.mkdir()
    lay_out_stubs(folder)
    done = snakemake(
        folder, "--configfile", "tiny.yaml", "-n", snakefile=folder / "Snakefile", **STUB_VARIABLES
    )
    assert done.returncode == 1
    [line] = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {folder}/workflow_scripts: found a colon in the folder's path")
    assert not (folder / "results").exists()


@pytest.mark.parametrize("where", ["folder", "model", "corpus", "data set", "checkpoint"])
def test_braces_in_names_of_files_are_one_line(where, tmp_path, monkeypatch):
    """Snakemake takes them for wildcards, in all that an input function returns."""
    monkeypatch.chdir(tmp_path)
    model = tiny_model("gpt_neox", "float16", tmp_path / ("{x}" if where == "folder" else "model"), layers=2)
    odd = Path("texts/{x}.jsonl")
    odd.parent.mkdir()
    odd.write_text("")
    changes = {}
    if where == "model":
        odd = model / "tokenizer_{config}.json"
        os.rename(model / "model.safetensors", model / "a{x}.safetensors")
        (model / "model.safetensors.index.json").write_text(
            '{"metadata": {}, "weight_map": {"a": "a{x}.safetensors"}}'
        )
    if where == "corpus":
        changes = {"corpus": {"source": "files", "train": [str(odd)], "validation": ["v"], "test": ["t"]}}
    if where == "data set":
        changes = {
            "corpus": {"source": "hub", "dataset": "texts"},
            "samples": {"balance_duplicates": False},
        }
    if where == "checkpoint":
        os.symlink(model, tmp_path / "{c}")
        changes = {"strategies": {"given": {"method": "checkpoint", "checkpoints": {0.5: "{c}"}}}}
    with pytest.raises(UserError, match=r"^found '.*\{.*', allowed: names without braces, which are wildc"):
        check_names(local_experiment(model, **changes))


def test_other_signs_in_names_of_files_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = tiny_model("gpt_neox", "float16", tmp_path / ODD_PLACE, layers=2)
    check_names(local_experiment(model))
