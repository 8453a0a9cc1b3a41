"""Whatever dies on the way, the next run makes what is missing or stale: in the end all is as from scratch.

The real Snakefile and rules run stand-ins for the scripts, which take no time. One change makes every rule's
results stale; then, run after run, the next rule dies in the update, until a run comes through.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from forked_jobs import python
from project import STUB_VARIABLES, lay_out_stubs

RULES = [
    "build_mini_pile", "fetch_model", "resolve_model", "count_magnitudes", "compute_change", "draw_samples",
    "extract_samples", "compute_features", "solve_level", "score_shards", "evaluate", "measure",
    "aggregate_tables", "write_findings", "plot_trade_off", "render_report",
]  # fmt: skip
# By a signal to the job, to snakemake or to both, as Ctrl-C sends it, and by an error of the job's own. A
# rule dies at its start by two of these ways and at its end by the others.
WAYS = ["job", "snakemake", "interrupt", "error"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, all_forked) -> Path:
    """A project whose scripts are stand-ins, with all results."""
    folder = tmp_path_factory.mktemp("deaths") / "project"
    folder.mkdir()
    lay_out_stubs(folder)
    assert run(folder) == 0
    return folder


def run(folder: Path, death: str = "") -> int:
    """Run snakemake, forked, on a project in a process group of its own; returns its exit status."""
    (folder / "died").mkdir(exist_ok=True)
    early = [rule for number, rule in enumerate(RULES) if death and (number + WAYS.index(death)) % 2]
    variables = STUB_VARIABLES | {"DIED": "died", "DEATH": death, "EARLY": " ".join(early)}
    command = [*python(), "-m", "snakemake", "--cores", "2", "--nolock", "--configfile", "tiny.yaml"]
    with (folder / "output.txt").open("w") as output:
        process = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "MEMPRUNE_STORE": ""} | variables,
            stdout=output,
            stderr=output,
            process_group=0,
            # What is started in the background ignores SIGINT, and so do its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            check=False,
        )
    return process.returncode


def died(folder: Path) -> set[str]:
    return {path.name for path in (folder / "died").iterdir()}


def results(folder: Path) -> dict[str, str]:
    """The content of all results but logs, benchmarks and unfinished files."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted((folder / "results").rglob("*"))
        if path.is_file()
        and not {"logs", "benchmarks", ".store"} & set(path.parts)
        and path.suffix not in (".tmp", ".log", ".tsv")
    }


def copied(project: Path, folder: Path) -> Path:
    return shutil.copytree(project, folder, symlinks=True)


def change(folder: Path) -> None:
    """Make the results of every rule stale."""
    for script in (folder / "workflow_scripts").glob("*.py"):
        script.write_text(script.read_text().replace("VERSION = 1", "VERSION = 2"))


@pytest.fixture(scope="module")
def expected(whole, tmp_path_factory) -> dict[str, str]:
    """The results after the change, from scratch."""
    folder = copied(whole, tmp_path_factory.mktemp("expected") / "project")
    shutil.rmtree(folder / "results")
    change(folder)
    assert run(folder) == 0
    assert results(folder).keys() == results(whole).keys()
    assert not set(results(folder).items()) & set(results(whole).items())
    return results(folder)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_every_rule_may_die_in_an_update(whole, expected, tmp_path, way):
    folder = copied(whole, tmp_path / "project")
    change(folder)
    while before := set(RULES) - died(folder):
        status = run(folder, way)
        if status == 0 and set(RULES) == died(folder):
            break  # an orphan of the run before had not come to its death yet
        assert status == (-signal.SIGKILL if way == "snakemake" else 1), (folder / "output.txt").read_text()
        assert set(RULES) - died(folder) < before, (folder / "output.txt").read_text()
    status = run(folder)
    assert status == 0, (folder / "output.txt").read_text()
    assert results(folder) == expected
    assert run(folder) == 0
    assert "Nothing to be done" in (folder / "output.txt").read_text()
