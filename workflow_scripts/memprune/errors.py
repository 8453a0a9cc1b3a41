"""The one exception whose message is meant for the user: one line, what was found and what is allowed."""


class UserError(Exception):
    """A mistake in the input, explained in one line: the file and key, what was found, what is allowed.

    What a name in it cannot show, such as a line break or a terminal's control sequence, is written as Python
    writes it.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(map(shown, message)))


def shown(character: str) -> str:
    """A character as it is, or how Python writes it where it cannot be printed."""
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def as_one_line(error: BaseException) -> str:
    """An exception's message as one line of at most 200 characters."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
