"""The one exception whose message is meant for the user: one line, what was found and what is allowed."""


class UserError(Exception):
    """A mistake in the input, explained in one line: the file and key, what was found, what is allowed."""
