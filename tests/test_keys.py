"""A key holds all that decides an artefact: no file is read that is no input, nothing changes it but its key.

Jobs are those of a finished experiment, with the commands that Snakemake recorded.
"""

import csv
import json
import re
import runpy
import shlex
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Container, Iterator
from copy import deepcopy
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from project import ROOT
from safetensors.numpy import load_file, save_file

from memprune.store import entries

PROCESS = re.compile(r"^(\d+) .*(?:clone3?|v?fork)\b.*= (\d+)$")
STARTED = re.compile(r'^(\d+) +execve\("[^"]*/workflow_scripts/([a-z_]+)\.py", \[(.*)\], 0x')
OPENED = re.compile(r'^(\d+) +open(?:at)?\((?:AT_FDCWD, )?"([^"]+)", (O_RDONLY[A-Z_|]*)')
FAILED = re.compile(r"= -1 E[A-Z]+")
# What the store has is told by content, the code by its digest.
IN_KEYS = ("results/.store/", "workflow_scripts/", ".snakemake/")
# Of a figure's or a draw's jobs one stands for all; mini-pile has neither settings nor inputs.
JOBS = {
    "draw_samples": ["samples/draws/member-0-0.parquet", "samples/draws/perplexity-0-0.parquet"],
    "extract_samples": ["samples/samples.parquet"],
    "compute_features": ["samples/features.parquet"],
    "count_magnitudes": ["models/small/magnitudes.safetensors"],
    "compute_change": ["changes/small/global@0.3.safetensors"],
    "evaluate": ["scores/small/global@0.3.memorization.parquet"],
    "measure": ["measures/small/global@0.3.memorization.parquet"],
    "aggregate_tables": ["tables/memorization.csv"],
    "write_findings": ["findings.md"],
    "plot_trade_off": ["figures/trade_off.svg"],
    "plot_sparsity": ["figures/sparsity_small.svg"],
}
OTHER = {
    "member": "non_member", "train": "test", "validation": "train", "float32": "bfloat16", "suffix": "prefix",
    "global": "layer", "all": "first 25 %", "up": "down", "small": "large", "first-25": "dense",
}  # fmt: skip


def records(project: Path) -> dict[str, tuple[list[str], str]]:
    """The inputs and the command that Snakemake recorded of each result."""
    from snakemake.io import IOFile  # late: half a second of every other process that reads this file
    from snakemake.persistence.file import FilePersistence

    persistence = FilePersistence(path=project / ".snakemake", nolock=True)
    found = {}
    for path in sorted((project / "results/tiny").rglob("*")):
        name = str(path.relative_to(project))
        if path.is_file() and (record := persistence.metadata(IOFile(name))) is not None:
            found[name] = (record.input, record.shellcmd)
    return found


def opened_by_job(trace: Path, project: Path) -> dict[str, set[str]]:
    """The files of the project that each job opened to read, by the last word of its command."""
    lines = trace.read_text(errors="replace").splitlines()
    parents = {m[2]: m[1] for line in lines if (m := PROCESS.match(line))}
    job_of, opened = {}, defaultdict(set)
    for line in lines:
        if started := STARTED.match(line):
            job_of[started[1]] = re.findall(r'"((?:[^"\\]|\\.)*)"', started[3])[-1]
            continue
        if not (found := OPENED.match(line)) or FAILED.search(line) or "O_DIRECTORY" in found[3]:
            continue
        process = found[1]
        while process not in job_of and process in parents:
            process = parents[process]
        path = Path(project, found[2])
        if process in job_of and path.is_relative_to(project) and path.is_file():
            opened[job_of[process]].add(str(path.relative_to(project)))
    return opened


@pytest.mark.slow
def test_a_job_reads_its_inputs_and_no_other_file_of_the_project(finished):
    trace = finished.with_name("trace.txt")
    if not trace.exists():
        pytest.skip("strace is not installed")
    known, opened = records(finished), opened_by_job(trace, finished)
    assert {Path(name).parts[2] for name in opened} == {
        "models", "samples", "changes", "scores", "measures", "tables", "figures", "findings.md",
        "report.html",
    }  # fmt: skip
    for last, files in opened.items():
        inputs, command = known[last]
        described = [json.loads((finished / m).read_text()) for m in inputs if m.endswith("manifest.json")]
        allowed = {f"{about['folder']}/{file}" for about in described for file in about["hashes"]}
        own = {word for word in shlex.split(command) if word.startswith("results/")}
        # The store is read by content; the code is in the key as its digest.
        others = {
            f for f in files if not f.startswith(("results/.store/", "workflow_scripts/", ".snakemake/"))
        }
        if last.endswith(
            "report.html"
        ):  # tells of every file of the results where it is from, and what it took
            told = {f for f in others if f.startswith("results/tiny/") and f not in inputs}
            others -= told | {"pyproject.toml"}  # which has memprune's version
        assert others <= allowed | set(inputs) | own, last
        assert others & set(inputs), last


