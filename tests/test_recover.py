"""A folder after a crash: what it left goes, what was finished stays, nothing goes while a workflow runs."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from memprune.errors import UserError
from memprune.jobs.recover import recover

HOST = socket.gethostname()


@pytest.fixture
def crashed(tmp_path, monkeypatch) -> Path:
    """A folder with what a crash leaves, beside results and entries that are finished."""
    monkeypatch.chdir(tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    files = {
        ".snakemake/locks/0.input.lock": "results/a.parquet",
        ".snakemake/metadata/whole": '{"rule": "measure"}',
        ".snakemake/metadata/folder/whole": "{}",
        ".snakemake/metadata/half": '{"rule": ',
        ".snakemake/metadata/no_text": "\udcff",
        "results/tiny/a.parquet": "finished",
        f"results/tiny/.{'0' * 32}.tmp": "half",
        "results/tiny/exports/.dense.tmp/model.safetensors": "half",
        "results/.store/memorization/1/entry.json": "{}",
        f"results/.store/tmp/{HOST}-{gone.pid}-1/half": "",
        f"results/.store/tmp/{HOST}-{os.getpid()}-1/still": "",
        "results/.store/tmp/elsewhere-1-1/still": "",
        "results/.store/tmp/unfinished-1/weights": "goes on from here",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode(errors="surrogateescape"))
    return tmp_path


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_only_what_is_of_no_use_goes(crashed):
    before = left(crashed)
    assert list(recover(Path("results"), Path("results/.store")).values()) == [1, 2, 2, 1]
    assert {path.split("/")[-1] for path in before - left(crashed)} == {
        "0.input.lock", "half", "no_text", f".{'0' * 32}.tmp", "model.safetensors",
    }  # fmt: skip
    assert list(recover(Path("results"), Path("results/.store")).values()) == [0, 0, 0, 0]


def test_a_folder_without_anything_is_as_it_should_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sum(recover(Path("results"), Path("results/.store")).values()) == 0


def test_nothing_goes_while_a_workflow_runs_here(crashed):
    before = left(crashed)
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, "snakemake"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "up\n"
        with pytest.raises(UserError, match=rf"a workflow runs here \(process {running.pid}\); end it first"):
            recover(Path("results"), Path("results/.store"))
        assert left(crashed) == before
        running.stdin.close()
