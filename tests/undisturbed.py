"""What a run is held against that nothing disturbed, and faults that a workflow meets on its way."""

import hashlib
import re
from pathlib import Path
from textwrap import indent

from project import run, snakemake

from memprune.store.records import read_record

RENDERED = "report.html"  # tells when it was rendered
SKIPPED = {"logs", "benchmarks", ".store"}
# What in a report tells times: of its rendering, of its evidence, and of the jobs in its provenance.
TIMES = re.compile(r'^(<footer>.*|.*<dt>Evidence computed</dt>.*|.* id="blob-provenance">.*)$', re.MULTILINE)


def results(project: Path) -> dict[str, bytes]:
    """The content of every result, but of logs and of what tells a time."""
    return {
        str(path.relative_to(project)): path.read_bytes()
        for path in result_files(project)
        if path.name != RENDERED
    }


def result_files(project: Path) -> list[Path]:
    return [
        path
        for path in sorted((project / "results").rglob("*"))
        if path.is_file() and not SKIPPED & set(path.parts) and not path.name.endswith(".damaged")
    ]


def damaged_entries(store: Path) -> list[Path]:
    """The files of entries that are not as their entry's record tells."""
    return [
        record.parent / file
        for record in store.rglob("entry.json")
        if "damaged" not in record.relative_to(store).parts
        for file, sha256 in read_record(record)["files"].items()
        if hashlib.sha256((record.parent / file).read_bytes()).hexdigest() != sha256
    ]


def report(project: Path) -> str:
    """The report without the times in it."""
    return TIMES.sub("", (project / "results/tiny" / RENDERED).read_text())


def made(store: Path) -> dict[str, int]:
    """The entries of a store by name, and when each was made."""
    return {
        str(path.parent.relative_to(store)): path.stat().st_mtime_ns for path in store.rglob("entry.json")
    }


def at_start(folder: Path, script: str, code: str, once: bool = True) -> dict[str, str]:
    """Variables for a run in which `code` comes before a job's `script`: of the first such job, or of all."""
    folder.mkdir(exist_ok=True)
    (folder / "done").unlink(missing_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import os, sys\n"
        f"own = any(word.endswith('/{script}') for word in sys.orig_argv[1:3])\n"
        f"flags = os.O_CREAT | (os.O_EXCL if {once} else 0)\n"
        "try:\n"
        f"    start = own and os.open({str(folder / 'done')!r}, flags)\n"
        "except FileExistsError:\n"
        "    start = False\n"
        "if start:\n" + indent(code, "    ")
    )
    return {"PYTHONPATH": str(folder)}


def fails(project: Path, *arguments: str, **variables: str) -> str:
    """Run the workflow, which fails; the last line that it prints."""
    done = snakemake(
        project, "--configfile", "tiny.yaml", *arguments, snakefile=project / "Snakefile", **variables
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (project / "output.txt").write_text(done.stdout + done.stderr)
    return [line for line in done.stderr.splitlines() if line][-1]


def assert_undisturbed(project: Path, finished: Path) -> None:
    """All results are those of the undisturbed run, its store is whole, and nothing is half or to be done."""
    expected, found = results(finished), results(project)
    assert [path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path)] == []
    assert report(project) == report(finished)
    assert [path for path in (project / "results").rglob(".*.tmp") if path.parent.name != "tmp"] == []
    assert damaged_entries(project / "results/.store") == []
    assert "Nothing to be done" in run(project)[2]
