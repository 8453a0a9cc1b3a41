"""Disks that fill, or turn read-only, while the workflow runs: nothing that was finished is lost."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from project import run, snakemake
from undisturbed import assert_undisturbed, at_start, fails, made

from memprune.errors import UserError
from memprune.jobs.failures import last_words
from memprune.planning.preflight import check_results

DISKS = ("results", "results/.store", ".snakemake", "tmp")
STORE = "results/.store"
FILL = """
with open({disk!r} + "/ballast", "wb", buffering=0) as file:
    for size in (2**20, 2**12, 1):
        try:
            while file.write(bytes(size)) == size:
                pass
        except OSError:
            pass
"""
# Over the folder, since a disk to which something is open cannot be made read-only.
MAKE_READ_ONLY = """
import subprocess
subprocess.run(["mount", "--rbind", "-o", "ro", {disk!r}, {disk!r}], check=True)
"""


def mount(folder: Path, *options: str) -> None:
    folder.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], check=False).returncode:
        pytest.skip("no right to mount a file system here")


def resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)


@pytest.fixture
def disks(project, forked_jobs, tmp_path) -> Iterator[Path]:
    """The finished project with a disk each for its results, its store, Snakemake's records and the rest."""
    mounted = []
    try:
        for name in DISKS:
            content, disk = tmp_path / "content", project / name
            disk.mkdir(exist_ok=True)
            shutil.move(disk, content)
            mount(disk, "-o", "size=32m")
            mounted.append(disk)
            shutil.copytree(content, disk, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(content)
        yield project
    finally:
        for disk in reversed(mounted):
            while disk.is_mount():
                subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_disks_that_fill_one_after_the_other(disks, finished, tmp_path):
    for kind in ("memorization", "perplexity", "findings"):
        shutil.rmtree(disks / STORE / kind)
    for path in (disks / "results/tiny/scores/small").glob("dense.*"):
        path.unlink()

    def disturbed(script: str, disk: str, code: str) -> str:
        """The last line of a run in which a disk fills as a job starts; there is room afterwards."""
        before, place = made(disks / STORE), disks / disk
        line = fails(disks, **at_start(tmp_path / "fault", script, code.format(disk=str(place))))
        if code == MAKE_READ_ONLY:
            with pytest.raises(UserError, match=r"^results: found .*, which is read-only; allowed: a folder"):
                check_results(str(place))
            subprocess.run(["umount", "-R", place], check=True)
        (place / "ballast").unlink(missing_ok=True)
        assert before.items() <= made(disks / STORE).items()
        return line

    line = disturbed("evaluate.py", STORE, FILL)
    assert re.search(
        r"^error: .*small, variant dense: store results/.store: cannot be written .*No space left", line
    )
    line = disturbed("evaluate.py", "results", FILL)
    assert line.startswith(
        "error: results/tiny/logs/evaluate/small/dense.log: cannot be written, its disk is"
    )
    shards = made(disks / STORE)
    line = disturbed("aggregate_tables.py", "results", MAKE_READ_ONLY)
    assert re.search(r"Read-only file system: 'results/tiny", line)  # Snakemake's own, after the job's
    assert "\nerror: results/tiny/tables/" in (disks / "output.txt").read_text()
    (disks / "results/tiny/findings.md").unlink()
    fault = at_start(tmp_path / "fault", "write_findings.py", FILL.format(disk=str(disks / ".snakemake")))
    done = snakemake(disks, "--configfile", "tiny.yaml", snakefile=disks / "Snakefile", **fault)
    told = r"No space left on device.* write permissions for the directory"  # by Snakemake, which may go on
    assert re.search(told, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    (disks / ".snakemake/ballast").unlink()
    exec(FILL.format(disk=str(disks / "tmp")))
    run(disks, TMPDIR=str(disks / "tmp"))
    assert shards.items() <= made(disks / STORE).items()
    assert_undisturbed(disks, finished)


@pytest.mark.slow
def test_results_that_stop_short_of_their_last_files(disks, finished):
    """Wherever it ends, by whichever job, there is a line for it."""
    shutil.rmtree(disks / "results/tiny/tables")
    shutil.rmtree(disks / "results/tiny/figures")
    used = shutil.disk_usage(disks / "results").used
    resize(disks / "results", used + 1150 * 1024)
    assert re.search("^error: results/tiny/.*: cannot be written", fails(disks))
    resize(disks / "results", 2**25)
    before = made(disks / STORE)
    run(disks)
    assert before == made(disks / STORE)
    assert_undisturbed(disks, finished)


def test_a_job_whose_log_has_no_room_is_told_of(tmp_path):
    mount(tmp_path / "disk", "-o", "size=64k")
    log = tmp_path / "disk/evaluate.log"
    try:
        log.touch()
        assert "its job did not say why it ended" in last_words(log)
        (tmp_path / "disk/ballast").write_bytes(bytes(2**15))
        assert (
            last_words(log)
            == f"error: {log}: cannot be written, its disk is full; free space there and run again"
        )
    finally:
        subprocess.run(["umount", tmp_path / "disk"], check=True)
