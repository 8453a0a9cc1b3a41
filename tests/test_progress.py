"""What a run shows: bars on a terminal, Snakemake's lines elsewhere, and at once why a job failed."""

import io
import logging
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import ROOT, lay_out
from terminal import on_terminal, seen

from memprune.jobs import bars
from memprune.jobs.bars import Rule, as_time
from memprune.jobs.failures import FailedLogs

WORKFLOW = f"""
import sys
sys.path.insert(0, {str(ROOT / "workflow_scripts")!r})
from snakemake.logging import logger
from memprune.jobs.display import set_display
from memprune.jobs.failures import print_at_exit
words = {{"short": "Doing short work", "long": "Doing long work"}}
set_display(logger, True, lambda rule: words.get(rule, rule))

rule all:
    input: expand("{{n}}.short", n=range(3)), "long"

rule short:
    output: "{{n}}.short"
    log: "{{n}}.log"
    shell:
        "sleep 0.3; echo work > {{log}}; [ {{wildcards.n}} != {{config[fails]}} ] || {{config[how]}};"
        " touch {{output}}"

rule long:
    output: "long"
    shell: "touch begun; until [ -e {{config[until]}} ]; do sleep 0.1; done; sleep 0.3; touch {{output}}"

onerror:
    print_at_exit(log)
"""


def command(*arguments: str, fails: str = "none", how: str = "true", until: str = ".") -> list[str]:
    """Snakemake on the workflow: which short job fails and how, and the file that the long one waits for."""
    settings = [f"fails={fails}", f"how={how}", f"until={until}"]
    return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--config", *settings]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "Snakefile").write_text(WORKFLOW)
    return tmp_path


def frames(written: str) -> str:
    """All that was written, without colours and movements."""
    return re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", written)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [50, 80])
def test_a_terminal_shows_a_bar_per_rule_with_time_left_and_keeps_a_line_of_each(folder, columns):
    status, written = on_terminal(command(until="2.short"), folder, columns)
    assert status == 0, written
    assert re.search(r"Doing short work +[━╸╺]+ *[12]/3  \d:\d\d left", frames(written))
    assert re.search(r"All jobs +[━╸╺]+ *[1-4]/5  for \d:\d\d", frames(written))
    lines = [line for line in seen(written) if line]
    long, short, *rest = sorted(lines[:2]) + lines[2:]
    assert re.fullmatch(r"✓ Doing long work: \d:\d\d", long)
    assert re.fullmatch(r"✓ Doing short work \(3 jobs\): \d:\d\d", short)
    assert rest[0].startswith("Complete log(s): ")
    assert rest[-1].startswith("Elapsed time: ")
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")  # the cursor is back
    again = on_terminal(command(), folder)
    assert [line for line in seen(again[1]) if line] == [
        "Nothing to be done (all requested files are present and up to date)."
    ]


@pytest.mark.slow
def test_a_failed_jobs_log_is_told_at_once_and_last(folder):
    run = command(
        "--keep-going",
        fails="1",
        how="(echo 'error: models.a: no' >> 1.log; touch told; exit 1)",
        until="told",
    )
    status, written = on_terminal(run, folder)
    assert status == 1
    lines = [line for line in seen(written) if line]
    failed = lines.index("✗ Doing short work failed; log: 1.log")
    assert lines[failed + 1] == "error: models.a: no"
    assert any(line.startswith("✓ Doing long work") for line in lines[failed + 2 :])
    assert "1 failed" in frames(written)
    assert "CalledProcessError" not in written
    assert lines[-1] == "error: models.a: no"


@pytest.mark.slow
def test_an_interrupted_run_blames_no_job(folder):
    typed = iter([b"\x03"])

    def interrupt(written: str) -> bytes:
        return next(typed, b"") if (folder / "begun").exists() else b""

    status, written = on_terminal(command(until="never"), folder, watch=interrupt)
    assert status == 1
    assert "Terminating processes on user request" in written
    assert "failed;" not in written
    assert [line for line in seen(written) if line][-1] == "At least one job did not complete successfully."
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


@pytest.mark.slow
def test_elsewhere_snakemakes_own_lines_and_a_failed_jobs_log(folder):
    run = command("--keep-going", fails="1", how="(seq 100 >> 1.log; exit 1)")
    done = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    before, _, after = done.stderr.partition("Error in rule short:")
    assert "Job stats:" in before
    end = "\n".join(["1.log:", *(f"  {number}" for number in range(86, 101))]) + "\n"
    assert after.count(end) == 2
    assert after.rpartition(end)[2].startswith("error: 1.log: its job did not say why it ended")
    assert after.index(end) < after.index("At least one job did not complete")


