"""The one exception whose message is meant for the user: one line, what was found and what is allowed."""

import sys
from collections.abc import Callable

from memprune.orphans import end_with_workflow


class UserError(Exception):
    """A mistake in the input, explained in one line: the file and key, what was found, what is allowed."""


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
