"""Machines whose memory ends, whose clock is wrong, whose disk shows files late, whose locks do not lock."""

import os
import random
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from edits import edit_json
from project import ROOT, STUB_VARIABLES, change_config, lay_out_stubs, run, snakemake
from undisturbed import assert_undisturbed, at_start, fails, made, results

from memprune.store import entries

# As a shard, the third of a job, is about to get its name in the store.
AT_A_SHARD = """
names = []
def at_rename(event, arguments):
    name = str(arguments[1]) if event == "os.rename" else ""
    if "/memorization/" in name or "/perplexity/" in name:
        names.append(name)
        if len(names) == 3:
            {fault}
sys.addaudithook(at_rename)
"""
STORE = "results/.store"


def lose_scores(project: Path, *variants: str) -> None:
    """Have variants of the small model scored anew."""
    for kind in ("memorization", "perplexity"):
        shutil.rmtree(project / STORE / kind)
    for variant in variants:
        for path in (project / "results/tiny/scores/small").glob(f"{variant}.*"):
            path.unlink()


@pytest.mark.slow
@pytest.mark.usefixtures("forked_jobs")
def test_a_job_whose_memory_ends_keeps_its_shards(project, finished, tmp_path):
    lose_scores(project, "dense")
    fault = at_start(tmp_path / "fault", "evaluate.py", AT_A_SHARD.format(fault="raise MemoryError"))
    line = fails(project, **fault)
    assert re.search(
        r"^error: results/tiny/scores/small/dense.*: out of memory \(MemoryError\); run fewer", line
    )
    shards = made(project / STORE)
    assert len([name for name in shards if name.startswith(("memorization", "perplexity"))]) == 2
    killed = AT_A_SHARD.format(fault="os.kill(os.getpid(), 9)")
    line = fails(project, **at_start(tmp_path / "fault", "evaluate.py", killed))
    assert line.startswith(
        "error: results/tiny/logs/evaluate/small/dense.log: its job did not say why it ended"
    )
    shards |= made(project / STORE)
    assert len([name for name in shards if name.startswith(("memorization", "perplexity"))]) == 4
    run(project)
    assert shards.items() <= made(project / STORE).items()
    assert_undisturbed(project, finished)


@pytest.mark.parametrize(
    "code",
    [
        "bytearray(2**60)",
        "import numpy; numpy.zeros(2**57)",
        "import torch; torch.zeros(2**57)",
        "import pyarrow; pyarrow.allocate_buffer(2**60)",
        "import mmap; mmap.mmap(-1, 2**60)",
    ],
)
def test_memory_that_is_not_given_is_one_line(code):
    script = f"from memprune.jobs.script import run\ndef main():\n    {code}\nrun(main)"
    command = [sys.executable, "-c", script, "--output", "results/a"]
    variables = os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"error: results/a: out of memory \(.+\); run fewer jobs at a time .*\n", done.stderr)


@pytest.mark.parametrize("error", [MemoryError(), OSError(24, "Too many open files"), OSError(116, "Stale")])
def test_an_entry_that_cannot_be_read_at_the_moment_is_not_damaged(tmp_path, monkeypatch, error):
    monkeypatch.setenv("MEMPRUNE_STORE", str(tmp_path))
    entry, _ = entries.obtain("thing/a", {}, lambda folder: (folder / "file").write_text("whole"))

    def fail(path: Path) -> str:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(entries, "sha256_of", fail)
        with pytest.raises(type(error)):
            entries.is_whole(entry)
    assert entries.is_whole(entry)


def shift_times(files: list[Path], days: list[int]) -> None:
    """Set each file's time forward or back, as a wrong clock does, by one of these numbers of days."""
    chance = random.Random(1)
    for path in files:
        time = path.lstat().st_mtime_ns + chance.choice(days) * 86400 * 10**9
        os.utime(path, ns=(time, time), follow_symlinks=False)


def inputs_and_results(project: Path) -> list[Path]:
    names = ("results", "models", "workflow_scripts", "rules")
    files = [path for name in names for path in (project / name).rglob("*") if path.is_file()]
    return [*files, *project.glob("*.jsonl"), project / "tiny.yaml"]