def leaves(value: object, place: tuple = ()) -> Iterator[tuple]:
    """The places of a JSON value's lists and plain values."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*place, key))
        return
    yield place
    if isinstance(value, list):
        for number, inner in enumerate(value[:2]):
            yield from leaves(inner, (*place, number))


def otherwise(value: object) -> object:
    """Another value of the same kind."""
    if isinstance(value, list):
        return value[:-1]
    if isinstance(value, str):
        return OTHER.get(value, f"{value}x")
    if isinstance(value, bool):
        return not value
    if value is None:
        return 1
    return value + 1 if isinstance(value, int) else value / 2


def changes_of_json(content: object) -> Iterator[object]:
    """The content with one of its values changed."""
    for place in leaves(content):
        changed = deepcopy(content)
        part = changed
        for key in place[:-1]:
            part = part[key]
        if place:
            part[place[-1]] = otherwise(part[place[-1]])
            yield changed


def changes_of_table(table: pa.Table) -> Iterator[pa.Table]:
    """The table with a value of one column, its last row or a value of its metadata changed."""
    for number, name in enumerate(table.column_names):
        values = table[name].to_pylist()
        if isinstance(values[0], list):
            values[0] = [*values[0][:-1], values[0][0]]
        elif values[0] is None and pa.types.is_string(table.schema.field(name).type):
            values[0] = "x"
        else:
            values[0] = otherwise(values[0])
        yield table.set_column(number, table.field(name), pa.array(values, table.field(name).type))
    yield table.slice(0, len(table) - 1)
    for key in table.schema.metadata or {}:
        yield table.replace_schema_metadata({**table.schema.metadata, key: b"other"})


def changes_of_lines(rows: list[list[str]]) -> Iterator[list[list[str]]]:
    """The table of CSV with a value of one column changed in its first row, or without its last row."""
    for number in range(len(rows[0]) if len(rows) > 1 else 0):
        value = rows[1][number]
        number_like = re.fullmatch(r"[-+.\de]+", value)
        changed = [row[:] for row in rows]
        changed[1][number] = str(float(value) / 2 + 0.1) if number_like else OTHER.get(value, value)
        yield changed
    yield rows[:-1]


def changed_files(path: Path) -> Iterator[None]:
    """A file with one thing changed after the other; in the end as it was."""
    before = path.read_bytes()
    shutil.copy(path, copy := path.with_name(f"{path.name}.copy"))
    path.unlink()  # it may be a link into the store
    if path.suffix == ".json":
        for content in changes_of_json(json.loads(before)):
            path.write_text(json.dumps(content))
            yield
    elif path.suffix == ".jsonl":
        lines = before.decode().splitlines()
        for changed in ([*lines[1:], lines[0]], lines[1:], [line.replace("the", "with") for line in lines]):
            path.write_text("\n".join(changed) + "\n")
            yield
    elif path.suffix == ".parquet":
        for table in changes_of_table(pq.read_table(copy)):
            pq.write_table(table, path)
            yield
    elif path.suffix == ".csv":
        for rows in changes_of_lines(list(csv.reader(before.decode().splitlines()))):
            path.write_text("".join(",".join(row) + "\n" for row in rows))
            yield
    else:
        tensors = load_file(copy)
        for name in tensors:
            save_file({**tensors, name: np.roll(tensors[name], 1)}, path)
            yield
    path.write_bytes(before)
    copy.unlink()


def decided(path: Path) -> bytes:
    """What a key decides of a file: its bytes; of evidence not what it tells of the machine that made it."""
    if path.name != "evidence.parquet":
        return path.read_bytes()
    return repr(pq.read_table(path).to_pydict()).encode()


class NotAskedError(BaseException):
    """An artefact whose content nobody asks for."""


@pytest.fixture
def made(monkeypatch, tmp_path):
    """What runs a script as a job, in this process and without a store: gives bytes by keys.

    With some keys `asked` for, an artefact of another key is not computed, and what comes after it neither.
    """

    def run(script: str, words: list[str], asked: Container[str] | None = None) -> dict:
        artefacts = {}

        def obtain(name: str, determinants: dict, compute) -> tuple[Path, bool]:
            if asked is not None and name not in asked:
                artefacts[name] = None
                raise NotAskedError
            folder = Path(tempfile.mkdtemp(dir=tmp_path))
            compute(folder)
            artefacts[name] = {path.name: decided(path) for path in folder.iterdir()}
            (folder / entries.ENTRY).write_text(json.dumps({"files": dict.fromkeys(artefacts[name], "")}))
            return folder, False

        monkeypatch.setattr(entries, "obtain", obtain)
        monkeypatch.setattr("sys.argv", [script, *words])
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
        monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path / "store"))
        try:
            runpy.run_path(str(ROOT / "workflow_scripts" / script), run_name="__main__")
        except NotAskedError:
            return artefacts
        except (SystemExit, Exception):  # refused; specs and manifests are not users' files
            return {}
        return artefacts

    return run


def with_spec(words: list[str]) -> Iterator[list[str]]:
    """The command with one value of its settings changed."""
    if "--spec" in words:
        place = words.index("--spec") + 1
        for spec in changes_of_json(json.loads(words[place])):
            yield [*words[:place], json.dumps(spec), *words[place + 1 :]]


@pytest.mark.slow
@pytest.mark.parametrize("rule", JOBS)
def test_whatever_changes_an_artefact_changes_its_key(project, made, monkeypatch, rule, capsys):
    monkeypatch.chdir(project)
    known = records(project)
    for result in JOBS[rule]:
        inputs, command = known[f"results/tiny/{result}"]
        script, *words = shlex.split(command.partition(" > ")[0])
        assert script == f"{rule}.py"
        first = made(script, words)
        assert first
        assert made(script, words) == first
        # An evaluation has several artefacts, of which each is looked at.
        asked = None if rule == "evaluate" else first.keys()
        others = [made(script, changed, asked) for changed in with_spec(words)]
        for file in inputs:
            # Files of measures are all alike.
            if rule != "aggregate_tables" or "/measures/small/global" in file:
                others += [made(script, words, asked) for _ in changed_files(Path(file))]
        assert made(script, words) == first
        for other in others:
            same = first.keys() & other.keys()
            assert {name: other[name] for name in same} == {name: first[name] for name in same}
        assert any(first.keys() - other.keys() for other in others if other)
