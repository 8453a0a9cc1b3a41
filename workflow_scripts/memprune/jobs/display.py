"""What the user of a run sees: bars on a terminal, else Snakemake's lines; why a job failed, at once."""

import logging
import os
from collections.abc import Callable

from memprune.jobs.failures import FailedLogs


def set_display(logger: logging.Logger, bars: bool, words: Callable[[str], str]) -> None:
    """Show `bars` in place of Snakemake's lines if this is a terminal, and failed jobs' logs at once.

    `words` says in words what the jobs of a rule do. Another logger that the user has chosen stays as it is.
    """
    for plain in [handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"]:
        shown = plain
        if plain.is_tty and os.environ.get("TERM") != "dumb" and bars:
            from memprune.jobs.bars import Bars  # rich, which takes a while, for a terminal alone

            shown = Bars(plain, words)
            logger.removeHandler(plain)
            logger.addHandler(shown)
        failed = FailedLogs(plain.filters)
        failed.lock = shown.lock  # one writes at a time
        logger.addHandler(failed)
