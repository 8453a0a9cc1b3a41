"""Why jobs failed, in their own words: what a user should read at once, and last."""

import atexit
import logging
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from memprune.jobs.machine import silent_end

LOG = re.compile(r"^ +log: (.+) \(check log file\(s\) for error details\)$", re.MULTILINE)
MISSING = re.compile(r"Missing files after (\d+) seconds\..*\n(.+) \(missing locally", re.MULTILINE)
INTERRUPTED = "Terminating processes on user request"  # jobs that end after that have not failed
SHOWN = 15  # lines of a log that ends in no line for the user


def failures(snakemake_logs: Iterable[str | Path]) -> list[str]:
    """What each failed job says of its failure, by the logs that Snakemake wrote of its own run.

    It is the one line that a script ends with, or the end of the job's log where there is none. Of a job that
    has not failed, what it made and cannot be seen.
    """
    text = "".join(Path(path).read_text(errors="replace") for path in snakemake_logs)
    logs = LOG.findall(text.partition(INTERRUPTED)[0])
    unseen = [
        f"error: {path}: not there {seconds} seconds after its job ended; where a shared disk shows files "
        "late, wait longer with --latency-wait"
        for seconds, path in MISSING.findall(text)
    ]
    return [*(last_words(Path(log)) for log in dict.fromkeys(logs)), *unseen]


def last_words(log: Path) -> str:
    """The last line of a job's log if it is an error explained, else the log's end with its name.

    A log without an error is of a job that could not tell it: what may have ended that is said last.
    """
    if line := explained(log):
        return line
    lines = lines_of(log)[-SHOWN:]
    shown = [f"{log}:", *(f"  {line}" for line in lines)] if lines else []
    silent = not any(word in line for line in lines for word in ("Traceback", "rror"))
    return "\n".join([*shown, *([f"error: {silent_end(log)}"] if silent else [])])


def explained(log: Path) -> str | None:
    """The line with which a job explains its failure, if its log ends with one."""
    last = lines_of(log)[-1:]
    return last[0] if last and last[0].startswith("error: ") else None


def lines_of(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines() if log.exists() else []


def print_at_exit(snakemake_logs: Iterable[str | Path]) -> None:
    """Print what each failed job says when this process ends, after all that Snakemake prints."""
    words = failures(snakemake_logs)
    atexit.register(lambda: print(*words, sep="\n", file=sys.stderr))


class FailedLogs(logging.Handler):
    """Prints what a job says of its failure as soon as it has failed, while others go on."""

    def __init__(self, filters: list[logging.Filter]) -> None:
        super().__init__()
        self.filters = filters
        self.interrupted = False

    def emit(self, record: logging.LogRecord) -> None:
        self.interrupted |= record.getMessage().startswith(INTERRUPTED)
        event = str(getattr(record, "event", None))
        logs = []
        if event == "job_error" and not record.indent:  # else its group tells it
            logs = record.log
        if event == "group_error":
            logs = [log for job in record.job_error_info for log in job["log"]] + record.aux_logs
        if not self.interrupted:
            for words in told(logs):
                print(words, file=sys.stderr, flush=True)


def told(logs: list[str]) -> list[str]:
    """The errors that logs explain, or the end of the log that was written last if none does."""
    written = sorted(filter(Path.exists, map(Path, logs)), key=lambda path: path.stat().st_mtime)
    lines = [line for path in written if (line := explained(path))]
    return lines or [last_words(path) for path in (written or list(map(Path, logs)))[-1:]]