@pytest.mark.slow
def test_less_is_shown_where_less_is_asked_for(folder):
    text = (folder / "Snakefile").read_text().replace("logger, True", "logger, False")
    (folder / "Snakefile").write_text(text)
    status, written = on_terminal(command("--quiet", "all"), folder)
    assert (status, written) == (0, "")


@pytest.mark.slow
def test_the_workflow_itself_on_a_terminal(tmp_path):
    folder = lay_out(tmp_path)
    start = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    target = ["--configfile", "tiny.yaml", "--", "results/tiny/models/small/manifest.json"]
    planned = on_terminal([*start, "-n", *target], folder)
    assert "rule resolve_model:" in planned[1]
    assert "reason: " in planned[1]
    status, written = on_terminal([*start, *target], folder)
    assert status == 0, written
    lines = [line for line in seen(written) if line]
    assert re.fullmatch(r"✓ Describing models: \d:\d\d", lines[-3]), lines
    assert not [line for line in lines if "jobid" in line]


def test_every_rule_with_work_is_named_in_words():
    for path in (ROOT / "rules").glob("*.smk"):
        for rule in re.split(r"^(?=rule )", path.read_text(), flags=re.MULTILINE)[1:]:
            if "    shell:" in rule:
                assert re.match(r'rule \w+:\n    """[A-Z].*[^.]"""\n', rule), rule.splitlines()[0]


def test_time_left_by_the_mean_of_finished_jobs_and_the_number_that_run_at_once():
    rule = Rule(total=7)
    assert rule.left(0.0) is None
    rule.start(1, 0.0)
    rule.start(2, 0.0)
    rule.finish(1, 10.0)
    rule.finish(2, 20.0)
    assert rule.left(20.0) == 5 * 15 / 2  # none runs: as many as ran at one time
    rule.start(3, 20.0)
    rule.start(4, 20.0)
    rule.start(5, 20.0)
    assert rule.left(25.0) == (3 * 10 + 2 * 15) / 3
    rule.fail(5)
    assert rule.left(25.0) == (2 * 10 + 2 * 15) / 2
    for job in (3, 4):
        rule.finish(job, 35.0)
    rule.start(6, 35.0)
    rule.start(7, 45.0)
    assert rule.left(50.0) == 10.0  # the last to end, not what each has on average
    assert rule.left(99.0) == 0.0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0:00"), (59.6, "1:00"), (754, "12:34"), (3723, "1:02:03")]
)
def test_times(seconds, words):
    assert as_time(seconds) == words


@pytest.fixture
def hasty_threads():
    """Threads take turns so often that what can come between two writes does."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_line_is_lost_where_rules_end_while_times_are_drawn(monkeypatch, hasty_threads):
    monkeypatch.setattr(bars, "PAUSE", 0.0005)
    monkeypatch.setenv("TERM", "xterm")
    plain = logging.StreamHandler(Screen())
    plain.nocolor = True
    shown = bars.Bars(plain, str)
    rules = [f"rule-{number}" for number in range(300)]

    def send(event: str, **more: object) -> None:
        record = logging.LogRecord("", logging.INFO, "", 0, "", None, None)
        record.__dict__.update(event=event, **more)
        shown.handle(record)

    send("run_info", stats={**dict.fromkeys(rules, 1), "total": len(rules)})
    for job, rule in enumerate(rules):
        send("job_info", jobid=job, rule_name=rule, shellcmd="work")
        if job >= 3:
            send("job_finished", job_id=job - 3)
        time.sleep(0.0007)
    shown.close()
    lines = [line for line in seen(plain.stream.getvalue()) if line]
    assert lines == [f"✓ {rule}: 0:00" for rule in rules[:-3]]


def test_of_a_failed_group_the_job_that_explains_itself_is_told(tmp_path, capsys):
    done, failed, waiting = (tmp_path / f"{name}.log" for name in ("done", "failed", "waiting"))
    done.write_text("100 rows/s\n")
    failed.write_text("reading\nerror: models.a: no\n")
    jobs = [{"log": [str(path)]} for path in (done, failed, waiting)]
    record = logging.LogRecord("", logging.ERROR, "", 0, "Error in group", None, None)
    record.__dict__.update(event="group_error", job_error_info=jobs, aux_logs=[])
    FailedLogs([]).emit(record)
    assert capsys.readouterr().err == "error: models.a: no\n"
