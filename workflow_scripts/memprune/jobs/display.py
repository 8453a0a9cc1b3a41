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
        if plain.is_tty and os.environ.get("TERM") != "dumb" and bars:
            from memprune.jobs.bars import Bars  # rich, which takes a while, for a terminal alone

            logger.removeHandler(plain)
            logger.addHandler(Bars(plain, words))
        logger.addHandler(FailedLogs(plain.filters))
