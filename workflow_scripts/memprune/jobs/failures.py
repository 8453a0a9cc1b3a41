"""Why jobs failed, in their own words: what a user should read last."""

import re
from collections.abc import Iterable
from pathlib import Path

LOG = re.compile(r"^ +log: (.+) \(check log file\(s\) for error details\)$", re.MULTILINE)
SHOWN = 15  # lines of a log that ends in no line for the user


def failures(snakemake_logs: Iterable[str | Path]) -> list[str]:
    """What each failed job says of its failure, by the logs that Snakemake wrote of its own run.

    It is the one line that a script ends with, or the end of the job's log where there is none.
    """
    text = "".join(Path(path).read_text(errors="replace") for path in snakemake_logs)
    return [last_words(Path(log)) for log in dict.fromkeys(LOG.findall(text))]


def last_words(log: Path) -> str:
    """The last line of a job's log if it is an error explained, else the log's end with its name."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    explained = [line for line in lines[-1:] if line.startswith("error: ")]
    return explained[0] if explained else "\n".join([f"{log}:", *(f"  {line}" for line in lines[-SHOWN:])])
