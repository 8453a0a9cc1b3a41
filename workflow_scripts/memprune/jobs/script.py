"""How every script runs: it ends with its workflow, and explains a mistake in one line."""

import sys
from collections.abc import Callable
from typing import NoReturn

from memprune.errors import UserError
from memprune.jobs.machine import in_one_line
from memprune.jobs.orphans import end_with_workflow


def run(main: Callable[[], None]) -> None:
    """Run a script's `main`; a `UserError` becomes one line on standard error and exit status 1.

    So does what the machine lacks. A job ends with the workflow that started it.
    """
    end_with_workflow()
    try:
        main()
    except UserError as error:
        fail(error)
    except Exception as error:
        line = in_one_line(error, sys.argv[-1])  # the last that each job is told is what it makes
        if line is None:
            raise
        fail(line)


def fail(reason: object) -> NoReturn:
    """End with a line that says why."""
    print(f"error: {reason}", file=sys.stderr)
    sys.exit(1)
