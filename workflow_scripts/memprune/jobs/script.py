"""How every script runs: it ends with its workflow, and explains a mistake in one line."""

import sys
from collections.abc import Callable

from memprune.errors import UserError
from memprune.jobs.orphans import end_with_workflow


def run(main: Callable[[], None]) -> None:
    """Run a script's `main`; a `UserError` becomes one line on standard error and exit status 1.

    A job ends with the workflow that started it.
    """
    end_with_workflow()
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
