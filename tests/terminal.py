"""A terminal for tests: what a command writes to it, and the lines that a person would see."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

PATIENCE = 300  # seconds without a word, after which a command is ended
CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|(.)", re.DOTALL)


def on_terminal(
    command: list[str], folder: Path, columns: int = 100, watch: Callable[[str], bytes] = lambda written: b""
) -> tuple[int, str]:
    """Run a command on a terminal of its own; returns its exit status and all that it wrote.

    `watch` says, by what was written so far, what a user types next.
    """
    user, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    unset = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key not in unset} | {"TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(terminal)
    written = b""
    while True:
        if not select.select([user], [], [], PATIENCE)[0]:
            os.killpg(process.pid, signal.SIGKILL)
        try:
            written += os.read(user, 65536)
        except OSError:  # the last process that wrote has ended
            break
        os.write(user, watch(written.decode(errors="replace")))
    os.close(user)
    return process.wait(), written.decode()


def take_terminal() -> None:
    """Make the terminal this session's own, so that what is typed is a signal, also where tests ignore it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def seen(written: str) -> list[str]:
    """The lines of a terminal, those scrolled away included, after all this was written to it."""
    lines, row, column = [""], 0, 0
    for argument, control, character in CONTROL.findall(written):
        if control == "A":
            row = max(0, row - int(argument or 1))
        elif control == "K":
            lines[row] = "" if argument == "2" else lines[row][:column]
        elif character == "\r":
            column = 0
        elif character == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif character:
            lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
            column += 1
        else:
            assert control in "mhl", control  # colours, and whether the cursor is shown
    return [line.rstrip() for line in lines]