@pytest.mark.slow
@pytest.mark.usefixtures("forked_jobs")
@pytest.mark.parametrize("days", [[-400], [400], [-400, 400]])
def test_times_of_a_wrong_clock_compute_nothing_and_hide_no_change(project, finished, days):
    shift_times(inputs_and_results(project), days)
    before = made(project / STORE)
    _, _, output = run(project)
    assert len(days) == 2 or "Nothing to be done" in output
    assert made(project / STORE) == before
    assert_undisturbed(project, finished)
    tokenizer = project / "models/small/tokenizer_config.json"
    about = tokenizer.stat()
    edit_json(tokenizer, bos_token="Ā", eos_token="Ā")
    os.utime(tokenizer, ns=(about.st_atime_ns, about.st_mtime_ns - 400 * 86400 * 10**9))
    done = snakemake(project, "--configfile", "tiny.yaml", "-n", snakefile=project / "Snakefile")
    assert "made again: results/tiny/models/small/manifest.json" in done.stderr
    assert re.search(r"^evaluate +\d", done.stdout + done.stderr, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.usefixtures("forked_jobs")
@pytest.mark.parametrize("days", [-400, 400])
def test_a_clock_that_is_set_in_the_middle_of_a_run(project, finished, days):
    """What was made before is of next year or of last: what comes after is made from it all the same."""
    for name in ("measures", "tables", "figures", "findings.md", "report.html"):
        path = project / "results/tiny" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shift_times(inputs_and_results(project), [days])
    before = made(project / STORE)
    run(project, "--until", "measure")
    shift_times(list((project / "results/tiny/measures").rglob("*.parquet")), [-days])
    run(project)
    assert made(project / STORE) == before
    assert_undisturbed(project, finished)


HIDE = """
import atexit, subprocess
output = sys.orig_argv[-1]
atexit.register(lambda: os.rename(output, output + ".late"))
"""
# What is registered later comes earlier.
SHOW_LATE = """
show = 'sleep 3; mv "$0.late" "$0"'
atexit.register(lambda: subprocess.Popen(["sh", "-c", show, output], start_new_session=True))
"""


def without_logs(project: Path) -> dict[str, bytes]:
    """The results, without what the corpus has of logs beside it and what was hidden."""
    return {
        path: content
        for path, content in results(project).items()
        if not path.endswith((".log", ".tsv", ".late"))
    }


@pytest.mark.slow
def test_files_that_a_shared_disk_shows_late(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    lay_out_stubs(project)
    run(project, **STUB_VARIABLES)
    expected = without_logs(project)
    shutil.rmtree(project / "results")
    never = at_start(tmp_path / "fault", "draw_samples.py", HIDE)
    line = fails(project, "--latency-wait", "1", **never, **STUB_VARIABLES)
    assert re.match(r"error: results/.*/draws/.*parquet: not there 1 seconds after .* --latency-wait$", line)
    late = at_start(tmp_path / "fault", "measure.py", HIDE + SHOW_LATE, once=False)
    run(project, "--latency-wait", "20", **late, **STUB_VARIABLES)
    assert without_logs(project) == expected


# Both jobs come to the name of the same entry before either has it, and neither waits for a lock.
NO_LOCKS = """
import fcntl, time
fcntl.flock = fcntl.lockf = lambda *arguments: None
def at_rename(event, arguments):
    name = str(arguments[1]) if event == "os.rename" else ""
    if "/memorization/" in name or "/perplexity/" in name:
        own = {meeting!r} + "/" + name.partition("/.store/")[2].replace("/", "-") + "-"
        open(own + {number!r}, "w").close()
        until = time.monotonic() + 20
        while not os.path.exists(own + {other!r}) and time.monotonic() < until:
            time.sleep(0.02)
sys.addaudithook(at_rename)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("forked_jobs")
def test_two_runs_without_locks_compute_the_same(project, finished, tmp_path):
    lose_scores(project, "dense")
    store = project / STORE
    change_config(store=str(store))(project)
    projects = [project, shutil.copytree(project, tmp_path / "other", symlinks=True)]
    meeting = tmp_path / "meeting"
    meeting.mkdir()

    def work(number: int) -> str:
        code = NO_LOCKS.format(meeting=str(meeting), number=str(number), other=str(1 - number))
        return run(
            projects[number], **at_start(tmp_path / f"fault-{number}", "evaluate.py", code, once=False)
        )[2]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    met = sorted(path.name for path in meeting.iterdir())
    assert len(met) == 10
    for each in projects:
        assert_undisturbed(each, finished)
        assert "5 of 5 shards found" not in (each / "results/tiny/logs/evaluate/small/dense.log").read_text()
    assert not (store / "damaged").exists()
    assert not list((store / "tmp").iterdir())
    assert all(entries.is_whole(store / name) for name in made(store))
