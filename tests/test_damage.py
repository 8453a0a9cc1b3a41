"""Whatever is damaged between two runs, the next one makes it again: in the end all bytes are as before.

Damaged is the finished experiment: results, the store's entries and records, and Snakemake's own records.
"""

import base64
import random
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest
from damages import DAMAGES
from project import run, snakemake
from undisturbed import result_files, results

from memprune.store import roots

pytestmark = pytest.mark.usefixtures("forked_jobs")


def damage_all(files: Iterable[Path], seed: int) -> int:
    """Damage files in place, each in one of the ways, as a disk or a careless hand does; returns how many."""
    chance, count = random.Random(seed), 0
    for file in files:
        if content := file.read_bytes():
            file.write_bytes(chance.choice(DAMAGES)(content, chance))
            count += 1
    return count


def store_files(project: Path, kind: str) -> list[Path]:
    return [path for path in sorted((project / "results/.store").glob(kind)) if path.is_file()]


def heal(project: Path) -> str:
    """Run the workflow; it may stop once with a line that names a file. Returns what the runs printed."""
    first = snakemake(project, "--configfile", "tiny.yaml", snakefile=project / "Snakefile")
    output = first.stdout + first.stderr
    assert "Traceback" not in output
    if first.returncode:
        assert "error: " in output.splitlines()[-1], output
        output += run(project)[2]
    assert "Nothing to be done" in run(project)[2]
    return output


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_results_are_made_again(project, seed):
    expected = results(project)
    assert damage_all(result_files(project), seed) > 40
    heal(project)
    assert results(project) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_damaged_result_is_told_and_made_again(project, seed):
    expected, file = results(project), random.Random(seed).choice(result_files(project))
    damage_all([file], seed)
    output = heal(project)
    assert f"made again: {file.relative_to(project)} (damaged" in output
    assert results(project) == expected


@pytest.mark.slow
@pytest.mark.parametrize("what", ["*/**/entry.json", "*/**/*.*", "roots/*", "fingerprints/*"])
def test_a_damaged_store_gives_the_same_results(project, what):
    expected = results(project)
    assert damage_all(store_files(project, what), seed=1)
    for path in result_files(project):
        if not path.is_symlink() and "models" not in path.parts:
            path.unlink()
    heal(project)
    assert results(project) == expected


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_records_of_snakemake_are_as_none(project, seed):
    expected = results(project)
    records = [path for path in sorted((project / ".snakemake/metadata").rglob("*")) if path.is_file()]
    assert damage_all(records, seed) > 40
    heal(project)
    assert results(project) == expected


@pytest.mark.slow
def test_the_whole_of_snakemakes_folder_may_be_lost(project):
    expected = results(project)
    shutil.rmtree(project / ".snakemake")
    heal(project)
    assert results(project) == expected


@pytest.mark.slow
def test_what_the_store_has_lost_is_made_again(project):
    expected, stored = results(project), store_files(project, "tables/*/paired.csv")[0]
    link = project / "results/tiny/tables/paired.csv"
    link.unlink()
    link.symlink_to(stored)
    stored.unlink()
    assert "made again: results/tiny/tables/paired.csv (lost from the store)" in heal(project)
    assert results(project) == expected


def recorded_sources(project: Path) -> dict[str, str]:
    """The digest of the code of each result's rule, as Snakemake recorded it."""
    found = {}
    for path in (project / ".snakemake/metadata").rglob("*"):
        if path.is_file():
            name = base64.b64decode(path.name).decode()
            digests = re.findall(r"source: ([0-9a-f]{16})", path.read_text())
            if digests and name.startswith("results/tiny/"):
                found[name] = digests[0]
    return found


def test_the_store_records_the_code_of_a_result_as_snakemake_does(finished, monkeypatch):
    """Else every result would be taken for one of other code, or none."""
    monkeypatch.chdir(finished)
    recorded = recorded_sources(finished)
    found = roots.of_results(Path("results/.store"), list(map(Path, recorded)))
    without = {path for path in recorded if not any(root.source for root in found[Path(path)])}
    assert without == {"results/tiny/report.html"}
    for path in recorded.keys() - without:
        assert {root.source for root in found[Path(path)]} == {recorded[path]}, path


@pytest.mark.slow
def test_results_of_code_that_was_edited_and_edited_back_do_not_stay(project):
    """As if jobs had started between the two edits: Snakemake's records are those of the code as it was."""
    expected, records = results(project), project / ".snakemake"
    shutil.copytree(records, project / "records")
    code = project / "workflow_scripts/memprune/findings/intervals.py"
    before = code.read_text()
    code.write_text(before.replace("RESAMPLES = 1999", "RESAMPLES = 99"))
    run(project)
    assert results(project) != expected
    code.write_text(before)
    shutil.rmtree(records)
    (project / "records").rename(records)
    output = heal(project)
    assert "made by code that was edited while its run went on" in output
    assert results(project) == expected


@pytest.mark.slow
def test_a_shared_store_that_is_not_there_is_told_and_computes_nothing(project, tmp_path):
    """As where its disk is not mounted; one of which a part is lost heals."""
    expected, store = results(project), tmp_path / "store"
    shared = {"snakefile": project / "Snakefile", "MEMPRUNE_STORE": str(store)}
    (project / "results/.store").rename(store)
    done = snakemake(project, "--configfile", "tiny.yaml", **shared)  # links into the store's new place
    assert "(lost from the store); and 1 more" in done.stderr
    link = project / "results/tiny/models/small/magnitudes.safetensors"
    entry = link.resolve()
    assert entry.is_relative_to(store)
    away = store.rename(tmp_path / "away")
    done = snakemake(project, "--configfile", "tiny.yaml", **shared)
    assert done.returncode == 1
    assert "error: store: found nothing in" in done.stderr
    assert link.is_symlink()
    away.rename(store)
    entry.unlink()
    done = snakemake(project, "--configfile", "tiny.yaml", **shared)
    assert done.returncode == 0, done.stderr
    assert f"made again: {link.relative_to(project)} (lost from the store)" in done.stderr
    assert results(project) == expected
